"""Checks on stored prices: what stops the graph, what only warns, and what is recorded."""

import dagster as dg
import pandas as pd
import pytest

from stock_assets.core import checks
from stock_assets.defs import partitions
from stock_assets_tests.defs.graph import (
    PRICES,
    SESSION,
    TRAINED,
    CannedSource,
    evaluations,
    failures,
    later,
    materialised,
)


def without_last_bar(bars, ticker, session):
    return bars.iloc[:-1] if ticker == "TSLA" else bars


def without_a_session(bars, ticker, session):
    return bars.drop(pd.Timestamp("2023-11-24"))  # the half-session after Thanksgiving


def without_last_bar_and_upside_down(bars, ticker, session):
    bars = bars.iloc[:-1].drop(pd.Timestamp("2023-11-24"))
    low, high = bars.loc["2023-05-01", ["low", "high"]]
    bars.loc["2023-05-01", ["low", "high"]] = high, low
    return bars


@pytest.fixture
def blocked(make_graph):
    graph = make_graph(prices=CannedSource(change=without_last_bar))
    return graph, graph.run("whole_graph_job")


def test_a_blocking_check_stops_what_is_downstream(blocked):
    graph, result = blocked
    assert not result.success
    assert materialised(result) == {"raw_prices"}
    assert graph.checksums().keys() == {"raw_prices"}
    assert not any(event.step_key == "clean_prices" for event in result.get_step_failure_events())


def test_a_failed_check_tells_observed_and_expected(blocked):
    _, result = blocked
    check = evaluations(result, "raw_prices")["last_session_is_present"]
    assert not check.passed
    assert check.blocking
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["observed"].value == later(-1).isoformat()
    assert check.metadata["expected"].value == f"a last bar with all prices on {SESSION}"
    [row] = check.metadata["offending sessions"].records
    assert row.data["session"] == later(-1).isoformat()
    assert later(-1).isoformat() in check.description
    assert str(SESSION) in check.description


def test_the_failed_check_is_in_the_log_of_its_asset(blocked):
    graph, _ = blocked
    [line] = [line for line in graph.log("raw_prices") if "check last_session_is_present failed" in line]
    assert f" ERROR TSLA {SESSION} check last_session_is_present failed: {later(-1)}; expected a last bar" in line


def test_another_ticker_goes_on(blocked):
    graph, _ = blocked
    assert graph.run(TRAINED, ticker="STX").success
    assert graph.checksums(ticker="STX").keys() == set(TRAINED)


def test_what_is_downstream_of_a_blocked_run_is_refused_on_its_own_too(blocked):
    """A check stops its own run only: whoever goes on by hand meets the same refusal further down."""
    graph, _ = blocked
    result = graph.run(["clean_prices"])
    assert not result.success
    assert not evaluations(result, "clean_prices")["last_session_is_present"].passed
    refused = failures(graph.run(["features", "price_metrics"]))
    assert refused.keys() == {"features", "price_metrics"}
    for message in refused.values():
        assert f"TSLA {SESSION}: the clean prices end on {later(-1)}" in message


def test_evaluations_carry_their_partition_and_are_kept(blocked):
    graph, _ = blocked
    key = dg.AssetCheckKey(dg.AssetKey("raw_prices"), "last_session_is_present")
    for ticker in ("TSLA", "STX"):
        graph.run(["raw_prices"], ticker=ticker)
    records = graph.instance.event_log_storage.get_asset_check_execution_history(key, limit=2)
    found = {record.event.dagster_event.event_specific_data.partition: record.status.value for record in records}
    assert found == {
        partitions.key("TSLA", SESSION): "FAILED",
        partitions.key("STX", SESSION): "SUCCEEDED",
    }


def test_every_check_of_the_step_is_recorded_though_several_are_blocking(make_graph):
    graph = make_graph(prices=CannedSource(change=without_last_bar_and_upside_down))
    found = evaluations(graph.run(PRICES), "raw_prices")
    failed = {
        "last_session_is_present",
        "sessions_are_complete",
        "high_is_at_least_low",
        "open_and_close_lie_between_low_and_high",
    }
    assert {name: check.passed for name, check in found.items()} == {
        check.name: check.name not in failed for check in checks.RAW
    }
    told = [line.split(" check ")[1].split(" ")[0] for line in graph.log("raw_prices") if " check " in line]
    assert sorted(told) == sorted(failed)


def test_a_missing_session_in_the_middle_only_warns(make_graph):
    result = make_graph(prices=CannedSource(change=without_a_session)).run(PRICES)
    assert result.success
    for asset in PRICES:
        check = evaluations(result, asset)["sessions_are_complete"]
        assert not check.passed
        assert not check.blocking
        assert check.severity == dg.AssetCheckSeverity.WARN
        assert check.metadata["observed"].value == 1
        [row] = check.metadata["offending sessions"].records
        assert list(row.data.values()) == ["2023-11-24", "2023-11-22"]
    assert materialised(result) == set(PRICES)


def test_checks_can_be_asked_again_without_fetching(make_graph):
    graph = make_graph()
    graph.run(PRICES)
    result = graph.check("raw_prices")
    found = evaluations(result, "raw_prices")
    assert found.keys() == {check.name for check in checks.RAW}
    assert {check.partition for check in found.values()} == {partitions.key("TSLA", SESSION)}
    assert materialised(result) == set()
    assert len(graph.source.fetches) == 1


def test_good_prices_pass_every_check(finished):
    _, result = finished
    for asset, asked in (("raw_prices", checks.RAW), ("clean_prices", [*checks.CLEAN, *checks.CLEAN_BESIDE_RAW])):
        found = evaluations(result, asset)
        assert found.keys() == {check.name for check in asked}
        for check in found.values():
            assert check.passed
            assert check.metadata.keys() == {"observed", "expected"}
