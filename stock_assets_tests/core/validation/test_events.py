"""Suspicious dividends and splits: told, and nothing told of what is right."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import adjusting, checks, cleaning, validation
from stock_assets.sources.csv_files import CsvSource
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.core.event_frames import PRICES, amounts, history, in_old_shares, with_adj_close_of

BESIDE_RAW = (
    "no_dividend_comes_again_soon",
    "no_regular_dividend_stands_out",
    "capital_gains_are_counted_once",
)
SUSPICIONS = (
    "no_jump_looks_like_a_split",
    "small_splits_are_in_the_prices",
    "large_dividends_show_in_the_price",
    "no_split_comes_again_soon",
    "dividends_are_in_the_prices_unit",
)
QUARTERS = {30: 1.0, 93: 1.0, 156: 1.0, 219: 1.0, 282: 1.0}


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=raw.index[-1].date())


def suspects(name: str, raw: pd.DataFrame) -> list[int]:
    """Positions that a predicate finds in the clean table of `raw`."""
    table = clean(raw)
    tables = (table, raw) if name in BESIDE_RAW else (table,)
    finding = getattr(validation, name)(*tables, ticker="TSLA", as_of=table.index[-1].date())
    assert finding.passed == (len(finding.offending) == 0)
    assert finding.observed == len(finding.offending)
    return table.index.get_indexer(finding.offending.index).tolist()


def test_suspicions_only_warn():
    blocking = {check.name: check.blocking for check in (*checks.CLEAN, *checks.CLEAN_BESIDE_RAW)}
    assert not any(blocking[name] for name in (*SUSPICIONS, *BESIDE_RAW))


@pytest.mark.parametrize("name", SUSPICIONS)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_little_to_suspect(name, rows):
    table = clean(history(10, dividends={5: 1.0}, splits={7: 2.0})).iloc[:rows]
    assert getattr(validation, name)(table, ticker="TSLA", as_of=date(2022, 1, 14)).passed


@pytest.mark.parametrize("name", SUSPICIONS)
def test_columns_that_are_not_there(name):
    table = clean(history(10))[["open", "repairs"]]
    finding = getattr(validation, name)(table, ticker="TSLA", as_of=date(2022, 1, 14))
    assert not finding.passed
    assert "no column" in str(finding.observed)


class TestJumps:
    @pytest.mark.parametrize("ratio", [2.0, 3.0, 10.0, 1.5, 0.5, 0.1])
    def test_a_split_that_nobody_recorded(self, ratio):
        assert suspects("no_jump_looks_like_a_split", in_old_shares(history(), slice(0, 150), ratio)) == [150]

    def test_a_crash_with_news(self):
        # Trades twelve times its usual volume, in a wide bar.
        raw = in_old_shares(history(), slice(0, 150), 2.0)
        raw.iloc[:150, raw.columns.get_loc("volume")] *= 2
        raw.iloc[150:155, raw.columns.get_loc("volume")] *= 12
        assert suspects("no_jump_looks_like_a_split", raw) == []

    def test_a_crash_in_the_course_of_a_session(self):
        raw = in_old_shares(history(), slice(0, 150), 2.0)
        raw.iloc[150, raw.columns.get_indexer(["open", "high"])] *= 2
        assert suspects("no_jump_looks_like_a_split", raw) == []

    def test_a_fall_by_a_ratio_that_no_split_has(self):
        assert suspects("no_jump_looks_like_a_split", in_old_shares(history(), slice(0, 150), 2.4)) == []

    def test_beyond_what_markets_do(self):
        # SPM.MI 2022-06-20: to a 19th, with rights that went off.
        raw = in_old_shares(history(), slice(0, 150), 19.0)
        raw.iloc[150:, raw.columns.get_loc("volume")] *= 50
        assert suspects("no_jump_looks_like_a_split", raw) == [150]

    def test_a_recorded_split_applied_by_another_ratio(self):
        raw = in_old_shares(history(splits={150: 4.0}), slice(0, 150), 4.0 / 1.5)
        assert suspects("no_jump_looks_like_a_split", raw) == [150]

    def test_a_bar_that_is_back_at_once(self):
        assert suspects("no_jump_looks_like_a_split", in_old_shares(history(), slice(150, 151), 2.0)) == []

    def test_a_dividend_of_half_the_price(self):
        # ADIG.L 2024-07-02
        assert suspects("no_jump_looks_like_a_split", history(dividends={150: 50.0})) == []


class TestSmallSplits:
    @pytest.mark.parametrize("ratio", [1.15, 1.2, 0.85])
    def test_a_spin_off_that_the_prices_before_do_not_know(self, ratio):
        right = history(splits={150: ratio})
        assert suspects("small_splits_are_in_the_prices", right) == []
        assert suspects("small_splits_are_in_the_prices", in_old_shares(right, slice(0, 150), ratio)) == [150]

    def test_a_stock_dividend_too_small_to_tell(self):
        raw = in_old_shares(history(splits={150: 1.02}), slice(0, 150), 1.02)
        assert suspects("small_splits_are_in_the_prices", raw) == []


class TestLargeDividends:
    def test_denied_by_the_price(self):
        # KME.MI 2023-05-22: 22 % of the price, paid to other shares.
        raw = with_adj_close_of(amounts(history(), {93: 20.0}))
        assert suspects("large_dividends_show_in_the_price", raw) == [93]

    def test_shown_by_the_price(self):
        assert suspects("large_dividends_show_in_the_price", history(dividends={93: 20.0})) == []

    def test_a_price_that_nobody_made(self):
        raw = amounts(history(), {93: 20.0})
        raw.iloc[93, raw.columns.get_indexer(PRICES)] = raw["close"].iloc[92]
        assert suspects("large_dividends_show_in_the_price", with_adj_close_of(raw)) == [93]
        raw.iloc[93, raw.columns.get_loc("volume")] = 0.0
        assert suspects("large_dividends_show_in_the_price", with_adj_close_of(raw)) == []

    def test_too_small_to_show(self):
        raw = with_adj_close_of(amounts(history(), {93: 1.5}))
        assert suspects("large_dividends_show_in_the_price", raw) == []


class TestAgainSoon:
    def test_nearly_the_same_on_the_next_session(self):
        # KAP.IL 2022-07-11 and 12: 1.81 and 1.95.
        raw = with_adj_close_of(amounts(history(dividends=QUARTERS), {94: 1.08}))
        assert suspects("no_dividend_comes_again_soon", raw) == [94]

    def test_a_special_one_of_another_size(self):
        assert suspects("no_dividend_comes_again_soon", history(dividends=QUARTERS | {100: 3.0})) == []

    def test_capital_gains_between(self):
        raw = history(dividends=QUARTERS, gains={100: 1.0})
        assert suspects("no_dividend_comes_again_soon", raw) == []

    def test_monthly_ones(self):
        assert suspects("no_dividend_comes_again_soon", history(dividends=dict.fromkeys(range(20, 290, 21), 0.3))) == []


class TestSplitsAgain:
    def test_a_session_later(self):
        assert suspects(
            "no_split_comes_again_soon", amounts(history(splits={100: 2.0}), {103: 2.0}, "stock_splits")
        ) == [103]

    def test_another_ratio_or_another_year(self):
        assert suspects("no_split_comes_again_soon", history(splits={100: 2.0, 103: 3.0, 200: 2.0})) == []


class TestStandsOut:
    @pytest.mark.parametrize("factor", [100.0, 0.01])
    def test_in_another_unit(self, factor):
        right = history(dividends={20: 0.05, 56: 0.05, 93: 0.052, 130: 0.055, 166: 0.055, 202: 0.055}, move=0.03)
        raw = with_adj_close_of(amounts(right, {93: 0.052 * factor}))
        assert suspects("no_regular_dividend_stands_out", right) == []
        assert suspects("no_regular_dividend_stands_out", raw) == [93]

    def test_between_others_that_are_not_the_same_to_the_digit(self):
        right = history(dividends={20: 0.5, 56: 0.5, 93: 0.52, 130: 0.55, 166: 0.55, 202: 0.55}, splits={250: 3.0})
        raw = with_adj_close_of(amounts(right, {93: 1.56}))
        assert suspects("no_regular_dividend_stands_out", right) == []
        assert suspects("no_regular_dividend_stands_out", raw) == [93]

    @pytest.mark.parametrize(
        ("dividends", "splits"),
        [
            ({30: 0.5, 93: 1.5, 156: 0.55}, {60: 3.0}),
            ({30: 0.5, 93: 1.5, 156: 1.5}, {250: 3.0}),
            ({30: 0.5, 80: 1.5, 93: 0.5, 156: 0.55}, {250: 3.0}),
        ],
        ids=["split before", "raised for good", "special"],
    )
    def test_others(self, dividends, splits):
        assert suspects("no_regular_dividend_stands_out", history(dividends=dividends, splits=splits)) == []


class TestUnits:
    def test_all_a_hundredth_of_what_the_price_fell_by(self):
        # TENT.L: 0.0001375 for 0.01375, each quarter.
        right = history(dividends={30: 0.09, 93: 0.09, 156: 0.09, 219: 0.09}, move=0.002)
        right = right.assign(**{name: right[name] / 10 for name in [*PRICES, "adj_close", "dividends"]})
        raw = with_adj_close_of(amounts(right, dict.fromkeys((30, 93, 156, 219), 0.00009)))
        assert suspects("dividends_are_in_the_prices_unit", right) == []
        assert suspects("dividends_are_in_the_prices_unit", raw) == [30, 93, 156, 219]

    def test_small_only_in_the_shares_of_today(self):
        # NVDA paid 0.0725 in 2013, 0.0018 in the shares of 2024.
        splits = {250: 4.0, 270: 10.0, 280: 10.0}
        raw = history(dividends={30: 0.0005, 93: 0.0005}, splits=splits)
        assert suspects("dividends_are_in_the_prices_unit", raw) == []


class TestCapitalGains:
    def test_undecided(self):
        raw = history(dividends={100: 0.3}, gains={100: 0.2})
        assert suspects("capital_gains_are_counted_once", raw) == [100]

    @pytest.mark.parametrize(
        "raw",
        [
            amounts(history(dividends={100: 8.0}), {100: 7.0}, "capital_gains"),
            history(dividends={100: 8.0}, gains={100: 7.0}),
            history(dividends={100: 0.2}, gains={100: 0.3}),
            history(dividends=QUARTERS),
        ],
        ids=["taken out", "both paid", "more gains than dividends", "no gains"],
    )
    def test_decided(self, raw):
        assert suspects("capital_gains_are_counted_once", raw) == []


@pytest.mark.parametrize("ticker", ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"])
@pytest.mark.parametrize("name", [*SUSPICIONS, *BESIDE_RAW])
def test_nothing_in_simulated_prices(ticker, name):
    assert suspects(name, SimulatedSource().fetch(ticker, date(2024, 3, 8)).bars) == []


@pytest.mark.parametrize("ticker", ["AAPL", "JPM", "KO", "MSFT", "NVDA", "STX", "TSLA", "XOM"])
@pytest.mark.parametrize("day", ["2020-12-11", "2024-03-08"])
def test_nothing_in_real_prices(real_prices_dir, day, ticker):
    session = date.fromisoformat(day)
    bars = CsvSource(real_prices_dir / f"as_of_{day}").fetch(ticker, session).bars
    table = clean(adjusting.as_served_on(bars, session))
    asked = [(name, (table,)) for name in SUSPICIONS] + [(name, (table, bars)) for name in BESIDE_RAW]
    found = [name for name, of in asked if not getattr(validation, name)(*of, ticker=ticker, as_of=session).passed]
    assert found == []
    assert np.isfinite(table["adjusted_close"]).all()


def test_an_adjusted_close_that_the_source_does_not_have_does_not_agree():
    raw = history(dividends=QUARTERS)
    raw.iloc[[70, 80], raw.columns.get_loc("adj_close")] = np.nan
    assert "adjusted_close_agrees_with_source" in {check.name for check in checks.CLEAN_BESIDE_RAW}
    finding = validation.adjusted_close_agrees_with_source(clean(raw), raw, ticker="TSLA", as_of=raw.index[-1].date())
    assert not finding.passed
    assert isinstance(finding.observed, float)
    assert finding.observed < 1e-9
    assert raw.index.get_indexer(finding.offending.index).tolist() == [70, 80]
