"""Dividends and capital gains: repaired where witnesses agree, else left as they are."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import adjusting, cleaning
from stock_assets.core.errors import BadPricesError
from stock_assets.sources.csv_files import CsvSource
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.core.event_frames import amounts, history, with_adj_close_of

QUARTERS = {30: 1.0, 93: 1.0, 156: 1.0, 219: 1.0, 282: 1.0}


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=raw.index[-1].date())


def paid(table: pd.DataFrame) -> dict[int, float]:
    return {int(row): round(float(table["dividend"].iloc[row]), 9) for row in np.flatnonzero(table["dividend"])}


def repairs(table: pd.DataFrame) -> dict[int, str]:
    return {int(row): table["repairs"].iloc[row] for row in np.flatnonzero(table["repairs"] != "")}


def assert_like(table: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        table.drop(columns="repairs"), clean(right).drop(columns="repairs"), rtol=1e-9, atol=1e-12
    )


class TestUnit:
    def test_a_hundred_times_too_much(self):
        right = history(dividends={30: 0.2, 93: 0.2})
        table = clean(amounts(right, {30: 20.0, 93: 20.0}))
        assert repairs(table) == {30: "dividend_divided_by_100", 93: "dividend_divided_by_100"}
        assert_like(table, right)

    def test_more_than_the_price(self):
        # TEM.L 2022-06-22: 2.80 for 0.028 when the close was 1.448.
        table = clean(amounts(history(dividends={30: 2.0}), {30: 200.0}))
        assert repairs(table) == {30: "dividend_divided_by_100"}
        assert paid(table) == {30: 2.0}

    def test_one_that_the_adjusted_close_does_not_know_goes_with_the_others(self):
        # REL.L 2024-07-31
        right = history(dividends={30: 0.3, 93: 0.4, 156: 0.3})
        bad = with_adj_close_of(right, amounts(right, {156: 0.0})["dividends"])
        assert paid(clean(amounts(bad, {30: 30.0, 93: 40.0, 156: 30.0}))) == {30: 0.3, 93: 0.4, 156: 0.3}

    def test_a_large_special_dividend_is_left_alone_when_the_adjusted_close_is_wrong(self):
        # ADIG.L: paid back 0.38 of 0.83 pounds, and Yahoo adjusted by pence.
        right = history(dividends={30: 1.5, 93: 1.5, 156: 45.0})
        table = clean(with_adj_close_of(right, right["dividends"] / 100))
        assert repairs(table) == {}
        assert_like(table, right)

    def test_a_small_dividend_stays_when_the_price_cannot_tell(self):
        right = history(dividends={30: 0.5})
        assert repairs(clean(with_adj_close_of(right, right["dividends"] / 100))) == {}

    def test_a_hundred_times_its_neighbours(self):
        right = history(dividends={30: 0.08, 93: 0.08, 156: 0.09}, move=0.03)
        table = clean(with_adj_close_of(amounts(right, {93: 8.0})))
        assert repairs(table) == {93: "dividend_divided_by_100"}
        assert_like(table, right)

    def test_a_hundredth_of_its_neighbours(self):
        # NVT.L 2023-07-19: 0.0002 between 0.02 and 0.016, the adjusted close made of it.
        right = history(dividends={30: 3.0, 93: 3.0, 156: 3.2, 219: 3.2})
        bad = with_adj_close_of(amounts(right, {93: 0.03}))
        table = clean(bad)
        assert repairs(table) == {93: "dividend_multiplied_by_100"}
        assert_like(table, right)

    @pytest.mark.parametrize("small", [0.01, 0.029], ids=["other digits", "nearly"])
    def test_small_ones_are_real_too(self, small):
        # CALM 2023-10-31 (0.006), IBE.MC (0.005 for coming to the meeting)
        raw = history(dividends={30: 3.0, 93: small, 156: 3.2})
        assert repairs(clean(raw)) == {}


class TestSplits:
    def test_on_the_session_of_the_split(self):
        # 4063.T 2023-03-30: 275 for 55, while the adjusted close knew 55.
        right = history(dividends={30: 0.9, 93: 1.1, 156: 1.0}, splits={93: 5.0})
        table = clean(amounts(right, {93: 5.5}))
        assert repairs(table) == {93: "dividend_split_adjusted"}
        assert_like(table, right)

    def test_a_single_one_before_a_split(self):
        # AAPL 2020-05-08: 0.82 for 0.205, and in the adjusted close too.
        right = history(dividends={30: 0.1925, 93: 0.205, 156: 0.205}, splits={170: 4.0})
        table = clean(with_adj_close_of(amounts(right, {93: 0.82})))
        assert repairs(table) == {93: "dividend_split_adjusted"}
        assert_like(table, right)

    def test_all_before_a_split(self):
        # KO up to 2012
        right = history(dividends={30: 0.22, 93: 0.235, 156: 0.255, 219: 0.255}, splits={190: 2.0})
        table = clean(with_adj_close_of(amounts(right, {30: 0.44, 93: 0.47, 156: 0.51})))
        assert repairs(table) == dict.fromkeys((30, 93, 156), "dividend_split_adjusted")
        assert_like(table, right)

    def test_not_those_that_were_adjusted(self):
        right = history(dividends={30: 0.22, 93: 0.25, 156: 0.25, 219: 0.25}, splits={190: 2.0})
        assert list(repairs(clean(with_adj_close_of(amounts(right, {156: 0.5}))))) == [156]

    def test_twice_in_the_adjusted_close_by_the_ratio_of_a_split(self):
        right = history(dividends={30: 0.5, 93: 0.5, 156: 0.5}, splits={200: 0.5})
        assert repairs(clean(with_adj_close_of(right, amounts(right, {93: 1.0})["dividends"]))) == {}

    def test_only_the_one_that_the_adjusted_close_contradicts(self):
        right = history(dividends={30: 0.13, 93: 0.1, 156: 0.1}, splits={200: 1.5})
        assert repairs(clean(amounts(right, {93: 0.15}))) == {93: "dividend_split_adjusted"}

    def test_not_larger_ones_before(self):
        right = history(dividends={30: 0.15, 93: 0.15, 156: 0.1, 219: 0.1}, splits={200: 2.0})
        assert list(repairs(clean(with_adj_close_of(amounts(right, {156: 0.2}))))) == [156]

    def test_a_dividend_that_was_doubled_for_good(self):
        raw = history(dividends={30: 0.25, 93: 0.25, 156: 0.5, 219: 0.5}, splits={170: 2.0})
        assert repairs(clean(raw)) == {}

    def test_a_dividend_cut_by_half_long_before_a_split(self):
        raw = history(400, dividends={30: 0.5, 93: 0.5, 156: 0.25, 219: 0.25}, splits={390: 2.0})
        assert repairs(clean(raw)) == {}

    def test_a_special_dividend_beside_the_regular_one(self):
        raw = history(dividends={30: 0.25, 80: 1.0, 93: 0.25, 156: 0.25}, splits={110: 4.0})
        assert repairs(clean(raw)) == {}


class TestRepeated:
    def test_the_second_is_dropped(self):
        # JPM 2017-04-05, STX 2014-11-07
        right = history(dividends=QUARTERS, move=0.015)
        table = clean(with_adj_close_of(amounts(right, {94: 1.0})))
        assert repairs(table) == {94: "repeated_dividend_dropped"}
        assert_like(table, right)

    def test_the_first_when_the_price_falls_on_the_second(self):
        # KEN.TA 2022-01-17
        right = history(dividends={94: 5.0})
        table = clean(with_adj_close_of(amounts(right, {93: 5.0})))
        assert repairs(table) == {93: "repeated_dividend_dropped"}
        assert_like(table, right)

    def test_the_first_when_the_adjusted_close_knows_only_the_second(self):
        # SAND 2024-01-12
        right = history(dividends={94: 0.1})
        assert paid(clean(amounts(right, {93: 0.1}))) == {94: 0.1}

    def test_the_second_when_the_adjusted_close_knows_only_the_first(self):
        right = history(dividends={93: 5.0}, seed=3)
        assert paid(clean(amounts(right, {95: 5.0}))) == {93: 5.0}

    def test_both_stay_when_the_price_falls_twice(self):
        assert repairs(clean(history(dividends={93: 15.0, 94: 15.0}))) == {}

    def test_other_amounts_and_other_weeks_are_left_alone(self):
        assert repairs(clean(history(dividends={93: 0.5, 94: 0.6, 156: 0.5, 160: 0.5}))) == {}

    def test_in_another_unit_a_week_before(self):
        # TEM.L 2022-06-22 and 29
        right = history(dividends={98: 2.0})
        bad = with_adj_close_of(right, amounts(right, {93: 2.0})["dividends"])
        table = clean(amounts(bad, {93: 200.0}))
        assert repairs(table) == {93: "dividend_divided_by_100,repeated_dividend_dropped"}
        assert paid(table) == {98: 2.0}


class TestPhantom:
    def test_dropped_when_neither_price_nor_adjusted_close_know_it(self):
        right = history(dividends=QUARTERS)
        table = clean(amounts(right, {60: 12.0}))
        assert repairs(table) == {60: "dividend_dropped"}
        assert_like(table, right)

    def test_kept_when_the_price_knows_it(self):
        # 1398.HK 2024-07-08: not in Yahoo's adjusted close.
        right = history(dividends={93: 12.0})
        table = clean(with_adj_close_of(right, 0 * right["dividends"]))
        assert repairs(table) == {}
        assert_like(table, right)

    def test_kept_when_the_price_cannot_tell(self):
        assert paid(clean(amounts(history(), {93: 0.5}))) == {93: 0.5}

    def test_kept_when_only_the_price_denies_it(self):
        # KME.MI 2023-05-22, paid to other shares: what was paid on these is not known.
        assert paid(clean(with_adj_close_of(amounts(history(), {93: 20.0})))) == {93: 20.0}

    def test_impossible_ones_still_halt(self):
        with pytest.raises(BadPricesError, match="1 bar with an impossible dividend"):
            clean(amounts(history(), {93: 150.0}).assign(adj_close=np.nan))


class TestCapitalGains:
    def test_counted_once(self):
        # DODFX, VWILX, JENYX
        right = history(dividends={100: 8.0, 250: 6.0})
        bad = with_adj_close_of(amounts(right, {100: 7.0, 250: 5.0}, "capital_gains"))
        table = clean(bad)
        assert repairs(table) == dict.fromkeys((100, 250), "capital_gains_counted_once")
        assert_like(table, right)

    def test_both_when_the_price_falls_by_both(self):
        assert paid(clean(history(dividends={100: 8.0}, gains={100: 7.0}))) == {100: 15.0}

    def test_both_when_the_price_cannot_tell(self):
        assert paid(clean(history(dividends={100: 0.3}, gains={100: 0.2}))) == {100: 0.5}

    def test_both_where_one_dividend_cannot_hold_its_gains(self):
        raw = amounts(history(dividends={100: 8.0, 250: 0.5}), {100: 7.0, 250: 2.0}, "capital_gains")
        assert repairs(clean(raw)) == {}


@pytest.mark.parametrize("ticker", ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"])
def test_clean_histories_are_left_alone(ticker):
    raw = SimulatedSource().fetch(ticker, date(2024, 3, 8)).bars
    assert repairs(clean(raw)) == {}


@pytest.mark.parametrize(
    ("ticker", "expected"),
    [
        ("AAPL", {"2020-05-08": "dividend_split_adjusted"}),
        ("JPM", {"2017-04-05": "repeated_dividend_dropped"}),
        ("STX", {"2014-11-07": "repeated_dividend_dropped"}),
        ("MSFT", {}),
        ("XOM", {}),
    ],
)
def test_real_dividends_of_2020_become_what_yahoo_corrected_them_to(real_prices_dir, ticker, expected):
    served = {}
    for day in ("2020-12-11", "2024-03-08"):
        bars = CsvSource(real_prices_dir / f"as_of_{day}").fetch(ticker, date.fromisoformat(day)).bars
        served[day] = clean(adjusting.as_served_on(bars, date(2020, 12, 11)))
    then, later = served["2020-12-11"], served["2024-03-08"]
    assert {f"{session:%Y-%m-%d}": text for session, text in then["repairs"].items() if text} == expected
    assert (later["repairs"] == "").all()
    common = then.index.intersection(later.index)
    np.testing.assert_allclose(then.loc[common, "dividend"], later.loc[common, "dividend"], rtol=5e-3)
