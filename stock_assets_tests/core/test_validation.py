"""What each predicate observes, and that the registries hold predicates that can be asked."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import checks, cleaning, validation
from stock_assets.sources import base

GIVEN = ["open", "high", "low", "close", "adj_close", "volume", "dividends", "stock_splits"]
AS_OF = date(2024, 3, 8)


@pytest.fixture
def raw() -> pd.DataFrame:
    """The week of 2024-03-08, with a dividend of 1 on Wednesday."""
    index = pd.DatetimeIndex(pd.bdate_range("2024-03-04", "2024-03-08").to_numpy(), name="session").as_unit("ns")
    rows = [
        [9.5, 10.5, 9.0, 10.0, 9.0, 100.0, 0.0, 0.0],
        [10.0, 11.0, 9.5, 10.0, 9.0, 200.0, 0.0, 0.0],
        [9.0, 9.5, 8.5, 9.0, 9.0, 300.0, 1.0, 0.0],
        [9.0, 9.9, 9.0, 9.9, 9.9, 0.0, 0.0, 0.0],
        [10.0, 10.5, 9.5, 9.9, 9.9, 500.0, 0.0, 0.0],
    ]
    return base.raw_frame(index, dict(zip(GIVEN, zip(*rows, strict=True), strict=True)))


@pytest.fixture
def clean(raw) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=AS_OF)


def ask(predicate: validation.Predicate, frame: pd.DataFrame) -> validation.Finding:
    return predicate(frame, ticker="TSLA", as_of=AS_OF)


def sessions_of(finding: validation.Finding) -> list[str]:
    return [f"{session:%m-%d}" for session in finding.offending.index]


@pytest.mark.parametrize("check", checks.RAW, ids=lambda check: check.name)
def test_raw_checks_pass_on_good_prices(check, raw):
    finding = ask(getattr(validation, check.name), raw)
    assert finding.passed, finding
    assert finding.offending.empty


@pytest.mark.parametrize("check", checks.CLEAN, ids=lambda check: check.name)
def test_clean_checks_pass_on_good_prices(check, clean):
    finding = ask(getattr(validation, check.name), clean)
    assert finding.passed, finding
    assert finding.offending.empty


# pandera 0.35 puts its failure cases together in a way that pandas 2.2 deprecates.
@pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")
@pytest.mark.parametrize("asked", [checks.RAW, checks.CLEAN], ids=["raw", "clean"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.drop(columns=["open", "high"]),
        lambda frame: frame.assign(high="ten", open="ten"),
        lambda frame: frame.set_axis(frame.index.tz_localize("UTC")),
        lambda frame: frame.reset_index(drop=True),
        lambda frame: frame.iloc[:0],
    ],
    ids=["columns", "texts", "aware", "numbered", "empty"],
)
def test_a_table_that_cannot_be_read_is_a_finding_not_a_crash(asked, spoil, raw, clean):
    frame = spoil(raw if asked is checks.RAW else clean)
    findings = {check.name: ask(getattr(validation, check.name), frame) for check in asked}
    assert not findings["last_session_is_present"].passed
    assert not all(finding.passed for finding in findings.values())
    assert all(isinstance(finding.observed, int | str) for finding in findings.values())


class TestHasSchema:
    def test_names_what_is_wrong(self, raw):
        finding = ask(validation.has_raw_schema, raw.astype({"volume": "int64"}))
        assert not finding.passed
        assert "volume" in str(finding.observed)
        assert "float64" in str(finding.observed)
        assert not finding.offending.empty
        assert finding.expected == "the columns, types and ranges of raw_prices"

    def test_ranges_of_clean_prices(self, clean):
        assert not ask(validation.has_clean_schema, clean.assign(close=-1.0)).passed


class TestOrder:
    def test_swapped(self, raw):
        finding = ask(validation.sessions_increase, raw.iloc[[0, 2, 1, 3, 4]])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    def test_repeated(self, raw):
        finding = ask(validation.sessions_increase, raw.iloc[[0, 1, 1, 2, 3, 4]])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    def test_raw_bars_may_come_twice_but_not_backwards(self, raw):
        assert ask(validation.sessions_never_decrease, raw.iloc[[0, 1, 1, 2, 3, 4]]).passed
        finding = ask(validation.sessions_never_decrease, raw.iloc[[0, 2, 1, 3, 4]])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    def test_later_than_the_snapshot(self, raw):
        finding = validation.sessions_increase(raw, ticker="TSLA", as_of=date(2024, 3, 6))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 2, ["03-07", "03-08"])
        assert finding.expected == "0 rows out of order, repeated, or after 2024-03-06"


class TestPricesArePositive:
    @pytest.mark.parametrize("price", [0.0, -1.0, np.inf])
    def test_others_are_found(self, raw, price):
        raw.loc["2024-03-05", "low"] = price
        finding = ask(validation.prices_are_positive, raw)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    def test_missing_ones_are_another_matter(self, raw):
        raw.loc["2024-03-05", "low"] = np.nan
        assert ask(validation.prices_are_positive, raw).passed

    def test_adjusted_ones_count_too(self, clean):
        clean.loc["2024-03-05", "adjusted_low"] = 0.0
        assert sessions_of(ask(validation.prices_are_positive, clean)) == ["03-05"]


class TestBounds:
    def test_high_below_low(self, raw):
        raw.loc["2024-03-05", ["high", "low"]] = [9.0, 9.5]
        finding = ask(validation.high_is_at_least_low, raw)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    @pytest.mark.parametrize(("column", "price"), [("open", 11.1), ("close", 9.4)])
    def test_outside_by_any_amount(self, raw, column, price):
        raw.loc["2024-03-05", column] = price
        assert ask(validation.high_is_at_least_low, raw).passed
        finding = ask(validation.open_and_close_lie_between_low_and_high, raw)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])

    def test_at_most_twenty_rows_are_shown(self):
        index = pd.bdate_range("2024-01-02", periods=40, name="session")
        frame = pd.DataFrame({"high": 1.0, "low": 2.0}, index=index)
        finding = ask(validation.high_is_at_least_low, frame)
        assert (finding.observed, len(finding.offending)) == (40, 20)


class TestLastSessionIsPresent:
    def test_missing(self, raw):
        finding = ask(validation.last_session_is_present, raw.iloc[:-1])
        assert (finding.passed, finding.observed) == (False, "2024-03-07")
        assert finding.expected == "a last bar with all prices on 2024-03-08"

    def test_there_but_without_prices(self, raw):
        raw.loc["2024-03-08", ["open", "high", "low", "close"]] = np.nan
        finding = ask(validation.last_session_is_present, raw)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, "2024-03-07", ["03-08"])


class TestSessionsAreComplete:
    def test_missing_ones_are_listed_with_the_row_before(self, raw):
        finding = ask(validation.sessions_are_complete, raw.iloc[[0, 1, 4]])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 2, ["03-06", "03-07"])
        assert list(finding.offending["row_before"]) == [pd.Timestamp("2024-03-05")] * 2

    def test_holidays_are_not_missing(self):
        index = pd.DatetimeIndex(["2020-12-24", "2020-12-28"], name="session")
        assert ask(validation.sessions_are_complete, pd.DataFrame({"close": [1.0, 2.0]}, index=index)).passed


class TestAgreementWithTheSource:
    def test_agrees(self, clean, raw):
        finding = validation.adjusted_close_agrees_with_source(clean, raw, ticker="TSLA", as_of=AS_OF)
        assert finding.passed
        assert finding.observed == pytest.approx(0.0, abs=1e-15)
        assert finding.expected == "at most 0.0005 relative difference on every row"

    def test_a_dividend_the_source_did_not_apply(self, clean, raw):
        raw["adj_close"] = raw["close"]
        finding = validation.adjusted_close_agrees_with_source(clean, raw, ticker="TSLA", as_of=AS_OF)
        assert not finding.passed
        assert finding.observed == pytest.approx(1 / 9)  # 10 against 9
        assert sessions_of(finding) == ["03-04", "03-05"]

    def test_the_threshold_is_a_setting(self, clean, raw):
        raw["adj_close"] *= 1.001
        ask_with = {"ticker": "TSLA", "as_of": AS_OF}
        assert not validation.adjusted_close_agrees_with_source(clean, raw, **ask_with).passed
        assert validation.adjusted_close_agrees_with_source(clean, raw, **ask_with, threshold=0.01).passed

    def test_an_unknown_adjusted_close_is_no_agreement(self, clean, raw):
        raw["adj_close"] = np.nan
        finding = validation.adjusted_close_agrees_with_source(clean, raw, ticker="TSLA", as_of=AS_OF)
        assert (finding.passed, finding.observed) == (False, "no row with both adjusted closes")


class TestRepairs:
    def test_the_rows_are_listed_with_the_names_of_their_repairs(self, raw):
        raw.loc["2024-03-05", "high"] = 9.9999  # a hair below open and close
        clean = cleaning.clean_prices(raw, ticker="TSLA", as_of=AS_OF)
        finding = ask(validation.no_bar_is_repaired, clean)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-05"])
        assert finding.offending["repairs"].tolist() == ["high_low_widened"]
        assert finding.offending["high"].tolist() == [10.0]

    def test_of_many_the_latest_are_listed(self):
        index = pd.bdate_range("2024-01-02", periods=40, name="session")
        prices = dict.fromkeys(("open", "high", "low", "close"), 1.0)
        finding = ask(validation.no_bar_is_repaired, pd.DataFrame({**prices, "repairs": "made_up"}, index=index))
        assert (finding.observed, len(finding.offending)) == (40, 20)
        assert finding.offending.index[-1] == index[-1]
