"""What is counted, in one process and in several, and that clients can't make it grow."""

import datetime as dt
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from stock_assets.serving.metrics import CONTENT_TYPE, Metrics
from stock_assets.serving.spool import Backlog
from stock_assets.settings import project_root

NOW = dt.datetime(2024, 3, 11, 9, 0, tzinfo=dt.UTC)
EMPTY = Backlog(0, 0, 0.0)

Samples = dict[tuple[str, frozenset], float]


def told(metrics: Metrics, backlog: Backlog = EMPTY, newest: dict | None = None, troubles: int = 0) -> Samples:
    text = metrics.exposition(backlog=backlog, newest=newest or {}, troubles=troubles, now=NOW).decode()
    return parsed(text)


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"stock_assets_{name}", frozenset(labels.items())]


def test_requests_by_route_method_and_status():
    metrics = Metrics()
    for status in (200, 200, 409):
        metrics.answered("/predict", "GET", status, 0.002)
    metrics.answered("/predict", "POST", 200, 0.002)
    found = told(metrics)
    assert value(found, "requests_total", route="/predict", method="GET", status="200") == 2
    assert value(found, "requests_total", route="/predict", method="GET", status="409") == 1
    assert value(found, "requests_total", route="/predict", method="POST", status="200") == 1


def test_how_long_they_took():
    metrics = Metrics()
    for seconds in (0.001, 0.002, 0.2):
        metrics.answered("/predict", "GET", 200, seconds)
    found = told(metrics)
    assert value(found, "request_seconds_bucket", route="/predict", le="0.001") == 1
    assert value(found, "request_seconds_bucket", route="/predict", le="0.0025") == 2
    assert value(found, "request_seconds_bucket", route="/predict", le="+Inf") == 3
    assert value(found, "request_seconds_sum", route="/predict") == pytest.approx(0.203)


def test_forecasts_and_those_not_recorded():
    metrics = Metrics()
    metrics.served("TSLA")
    metrics.served("TSLA", 40)
    metrics.served("STX")
    metrics.dropped(3)
    found = told(metrics)
    assert value(found, "forecasts_total", ticker="TSLA") == 41
    assert value(found, "forecasts_total", ticker="STX") == 1
    assert value(found, "forecasts_dropped_total") == 3


def test_what_is_looked_up_when_it_is_asked_for():
    newest = {"TSLA": dt.date(2024, 3, 8), "STX": dt.date(2024, 3, 7)}
    found = told(Metrics(), Backlog(2, 512, 12.5), newest, 1)
    assert value(found, "spool_files") == 2
    assert value(found, "spool_bytes") == 512
    assert value(found, "spool_oldest_seconds") == 12.5
    assert value(found, "tickers") == 2
    assert value(found, "tickers_in_trouble") == 1
    assert value(found, "snapshot_age_days", ticker="TSLA") == 3
    assert value(found, "snapshot_age_days", ticker="STX") == 4


def test_a_backlog_has_no_effect_on_the_counts():
    metrics = Metrics()
    metrics.served("TSLA")
    told(metrics, Backlog(1, 1, 1.0))
    assert value(told(metrics), "forecasts_total", ticker="TSLA") == 1


@given(st.lists(st.text(max_size=20), max_size=40))
def test_methods_that_clients_make_up_are_one(methods):
    metrics = Metrics()
    for method in methods:
        metrics.answered("none", method, 405, 0.001)
    series = {labels for name, labels in told(metrics) if name == "stock_assets_requests_total"}
    known = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "other"}
    assert {dict(labels)["method"] for labels in series} <= known
    assert len(metrics._answered) <= len(known)


def test_tickers_beyond_the_limit_are_one():
    metrics = Metrics()
    for n in range(700):
        metrics.served(f"T{n}")
    found = told(metrics, newest={f"T{n}": dt.date(2024, 3, 8) for n in range(700)})
    assert len([name for name, _ in found if name == "stock_assets_forecasts_total"]) == 501
    assert value(found, "forecasts_total", ticker="other") == 200
    assert len([name for name, _ in found if name == "stock_assets_snapshot_age_days"]) == 500


def test_the_type_says_that_it_is_the_text_format():
    assert CONTENT_TYPE.startswith("text/plain; version=")


SEVERAL = """
import os, sys
from stock_assets.serving.metrics import Metrics
from stock_assets.serving.spool import Backlog
import datetime

metrics = Metrics()
for n in (1, 2, 3):
    child = os.fork()
    if child == 0:
        for _ in range(n):
            metrics.answered("/predict", "GET", 200, 0.01)
        metrics.served("TSLA", 10 * n)
        metrics.dropped(n)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
now = datetime.datetime(2024, 3, 11, tzinfo=datetime.UTC)
sys.stdout.buffer.write(metrics.exposition(backlog=Backlog(0, 0, 0.0), newest={}, troubles=0, now=now))
"""


def test_counts_of_workers_are_summed_and_outlive_them(tmp_path):
    """Three workers, each killed after it has counted."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=project_root(),
        capture_output=True,
        check=True,
    )
    found = parsed(done.stdout.decode())
    assert value(found, "requests_total", route="/predict", method="GET", status="200") == 6
    assert value(found, "request_seconds_count", route="/predict") == 6
    assert value(found, "forecasts_total", ticker="TSLA") == 60
    assert value(found, "forecasts_dropped_total") == 6
