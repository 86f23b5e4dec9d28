"""What each predicate observes, and that the registries hold predicates that can be asked."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import checks, cleaning, features, sessions, validation
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


class TestHistory:
    """What counts as a revision is tested in test_revisions, which snapshot is asked in defs/test_asset_checks."""

    def asked(self, raw, earlier):
        return validation.history_is_unrevised(raw, earlier, ticker="TSLA", as_of=AS_OF)

    def test_the_same(self, raw):
        finding = self.asked(raw, raw.iloc[:-1])
        assert (finding.passed, finding.observed, finding.threshold, finding.note) == (True, 0, 0, "")
        assert finding.expected == "0 values changed since the snapshot that ended on 2024-03-07"

    def test_revised(self, raw):
        earlier = raw.iloc[:-1].copy()
        earlier.loc["2024-03-05", ["open", "low"]] = 9.0
        finding = self.asked(raw, earlier)
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 2, ["03-05", "03-05"])
        assert finding.offending["column"].tolist() == ["open", "low"]
        assert finding.offending["before"].tolist() == [9.0, 9.0]
        assert finding.offending["after"].tolist() == [10.0, 9.5]

    def test_nothing_to_compare_with_passes_and_says_why(self, raw):
        finding = self.asked(raw, "no earlier snapshot")
        assert (finding.passed, finding.observed) == (True, "no earlier snapshot")
        assert finding.note == "not compared: no earlier snapshot"

    def test_another_source(self, raw):
        earlier = raw * 2
        raw.attrs["source"], earlier.attrs["source"] = "yahoo", "csv"
        finding = self.asked(raw, earlier)
        assert (finding.passed, finding.observed) == (True, "the earlier snapshot is from csv, this one from yahoo")

    def test_an_earlier_one_without_bars(self, raw):
        assert self.asked(raw, raw.iloc[:0]).observed == "the earlier snapshot has no bars"

    def test_an_unreadable_one(self, raw):
        assert self.asked(raw.drop(columns="close"), raw).observed == "no column close"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Features of two years of a random walk up to 2024-03-08, 252 of them dropped."""
    n = 600
    index = sessions.sessions_between(date(2021, 1, 4), AS_OF)[-n:]
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, n)))
    open_ = close * np.exp(random.normal(0, 0.005, n))
    edges = np.exp(np.abs(random.normal(0, 0.005, (2, n))))
    columns = {
        "open": open_,
        "high": np.maximum(open_, close) * edges[0],
        "low": np.minimum(open_, close) / edges[1],
        "close": close,
        "adj_close": close,
        "volume": random.integers(10**6, 10**7, n),
        "dividends": np.where(np.arange(n) % 63 == 0, 0.5, 0.0),
        "stock_splits": np.zeros(n),
    }
    clean = cleaning.clean_prices(base.raw_frame(index, columns), ticker="TSLA", as_of=AS_OF)
    return features.build_features(clean, ticker="TSLA", as_of=AS_OF)


def but(table: pd.DataFrame, row: int, **values) -> pd.DataFrame:
    """A copy in which one row says otherwise."""
    changed = table.copy()
    for name, value in values.items():
        changed.loc[changed.index[row], name] = value
    return changed


class TestFeatures:
    @pytest.mark.parametrize("check", checks.FEATURES, ids=lambda check: check.name)
    def test_checks_pass_on_good_features(self, check, table):
        finding = ask(getattr(validation, check.name), table)
        assert finding.passed, finding
        assert finding.offending.empty

    @pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda frame: frame.drop(columns=["return_1", "target_session"]),
            lambda frame: frame.assign(return_1="a tenth", target_session="tomorrow"),
            lambda frame: frame.set_axis(frame.index.tz_localize("UTC")),
            lambda frame: frame.reset_index(drop=True),
            lambda frame: frame.iloc[:0],
        ],
        ids=["columns", "texts", "aware", "numbered", "empty"],
    )
    def test_a_table_that_cannot_be_read_is_a_finding_not_a_crash(self, spoil, table):
        findings = {check.name: ask(getattr(validation, check.name), spoil(table)) for check in checks.FEATURES}
        assert any(check.blocking and not findings[check.name].passed for check in checks.FEATURES)

    def test_the_schema_names_what_is_wrong(self, table):
        finding = ask(validation.has_features_schema, table.drop(columns="rsi_14"))
        assert not finding.passed
        assert "rsi_14" in str(finding.observed)

    def test_the_last_row_is_another_session(self, table):
        finding = ask(validation.last_session_has_features, table.iloc[:-1])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, "2024-03-07", ["03-07"])
        assert finding.expected == "a last row of 2024-03-08"

    @pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
    def test_features_that_are_no_numbers(self, table, nothing):
        finding = ask(validation.features_are_finite, but(table, -1, gap=nothing, macd=nothing))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-08"])
        assert finding.offending["columns"].tolist() == ["macd, gap"]

    def test_missing_targets_are_another_matter(self, table):
        assert table["target_return"].isna().sum() == 1
        assert ask(validation.features_are_finite, table).passed


