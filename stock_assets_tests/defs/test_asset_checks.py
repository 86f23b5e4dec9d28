"""Checks on stored prices: what stops the graph, what only warns, and what is recorded."""

import dagster as dg
import pandas as pd
import pytest

from stock_assets.core import checks
from stock_assets.defs import partitions
from stock_assets.storage import formats
from stock_assets_tests import stored as stored_files
from stock_assets_tests.defs.graph import (
    PRICES,
    SESSION,
    TRAINED,
    CannedSource,
    evaluations,
    failures,
    later,
    materialised,
    metadata,
)


def without_last_bar(bars, ticker, session):
    """A hole where the session was; the source goes on after it, or it would be asked to wait."""
    if ticker != "TSLA":
        return bars
    return bars.rename(index={pd.Timestamp(SESSION): pd.Timestamp(later(1))})


def without_a_session(bars, ticker, session):
    return bars.drop(pd.Timestamp("2023-11-24"))  # the half-session after Thanksgiving


def without_last_bar_and_upside_down(bars, ticker, session):
    bars = without_a_session(without_last_bar(bars, ticker, session), ticker, session)
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


def test_every_check_of_the_step_is_recorded_though_one_is_blocking(make_graph):
    graph = make_graph(prices=CannedSource(change=without_last_bar_and_upside_down))
    found = evaluations(graph.run(PRICES), "raw_prices")
    failed = {
        "last_session_is_present",
        "sessions_are_complete",
        "high_is_at_least_low",
        "open_and_close_lie_between_low_and_high",
    }
    assert {name: check.passed for name, check in found.items()} == {
        check.name: check.name not in failed for check in checks.ASKED["raw_prices"]
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
    assert found.keys() == {check.name for check in checks.ASKED["raw_prices"]}
    assert {check.partition for check in found.values()} == {partitions.key("TSLA", SESSION)}
    assert materialised(result) == set()
    assert len(graph.source.fetches) == 1


def test_good_prices_pass_every_check(finished):
    _, result = finished
    for asset, asked in checks.ASKED.items():
        found = evaluations(result, asset)
        assert found.keys() == {check.name for check in asked}
        for name, check in found.items():
            assert check.passed, name
            assert {"observed", "expected"} <= check.metadata.keys() <= {"observed", "expected", "threshold"}


def test_observed_and_threshold_are_numbers_to_plot(finished):
    _, result = finished
    for asset, name in (
        ("raw_prices", "high_is_at_least_low"),
        ("clean_prices", "no_bar_is_repaired"),
        ("features", "features_are_finite"),
        ("features", "last_row_is_plausible"),
    ):
        told = evaluations(result, asset)[name].metadata
        assert (told["observed"].value, told["threshold"].value) == (0, 0)
    agreement = evaluations(result, "clean_prices")["adjusted_close_agrees_with_source"].metadata
    assert 0 <= agreement["observed"].value < agreement["threshold"].value == 5e-4


def test_a_target_that_did_not_follow_is_found_in_the_stored_features(make_graph):
    """A table that our own code would not make, put where the features lie."""
    graph = make_graph()
    assert graph.run([*PRICES, "features"]).success
    table = graph.snapshot().table("features")
    table.loc[table.index[100], "target_return"] += 0.01
    files = {".parquet": formats.encode_table(table, asset="features", ticker="TSLA", as_of=SESSION, source="canned")}
    graph.store.write("features", "TSLA", SESSION, files)
    found = evaluations(graph.check("features"), "features")
    assert {name for name, check in found.items() if not check.passed} == {"targets_are_what_followed"}
    assert found["targets_are_what_followed"].blocking
    [row] = found["targets_are_what_followed"].metadata["offending sessions"].records
    assert row.data["session"] == f"{table.index[100]:%Y-%m-%d}"


def test_every_repair_reaches_a_person(make_graph):
    def hair_below(bars, ticker, session):
        bars.loc["2023-05-01", "high"] = bars.loc["2023-05-01", ["open", "close"]].max() * (1 - 1e-6)
        return bars

    result = make_graph(prices=CannedSource(change=hair_below)).run(PRICES)
    assert result.success
    check = evaluations(result, "clean_prices")["no_bar_is_repaired"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    [row] = check.metadata["offending sessions"].records
    assert (row.data["session"], row.data["repairs"]) == ("2023-05-01", "high_low_widened")


class TestHistoryIsUnrevised:
    """The check that looks at another session than its own: an earlier one."""

    NAME = "history_is_unrevised"
    CORRECTED = pd.Timestamp("2023-05-01")

    def correct(self, bars, ticker, session):
        """From SESSION on the source says another close, which it has corrected."""
        if session == SESSION:
            bars.loc[self.CORRECTED, ["close", "adj_close"]] *= 1.001
        return bars

    def asked(self, graph):
        return evaluations(graph.run(["raw_prices"]), "raw_prices")[self.NAME]

    def test_nothing_to_compare_with(self, make_graph):
        graph = make_graph()
        graph.run(["raw_prices"], session=later(1))
        graph.run(["raw_prices"], session=later(-1), ticker="STX")
        check = self.asked(graph)
        assert (check.passed, check.metadata["observed"].value) == (True, "no earlier snapshot")
        assert check.description == "not compared: no earlier snapshot"

    def test_the_same_history(self, make_graph):
        graph = make_graph()
        graph.run(["raw_prices"], session=later(-3))
        check = self.asked(graph)
        assert (check.passed, check.metadata["observed"].value, check.metadata["threshold"].value) == (True, 0, 0)
        assert check.metadata["expected"].value == f"0 values changed since the snapshot that ended on {later(-3)}"

    def test_a_corrected_close_warns_and_holds_nothing_up(self, make_graph):
        graph = make_graph(prices=CannedSource(change=self.correct))
        graph.run(["raw_prices"], session=later(-1))
        result = graph.run(PRICES)
        assert result.success
        assert materialised(result) == set(PRICES)
        check = evaluations(result, "raw_prices")[self.NAME]
        assert (check.passed, check.blocking, check.severity) == (False, False, dg.AssetCheckSeverity.WARN)
        assert check.metadata["observed"].value == 1
        [row] = check.metadata["offending sessions"].records
        assert list(row.data) == ["session", "last_session", "column", "before", "after", "rows"]
        assert [row.data[name] for name in ("session", "column", "rows")] == ["2023-05-01", "close", "1"]
        [line] = [line for line in graph.log("raw_prices") if f" WARNING TSLA {SESSION} check {self.NAME}" in line]
        assert f"1; expected 0 values changed since the snapshot that ended on {later(-1)}" in line

    def test_the_materialisation_tells_the_same(self, make_graph):
        graph = make_graph(prices=CannedSource(change=self.correct))
        alone = metadata(graph.run(["raw_prices"], session=later(-2)), "raw_prices")
        assert not alone.keys() & {"revisions", "revised values"}
        same = metadata(graph.run(["raw_prices"], session=later(-1)), "raw_prices")
        assert same["revisions"].value == 0
        assert "revised values" not in same
        result = graph.run(["raw_prices"])
        told = metadata(result, "raw_prices")
        assert told["revisions"].value == 1
        check = evaluations(result, "raw_prices")[self.NAME]
        assert told["revised values"] == check.metadata["offending sessions"]

    def test_prices_in_other_shares_are_told_in_one_line(self, make_graph):
        def rescaled(bars, ticker, session):
            if session == SESSION:
                bars.loc[:"2024-03-05", ["open", "high", "low", "close", "adj_close"]] *= 0.2
            return bars

        graph = make_graph(prices=CannedSource(change=rescaled))
        graph.run(["raw_prices"], session=later(-1))
        check = self.asked(graph)
        rows = len(graph.snapshot().table("raw_prices").loc[:"2024-03-05"])
        assert check.metadata["observed"].value == 4 * rows
        assert f"(all {rows} closes up to 2024-03-05 are 0.2 times what they were: a split" in check.description

    def test_a_split_since_is_no_revision(self, make_graph):
        def split_on_session(bars, ticker, session):
            if session == SESSION:
                past = bars.index < pd.Timestamp(SESSION)
                bars.loc[past, ["open", "high", "low", "close", "adj_close", "dividends"]] /= 4
                bars.loc[past, "volume"] *= 4
                bars.loc[pd.Timestamp(SESSION), "stock_splits"] = 4.0
            return bars

        graph = make_graph(prices=CannedSource(change=split_on_session))
        graph.run(["raw_prices"], session=later(-1))
        assert self.asked(graph).metadata["observed"].value == 0

    def test_another_source_is_not_compared(self, make_graph):
        source = CannedSource(change=self.correct)
        graph = make_graph(prices=source)
        source.name = "another"
        graph.run(["raw_prices"], session=later(-1))
        source.name = "canned"
        check = self.asked(graph)
        assert check.passed
        assert check.metadata["observed"].value == "the earlier snapshot is from another, this one from canned"

    def test_a_damaged_one_is_not_compared(self, make_graph):
        graph = make_graph(prices=CannedSource(change=self.correct))
        graph.run(["raw_prices"], session=later(-1))
        path = stored_files.file_of(graph.store.path("raw_prices", "TSLA", later(-1), ".parquet"))
        path.write_bytes(b"not what was written")
        check = self.asked(graph)
        assert check.passed
        assert f"the earlier snapshot of {later(-1)} can't be used: TSLA {later(-1)}: raw_prices" in check.description
