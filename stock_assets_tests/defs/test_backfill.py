"""Many sessions in one run: the same files, events and checks as by a run of each, whatever becomes of the others."""

import datetime as dt
import logging
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa

from stock_assets.commands import home
from stock_assets.core import sessions
from stock_assets.core.errors import SourceUnavailableError
from stock_assets.defs import partitions, resources, run_intake
from stock_assets.monitoring import tables
from stock_assets.settings import project_root
from stock_assets.sources.yahoo import YahooSource
from stock_assets_tests import postgres, s3
from stock_assets_tests.defs import events, graph
from stock_assets_tests.defs.graph import CannedSource, Graph
from stock_assets_tests.place import PATIENCE, clean_environment, files
from stock_assets_tests.yahoo_server import YahooServer

FRIDAY = graph.SESSION
THURSDAY, MONDAY, TUESDAY, WEDNESDAY = (graph.later(n) for n in (-1, 1, 2, 3))
RANGE = (THURSDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY)
NO_FORECAST = ("raw_prices", "clean_prices", "price_metrics", "features", "track_record")


def spoilt(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
    """On Monday the session's own prices are below zero; on Tuesday there is a hole where its bar was."""
    if session == MONDAY:
        bars.loc[bars.index[-1], ["open", "high", "low", "close"]] = -1.0
    if session == TUESDAY:
        return bars.rename(index={pd.Timestamp(TUESDAY): pd.Timestamp(WEDNESDAY)})
    return bars


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Graph, Graph, dg.ExecuteInProcessResult]]:
    """Five sessions by a run of each, and by one run for all, on Dagster's real storage; and that run."""
    folders = [tmp_path_factory.mktemp(name) for name in ("separate", "together")]
    with (
        home.instance(folders[0] / "home") as one,
        home.instance(folders[1] / "home") as other,
    ):
        separate, together = (
            Graph(folder, instance, prices=CannedSource(change=spoilt))
            for folder, instance in zip(folders, (one, other), strict=True)
        )
        separate.run(NO_FORECAST, session=THURSDAY)
        separate.run("whole_graph_job", session=FRIDAY)
        for session in (MONDAY, TUESDAY, WEDNESDAY):
            separate.run("daily_job", session=session)
        yield separate, together, together.backfill(RANGE[0], RANGE[-1], training="weekly")


def test_the_files_are_those_of_separate_runs(both):
    separate, together, _ = both
    theirs, ours = (files(Path(made.settings.data_dir)) for made in (separate, together))
    assert {name for name in ours if name.startswith("report/TSLA/2024-03-13/figures/")}
    assert ours == theirs


def test_in_a_bucket_lies_the_same_and_a_database_elsewhere_learns_of_it(both, make_graph, postgres_socket):
    """The data folder on S3, monitoring on PostgreSQL: the run is taken with every partition it made."""
    separate, _, _ = both
    url = postgres.create_database(postgres_socket, f"backfill-{uuid.uuid4().hex}")
    database = resources.LazyDatabase(mock.Mock(database_url=url))
    with s3.server() as server, s3.bucket(server) as bucket:
        made = make_graph(data_dir=f"s3://{bucket}/data", prices=CannedSource(change=spoilt))
        result = made.backfill(THURSDAY, FRIDAY, training="weekly")
        assert result.success
        for session in (THURSDAY, FRIDAY):
            assert made.checksums(session) == separate.checksums(session)
        now, log = dt.datetime.now(dt.UTC), logging.getLogger("stock_assets.test")
        assert run_intake.take_finished(made.instance, database, made.store, now, log) == (1, 0)
    with database.reading() as connection:
        [run] = connection.execute(sa.select(tables.runs)).all()
        n_made = connection.execute(sa.select(sa.func.count()).select_from(tables.materialisations)).scalar_one()
        forecasts = [tuple(row) for row in connection.execute(sa.select(tables.forecasts.c["ticker", "session"]))]
    database.opened.close()
    assert (run.run_id, run.job, run.status, run.ticker) == (result.run_id, "backfill_job", "success", "TSLA")
    assert n_made == len(NO_FORECAST) + len(graph.ALL)
    assert forecasts == [("TSLA", FRIDAY)]