class TestTargets:
    @pytest.mark.parametrize("name", ["target_return", "target_up", "target_close"])
    def test_known_ahead(self, table, name):
        finding = ask(validation.no_target_lies_ahead, but(table, -1, **{name: 1.0}))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-08"])
        assert finding.expected == "0 rows with a target of their own session or of one after 2024-03-08"

    def test_of_its_own_session(self, table):
        finding = ask(validation.no_target_lies_ahead, but(table, 5, target_session=table.index[5]))
        assert (finding.passed, finding.observed) == (False, 1)

    @pytest.mark.parametrize("shift", [1, -1])
    def test_shifted_by_a_row(self, table, shift):
        """The commonest leak, and the commonest loss."""
        names = ["target_return", "target_up", "target_close"]
        shifted = table.assign(**{name: table[name].shift(shift) for name in names})
        finding = ask(validation.targets_are_what_followed, shifted)
        assert not finding.passed
        assert finding.observed > 300

    @pytest.mark.parametrize(
        "wrong", [{"target_return": np.nan}, {"target_up": 0.5}, {"target_up": np.nan}, {"target_return": 0.5}]
    )
    def test_anything_else(self, table, wrong):
        finding = ask(validation.targets_are_what_followed, but(table, 7, **wrong))
        assert (finding.passed, finding.observed) == (False, 1)
        [row] = finding.offending.to_dict("records")
        assert row["followed"] == pytest.approx(table["return_1"].iloc[8])

    def test_across_a_dropped_row_nothing_is_asked(self, table):
        assert ask(validation.targets_are_what_followed, table.drop(table.index[100])).passed

    @pytest.mark.parametrize("horizon", [1, 5])
    def test_of_a_further_horizon(self, table, horizon):
        growth = (1 + table["return_1"]).cumprod()
        after = growth.shift(-horizon) / growth - 1
        known = after.notna()
        target_session = [sessions.next_session(session.date(), horizon) for session in table.index]
        further = table.assign(
            target_session=pd.DatetimeIndex(target_session).as_unit("ns"),
            target_return=after,
            target_up=after.gt(0).astype(float).where(known),
        )
        assert ask(validation.targets_are_what_followed, further).passed
        assert not ask(validation.targets_are_what_followed, but(further, 50, target_return=0.3)).passed


class TestVariety:
    def test_a_feature_that_stands_still(self, table):
        still = table.copy()
        still.loc[still.index[-252:], ["money_flow_21", "volume_change"]] = 0.0
        finding = ask(validation.features_vary, still)
        assert (finding.passed, finding.observed, finding.threshold) == (False, 2, 0)
        assert finding.offending["feature"].tolist() == ["volume_change", "money_flow_21"]
        still.loc[still.index[-252], "money_flow_21"] = 0.1
        assert ask(validation.features_vary, still).observed == 1

    def test_many_stocks_pay_no_dividend(self, table):
        assert ask(validation.features_vary, table.assign(dividend_yield_252=0.0, sessions_since_dividend=252.0)).passed

    def test_less_than_a_year_is_not_judged(self, table):
        finding = ask(validation.features_vary, table.tail(251).assign(gap=0.0))
        assert (finding.passed, finding.note) == (True, "not asked: 251 rows are too few")


class TestLastRow:
    def test_a_split_of_two_that_was_not_applied(self, table):
        finding = ask(validation.last_row_is_plausible, but(table, -1, return_1=-0.5, gap=-0.5))
        assert (finding.passed, finding.observed, finding.threshold) == (False, 2, 0)
        assert finding.offending["feature"].tolist() == ["return_1", "gap"]
        assert finding.offending["value"].tolist() == [-0.5, -0.5]
        lowest = table["return_1"].iloc[:-1].min()
        assert finding.offending["lowest_before"].iloc[0] == lowest

    @pytest.mark.parametrize(("beyond", "passed"), [(0.49, True), (0.51, False)])
    def test_half_the_range_beyond_is_too_much(self, table, beyond, passed):
        before = table["gap"].iloc[:-1]
        high = before.max() + beyond * (before.max() - before.min())
        low = before.min() - beyond * (before.max() - before.min())
        assert ask(validation.last_row_is_plausible, but(table, -1, gap=high)).passed is passed
        assert ask(validation.last_row_is_plausible, but(table, -1, gap=low)).passed is passed

    def test_what_is_far_in_the_past_is_no_matter(self, table):
        assert ask(validation.last_row_is_plausible, but(table, -2, gap=-0.5)).passed

    def test_the_first_dividend_ever_is_no_surprise(self, table):
        assert ask(
            validation.last_row_is_plausible, but(table.assign(dividend_yield_252=0.0), -1, dividend_yield_252=1)
        ).passed

    def test_less_than_a_year_is_not_judged(self, table):
        finding = ask(validation.last_row_is_plausible, but(table.tail(252), -1, gap=9.0))
        assert (finding.passed, finding.note) == (True, "not asked: 252 rows are too few")
