"""One log file an asset: lines that a person and a program can read, traces of errors, and nothing lost."""

import datetime as dt
import logging
import re

import pandas as pd
import pytest

from stock_assets.core.errors import NoPricesError
from stock_assets.defs import logs
from stock_assets_tests.defs.graph import ALL, PRICES, SESSION, CannedSource

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 (INFO|WARNING|ERROR) [A-Z][A-Z0-9.-]* \d{4}-\d\d-\d\d \S.*", re.ASCII
)


@pytest.mark.parametrize("asset", ALL)
def test_every_asset_tells_of_start_and_end(finished, asset):
    graph, result = finished
    lines = graph.log(asset)
    assert lines
    for line in lines:
        assert LINE.fullmatch(line)
        assert f" TSLA {SESSION} " in line
    assert f"started, run {result.run_id}" in lines[0]
    assert any(re.search(r" INFO TSLA 2024-03-08 finished in \d+\.\d\d s$", line) for line in lines)


def test_there_is_a_file_for_each_asset_and_no_other(finished):
    graph, _ = finished
    assert {path.name for path in graph.settings.log_dir.iterdir()} == {f"{asset}.log" for asset in ALL}


def test_the_time_is_utc(tmp_path):
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with logs.asset_log(tmp_path, "features", "TSLA", SESSION) as log:
        log.info("here")
    [line] = (tmp_path / "features.log").read_text().splitlines()
    told = dt.datetime.strptime(line.split(" ")[0], "%Y-%m-%dT%H:%M:%S%z")
    assert before <= told <= dt.datetime.now(dt.UTC)


def test_runs_append(make_graph):
    graph = make_graph()
    runs = [graph.run(PRICES, ticker=ticker).run_id for ticker in ("TSLA", "STX")]
    lines = graph.log("clean_prices")
    started = [line.split(" ", 2)[2] for line in lines if "started" in line]
    assert started == [f"TSLA {SESSION} started, run {runs[0]}", f"STX {SESSION} started, run {runs[1]}"]


def test_an_error_brings_its_trace(make_graph):
    graph = make_graph(prices=CannedSource(faults=[NoPricesError("TSLA 2024-03-08: Yahoo knows no such ticker")]))
    graph.run(PRICES)
    lines = graph.log("raw_prices")
    assert [line for line in lines if " ERROR " in line and line.endswith("Yahoo knows no such ticker")]
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "stock_assets.core.errors.NoPricesError: TSLA 2024-03-08: Yahoo knows no such ticker"
    assert not any("finished" in line for line in lines)


def test_a_repair_is_told_with_its_session(make_graph):
    def twice(bars, ticker, session):
        return pd.concat([bars, bars.loc[["2023-11-24"]]]).sort_index(kind="stable")

    graph = make_graph(prices=CannedSource(change=twice))
    assert graph.run(PRICES).success
    repair, check = [line for line in graph.log("clean_prices") if " WARNING " in line]
    assert repair.endswith(f"WARNING TSLA {SESSION} 2023-11-24: repeated_bar_dropped")
    assert check.endswith("check no_bar_is_repaired failed: 1; expected 0 rows with a repair")


def test_nothing_goes_to_the_root_logger(tmp_path, caplog):
    with logs.asset_log(tmp_path, "features", "TSLA", SESSION) as log:
        log.error("only in the file")
    assert caplog.records == []
    assert "stock_assets.features" not in logging.root.manager.loggerDict


def test_long_logs_are_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_MAX_BYTES", 200)
    for number in range(20):
        with logs.asset_log(tmp_path, "features", "TSLA", SESSION) as log:
            log.info("line %d", number)
    assert {path.name for path in tmp_path.iterdir()} == {"features.log", *(f"features.log.{n}" for n in (1, 2, 3))}
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    assert "line 19" in (tmp_path / "features.log").read_text()
