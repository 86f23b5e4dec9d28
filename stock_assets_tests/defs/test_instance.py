"""The states of checks that pages show: those that Dagster itself makes of the same results, in no time."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pandas as pd
import pytest
from dagster._core.storage import asset_check_state
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus as Status
from dagster._core.storage.asset_check_state import AssetCheckState

from stock_assets.commands import home
from stock_assets.defs import instance as instances
from stock_assets.defs import partitions, runless_checks
from stock_assets_tests.defs import graph
from stock_assets_tests.defs.graph import CannedSource, Graph

TICKERS = ("TSLA", "STX", "NVDA", "WAIT", "GONE")
KEYS = {ticker: str(partitions.key(ticker, graph.SESSION)) for ticker in TICKERS}
CHECK = dg.AssetCheckKey(dg.AssetKey("raw_prices"), "has_raw_schema")


def hole(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
    """Where STX's bar of the session was."""
    return bars.rename(index={pd.Timestamp(session): pd.Timestamp(graph.later(1))}) if ticker == "STX" else bars


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """TSLA passes, STX fails a check, NVDA's run was killed, WAIT's waits, and GONE is followed no longer."""
    folder = tmp_path_factory.mktemp("states")
    with home.instance(folder / "home") as instance:
        everybody = Graph(folder, instance, tickers=f"[{', '.join(TICKERS)}]", prices=CannedSource(change=hole))
        for ticker in ("TSLA", "STX", "GONE"):
            everybody.run(["raw_prices"], ticker=ticker)
        for ticker in ("NVDA", "WAIT"):
            run = instance.create_run_for_job(
                everybody.defs.resolve_job_def("daily_job"), tags={partitions.TAG: KEYS[ticker]}
            )
            if ticker == "NVDA":
                instance.report_run_failed(run, "the process is gone")
        yield Graph(folder, instance, tickers=f"[{', '.join(TICKERS[:-1])}]")


def asked(made: Graph) -> list[tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]]:
    found = made.defs.resolve_asset_graph()
    return [(key, found.get(key).partitions_def) for key in sorted(found.asset_check_keys)]


def of_dagster(made: Graph) -> dict[dg.AssetCheckKey, AssetCheckState]:
    keys = asked(made)
    empty = {key: AssetCheckState.empty() for key, _ in keys}
    return dict(asset_check_state.bulk_update_asset_check_state(made.instance, keys, empty))


def alike(made: Graph) -> dict[dg.AssetCheckKey, AssetCheckState]:
    """Our states, which are Dagster's."""
    assert isinstance(made.instance, instances.Instance)
    ours, theirs = dict(made.instance.event_log_storage.get_asset_check_state(asked(made))), of_dagster(made)
    assert ours.keys() == theirs.keys()
    for key, state in theirs.items():
        assert ours[key].subsets == state.subsets, key
        assert ours[key].in_progress_runs == state.in_progress_runs, key
    return ours


def test_they_are_those_that_dagster_makes(made: Graph) -> None:
    ours = alike(made)
    seen = {
        status: {key for state in ours.values() for key in state.subsets[status].subset_value.get_partition_keys()}
        for status in Status
    }
    assert KEYS["TSLA"] in seen[Status.SUCCEEDED]
    assert KEYS["STX"] in seen[Status.FAILED]
    assert KEYS["WAIT"] in seen[Status.IN_PROGRESS]
    assert {KEYS["NVDA"]} == seen[Status.EXECUTION_FAILED] | seen[Status.SKIPPED]
    assert not any(KEYS["GONE"] in keys for keys in seen.values())


def test_the_calendar_is_asked_once_a_session(made: Graph) -> None:
    keys = asked(made)
    made.instance._found.clear()  # type: ignore[attr-defined]
    with mock.patch.object(
        dg.DailyPartitionsDefinition, "has_partition_key", autospec=True, return_value=True
    ) as calendar:
        made.instance.event_log_storage.get_asset_check_state(keys)
    assert calendar.call_count == 1


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Graph]:
    with home.instance(tmp_path / "home") as instance:
        made = Graph(tmp_path, instance)
        made.run(["raw_prices"], ticker="TSLA")
        yield made


def evaluation(ticker: str, *, passed: bool) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=CHECK.asset_key, check_name=CHECK.name, passed=passed, metadata={}, partition=KEYS[ticker]
    )


def test_what_comes_later_is_told(fresh: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_OVERLAP", 0)

    def of_check() -> dict[Status, set[str]]:
        subsets = alike(fresh)[CHECK].subsets
        return {status: set(found.subset_value.get_partition_keys()) for status, found in subsets.items() if found.size}

    tsla, stx = KEYS["TSLA"], KEYS["STX"]
    assert of_check() == {Status.SUCCEEDED: {tsla}}
    runless_checks.report(fresh.instance, evaluation("TSLA", passed=False))
    assert of_check() == {Status.FAILED: {tsla}}
    run = fresh.instance.create_run_for_job(fresh.defs.resolve_job_def("daily_job"), tags={partitions.TAG: stx})
    assert of_check() == {Status.FAILED: {tsla}, Status.IN_PROGRESS: {stx}}
    fresh.instance.report_run_failed(run, "the process is gone")
    assert of_check() == {Status.FAILED: {tsla}, Status.EXECUTION_FAILED: {stx}}
    fresh.run(["raw_prices"], ticker="STX")
    assert of_check() == {Status.FAILED: {tsla}, Status.SUCCEEDED: {stx}}
    # Other prices, not looked at yet.
    fresh.instance.report_runless_asset_event(dg.AssetMaterialization(CHECK.asset_key, partition=stx))
    assert of_check() == {Status.FAILED: {tsla}}
    runless_checks.report(fresh.instance, evaluation("TSLA", passed=True))
    runless_checks.report(fresh.instance, evaluation("STX", passed=True))
    assert of_check() == {Status.SUCCEEDED: {tsla, stx}}
    fresh.instance.wipe_assets([CHECK.asset_key])
    assert of_check() == {}


def test_other_tickers_are_another_grid(fresh: Graph, tmp_path: Path) -> None:
    alike(fresh)
    fewer = Graph(tmp_path, fresh.instance, tickers="[STX]")
    assert not alike(fewer)[CHECK].subsets[Status.SUCCEEDED].size
    again = Graph(tmp_path, fresh.instance)
    assert set(alike(again)[CHECK].subsets[Status.SUCCEEDED].subset_value.get_partition_keys()) == {KEYS["TSLA"]}


def test_only_what_is_new_is_read(fresh: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_OVERLAP", 0)
    storage, keys = fresh.instance.event_log_storage, asked(fresh)
    read: list[int] = []
    whole = storage.get_asset_check_partition_info

    def counted(*asked_for: Any, **how: Any) -> Any:
        found = whole(*asked_for, **how)
        read.append(len(found))
        return found

    monkeypatch.setattr(storage, "get_asset_check_partition_info", counted)
    storage.get_asset_check_state(keys)
    storage.get_asset_check_state(keys)
    runless_checks.report(fresh.instance, evaluation("TSLA", passed=False))
    storage.get_asset_check_state(keys)
    checks_of_prices = sum(key.asset_key == CHECK.asset_key for key, _ in keys)
    assert read == [checks_of_prices, 0, 1]