def test_materialisations_are_those_of_separate_runs(both):
    separate, together, _ = both
    theirs, ours = (events.materialisations(made) for made in (separate, together))
    assert ours.keys() == theirs.keys()
    assert ours == theirs


def test_checks_are_those_of_separate_runs(both):
    separate, together, _ = both
    theirs, ours = (events.checks(made) for made in (separate, together))
    assert {key for key, (status, *_) in ours.items() if status.value == "FAILED"} >= {
        ("raw_prices:last_session_is_present", f"{TUESDAY}|TSLA")
    }
    assert {key: (ours.get(key), told) for key, told in theirs.items() if ours.get(key) != told} == {}
    assert ours.keys() == theirs.keys()


@pytest.mark.parametrize("asset", graph.ALL)
def test_the_grid_is_that_of_separate_runs(both, asset):
    separate, together, _ = both
    assert events.grid(together, asset) == events.grid(separate, asset)


def test_failed_sessions_are_told_in_one_line(both):
    _, together, result = both
    assert not result.success
    told = graph.failures(result)["backfill"]
    assert "TSLA: 2 of 5 sessions failed: 2024-03-11 (" in told
    assert "; 2024-03-12 (check last_session_is_present on raw_prices failed: " in told
    lines = [entry.user_message for entry in together.instance.all_logs(result.run_id)]
    assert any(line.startswith("2024-03-07: made raw_prices") and "there is no model" in line for line in lines)
    assert any(line.startswith("2024-03-13: made raw_prices") and "report" in line for line in lines)


def test_the_run_carries_its_ticker_so_that_others_of_it_wait(both):
    _, together, result = both
    tags = together.instance.get_run_by_id(result.run_id).tags
    assert tags["dagster/partition/ticker"] == "TSLA"
    assert "dagster/partition" not in tags


def test_again_only_what_failed_is_made(both, tmp_path):
    _, together, _ = both
    mended = Graph(tmp_path, together.instance, data_dir=together.settings.data_dir)
    result = mended.backfill(RANGE[0], RANGE[-1], training="weekly", reports=False)
    assert result.success
    assert _sessions_made(result) == {MONDAY, TUESDAY}
    assert mended.source.fetches == [("TSLA", MONDAY), ("TSLA", TUESDAY)]


def _sessions_made(result: dg.ExecuteInProcessResult) -> set[dt.date]:
    made = [event.partition for event in result.all_events if event.is_step_materialization]
    return {partitions.split(partition)[1] for partition in made}


