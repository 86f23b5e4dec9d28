"""A killed `run` is reported as failed by the next one, and holds nothing up."""

import datetime as dt
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from stock_assets.commands import dead_runs, home
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.place import PROGRAM, Place
from stock_assets_tests.yahoo_server import Fault, YahooServer

POOL = "price_source"
SESSION = dt.date(2024, 3, 8)
WORDS = ("run", "--as-of", "2024-03-08", "--source", "yahoo")


@pytest.fixture
def instance(tmp_path: Path):
    with home.instance(tmp_path) as instance:
        yield instance


def started(instance: dg.DagsterInstance) -> dg.DagsterRun:
    @dg.job
    def some_job():
        pass

    return instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED)


def test_a_living_run_is_left_alone(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run = started(instance)
    with dead_runs.alive(tmp_path, run.run_id):
        assert dead_runs.bury(instance, tmp_path) == []
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
    assert list((tmp_path / "running").iterdir()) == []


def test_one_whose_lock_is_gone_is_reported_failed_once(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run = started(instance)
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / run.run_id).touch()
    (tmp_path / "running" / "of-another-instance").touch()

    assert dead_runs.bury(instance, tmp_path) == [run.run_id]
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert dead_runs.bury(instance, tmp_path) == []


def test_without_any_run_there_is_nothing_to_do(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert dead_runs.bury(instance, tmp_path) == []


def few_bars() -> pd.DataFrame:
    return SimulatedSource().fetch("TSLA", SESSION).bars.loc["2024-02-01":"2024-03-08"]


def place_with_one_place_to_fetch(folder: Path, server: YahooServer) -> Place:
    place = Place(folder, {"STOCK_ASSETS_YAHOO_URL": server.url})
    with home.instance(folder / "home") as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
    return place


def test_a_killed_fetch_gives_its_place_back(tmp_path: Path) -> None:
    """One place at the price source, and it is taken by a run that is killed while it waits for an answer."""
    with YahooServer({"TSLA": few_bars()}) as server:
        server.faults["TSLA"] = Fault(delay=60.0)
        place = place_with_one_place_to_fetch(tmp_path, server)
        with subprocess.Popen(
            [PROGRAM, *WORDS, "TSLA"], env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            while not any(request.path.endswith("/chart/TSLA") for request in server.requests):
                assert running.poll() is None
                time.sleep(0.05)
            running.kill()

        server.faults.clear()
        done = place.run(*WORDS, "TSLA")
    # The answer came: it goes on to the features, which need more than these few bars.
    assert "26 bars" in place.log("raw_prices")
    assert "26 bars are too few for features" in done.err
    with home.instance(tmp_path / "home") as instance:
        of_the_ticker = instance.get_runs(dg.RunsFilter(job_name="whole_graph_job"))
        assert [run.status for run in of_the_ticker] == [dg.DagsterRunStatus.FAILURE] * 2
        assert instance.event_log_storage.get_concurrency_info(POOL).active_slot_count == 0


def test_with_one_place_two_processes_ask_one_after_the_other(tmp_path: Path) -> None:
    at_once, most, turn = 0, 0, threading.Lock()

    def watched(payload: object) -> object:
        nonlocal at_once, most
        with turn:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.5)
        with turn:
            at_once -= 1
        return payload

    with YahooServer({"TSLA": few_bars(), "STX": few_bars()}) as server:
        server.faults = dict.fromkeys(["TSLA", "STX"], Fault(change=watched, history_only=True))
        place = place_with_one_place_to_fetch(tmp_path, server)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda ticker: place.run(*WORDS, ticker), ["TSLA", "STX"]))
        assert [server.histories_requested(ticker) for ticker in ("TSLA", "STX")] == [1, 1]
    assert most == 1