FIRST, KILLED, LAST = graph.later(0), graph.later(14), graph.later(29)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a backfill of thirty sessions that was killed on the fifteenth, its last artefact just stored."""
    folder = tmp_path_factory.mktemp("killed")
    program = [sys.executable, "-m", "stock_assets_tests.defs.killed_backfill"]
    done = subprocess.run(
        [*program, str(folder), str(FIRST), str(LAST), "track_record", str(KILLED)],
        cwd=project_root(),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def test_a_killed_backfill_goes_on_where_it_was(killed, make_graph):
    undisturbed = make_graph()
    assert undisturbed.backfill(FIRST, LAST).success
    with home.instance(killed / "home") as instance:
        resumed = Graph(killed, instance)
        assert resumed.store.sessions("track_record", "TSLA") == [graph.later(n) for n in range(15)]
        result = resumed.backfill(FIRST, LAST)
        assert result.success
        # The session of the kill is whole, but Dagster was not told of its last artefact.
        assert _sessions_made(result) == {graph.later(n) for n in range(14, 30)}
        again = resumed.backfill(FIRST, LAST)
        assert again.success
        assert _sessions_made(again) == set()
        forced = resumed.backfill(KILLED, KILLED, force=True)
        assert _sessions_made(forced) == {KILLED}
    assert files(Path(resumed.settings.data_dir)) == files(Path(undisturbed.settings.data_dir))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"first": "2024-03-09"}, "2024-03-09, a Saturday, is not a session"),
        ({"last": "2024-12-32"}, "'2024-12-32' is not a session"),
        ({"last": "2025-01-02"}, "the latest session with final prices is 2024-12-31"),
        ({"first": "2019-12-31"}, "first session 2019-12-31 is before the grid's, 2020-01-02"),
        ({"first": "2024-12-31", "last": "2024-12-30"}, "last session 2024-12-30 is before the first one, 2024-12-31"),
        ({"first": "2020-01-02"}, "expected at most 600 in one run: up to 2022-05-18"),
        ({"ticker": "NVDA"}, "NVDA is not on the watchlist; expected one of TSLA, STX"),
    ],
)
def test_what_can_not_be_is_said_before_anything_starts(make_graph, asked, told):
    made = make_graph()
    result = made.backfill(**{"first": "2024-12-30", "last": "2024-12-31"} | asked)
    assert told in graph.failures(result)["backfill"]
    assert made.source.fetches == []


def test_sources_are_not_mixed(make_graph):
    made = make_graph()
    made.run(["raw_prices"], session=MONDAY)
    other = CannedSource()
    other.name = "other"
    swapped = make_graph(prices=other)
    result = swapped.backfill(FRIDAY, MONDAY)
    assert f"TSLA {MONDAY}" in graph.failures(result)["backfill"]
    assert "holds prices from canned; expected other" in graph.failures(result)["backfill"]
    assert other.fetches == []
    assert swapped.backfill(FRIDAY, MONDAY, force=True).success
    assert swapped.snapshot(MONDAY).table("raw_prices").attrs["source"] == "other"


def test_one_answer_of_yahoo_serves_all_sessions(make_graph, tmp_path):
    bars = CannedSource().fetch("TSLA", TUESDAY).bars
    with YahooServer({"TSLA": bars}) as server:
        made = make_graph(prices=YahooSource(server.url, tmp_path / "yfinance", timeout=PATIENCE))
        assert made.backfill(FRIDAY, TUESDAY).success
        assert server.histories_requested("TSLA") == 1
    assert [len(made.snapshot(session).table("raw_prices")) for session in (FRIDAY, MONDAY, TUESDAY)] == [
        len(bars) - 2,
        len(bars) - 1,
        len(bars),
    ]


def test_a_source_that_answers_again_is_waited_for(make_graph):
    made = make_graph(prices=CannedSource(faults=[SourceUnavailableError("503"), SourceUnavailableError("503")]))
    assert made.backfill(FRIDAY, MONDAY).success
    assert made.source.fetches == [("TSLA", FRIDAY)] * 3 + [("TSLA", MONDAY)]


def test_a_silent_source_ends_the_backfill(make_graph):
    made = make_graph(prices=CannedSource(faults=[SourceUnavailableError(f"TSLA: 503, {n}") for n in range(100)]))
    result = made.backfill(FRIDAY, TUESDAY)
    told = graph.failures(result)["backfill"]
    assert "TSLA: the price source does not answer, so 3 of 3 sessions are not made" in told
    assert len(made.source.fetches) == 4  # not four for each session


def test_a_session_that_meets_a_fault_of_ours_stops_no_other(make_graph, monkeypatch):
    from stock_assets.core import metrics

    compute = metrics.price_metrics

    def faulty(clean: pd.DataFrame, **about: Any) -> dict[str, Any]:
        return {}["no such key"] if about["as_of"] == FRIDAY else compute(clean, **about)

    monkeypatch.setattr(metrics, "price_metrics", faulty)
    made = make_graph()
    result = made.backfill(FRIDAY, MONDAY)
    told = graph.failures(result)["backfill"]
    assert "TSLA: 1 of 2 sessions failed: 2024-03-08 (price_metrics: KeyError: 'no such key')" in told
    # What is not made from it is there, as after a run of its own.
    assert set(made.checksums(FRIDAY)) == set(NO_FORECAST) - {"price_metrics"}
    assert set(made.checksums(MONDAY)) == set(NO_FORECAST)


def test_every_session_may_train(make_graph):
    made = make_graph()
    assert made.backfill(THURSDAY, FRIDAY, training="every", reports=False).success
    for session in (THURSDAY, FRIDAY):
        assert set(made.checksums(session)) == set(graph.ALL) - {"report"}
        assert made.snapshot(session).table("predictions")["model_as_of"].iloc[0].date() == session


def test_the_newest_evening_may_be_among_them(make_graph):
    """Partitions open at 22:00 UTC: the clock of these graphs stands at that moment of 2024-12-31."""
    newest = dt.date(2024, 12, 31)
    assert sessions.latest_available(graph.StandingClock(newest).now()) == newest
    assert make_graph().backfill(newest, newest).success
