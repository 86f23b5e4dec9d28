"""Prices in another unit: brought to that of the newest bars, or halted."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import adjusting, cleaning
from stock_assets.core.cleaning import rule, units
from stock_assets.core.errors import BadPricesError
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.core.price_frames import AS_OF, NAN, clean, swinging

PRICES = ["open", "high", "low", "close"]
RESCALED = [*PRICES, "adj_close"]
SNAPSHOT = rule.Snapshot("TSLA", AS_OF)
BAR, PRICE = "bar_rescaled_by_100", "price_rescaled_by_100"


@pytest.fixture
def raw() -> pd.DataFrame:
    """Forty bars between 9 and 12, with a dividend of 0.5 on the sixth and on the thirtieth, and adjusted for them."""
    bars = swinging(40, date(2024, 1, 2))
    bars.iloc[[5, 29], bars.columns.get_loc("dividends")] = 0.5
    bars["adj_close"] = bars["close"] * adjusting.dividend_factors(bars["close"], bars["dividends"])
    return bars


def in_one_unit(raw: pd.DataFrame) -> pd.DataFrame:
    return units.in_one_unit(raw.assign(repairs=pd.Series("", index=raw.index, dtype="str")), SNAPSHOT)


def scaled(raw: pd.DataFrame, rows: slice | list[int], factor: float, columns: list[str] = RESCALED) -> pd.DataFrame:
    other = raw.copy()
    positions = other.columns.get_indexer(columns)
    other.iloc[rows, positions] = other.iloc[rows, positions] * factor
    return other


def flagged(frame: pd.DataFrame, repair: str) -> list[int]:
    assert set(frame["repairs"]) <= {"", repair}
    return np.flatnonzero(frame["repairs"] == repair).tolist()


def assert_repaired(frame: pd.DataFrame, raw: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(frame.drop(columns="repairs"), raw, rtol=1e-12, atol=0)


@pytest.mark.parametrize("factor", [100.0, 0.01])
class TestRepaired:
    @pytest.mark.parametrize("row", [0, 1, 20, 38, 39])
    @pytest.mark.parametrize("column", PRICES)
    def test_one_price(self, raw, factor, row, column):
        frame = in_one_unit(scaled(raw, [row], factor, [column]))
        assert_repaired(frame, raw)
        assert flagged(frame, PRICE) == [row]

    def test_two_prices_of_a_bar(self, raw, factor):
        frame = in_one_unit(scaled(raw, [20], factor, ["open", "close"]))
        assert_repaired(frame, raw)
        assert flagged(frame, PRICE) == [20]

    @pytest.mark.parametrize("rows", [[1], [20], [37], [38], [20, 22, 24], [20, 21, 22]])
    def test_bars_in_between(self, raw, factor, rows):
        frame = in_one_unit(scaled(raw, rows, factor))
        assert_repaired(frame, raw)
        assert flagged(frame, BAR) == rows

    @pytest.mark.parametrize("from_row", [10, 33])
    def test_a_new_unit_from_some_session_on(self, raw, factor, from_row):
        frame = in_one_unit(scaled(raw.assign(dividends=0.0), slice(0, from_row), factor))
        assert_repaired(frame, raw.assign(dividends=0.0))
        assert flagged(frame, BAR) == list(range(from_row))

    @pytest.mark.parametrize("witness", ["adj_close", "usual yield"])
    @pytest.mark.parametrize("rows", [slice(0, 33), slice(3, 33)])
    @pytest.mark.parametrize("columns", [PRICES, [*PRICES, "dividends"]])
    def test_dividends_follow_where_they_are_in_the_same_unit(self, raw, factor, rows, columns, witness):
        # 0.05 on a price of 10 or 11: 0.5 %.
        raw["dividends"] /= 10
        raw["adj_close"] = NAN
        if witness == "adj_close":
            # A special dividend of 2: a fifth of the price, and the adjusted closes agree.
            raw.iloc[29, raw.columns.get_loc("dividends")] = 2.0
            table = pd.DataFrame({"close": raw["close"], "dividend": raw["dividends"]})
            raw["adj_close"] = raw["close"] * adjusting.dividend_factors(table["close"], table["dividend"])
        assert_repaired(in_one_unit(scaled(raw, rows, factor, columns)), raw)

    def test_a_bar_in_between_without_source_adjusted_closes(self, raw, factor):
        frame = in_one_unit(scaled(raw.assign(adj_close=NAN), [20], factor, PRICES))
        assert_repaired(frame, raw.assign(adj_close=NAN))

    def test_adjusted_closes_of_the_source_alone(self, raw, factor):
        frame = in_one_unit(scaled(raw, [3, 20], factor, ["adj_close"]))
        assert_repaired(frame, raw)
        assert flagged(frame, BAR) == []

    def test_a_bar_whose_adjusted_close_was_right(self, raw, factor):
        frame = in_one_unit(scaled(raw, [20], factor, PRICES))
        assert_repaired(frame, raw)

    def test_a_price_in_a_bar_of_the_other_unit(self, raw, factor):
        frame = in_one_unit(scaled(scaled(raw, slice(10, 20), factor), [15], 1 / factor, ["low"]))
        assert_repaired(frame, raw)
        assert frame["repairs"].iloc[14:17].tolist() == [BAR, PRICE, BAR]


def test_the_newest_bars_with_trades_set_the_unit(raw):
    # AET in London, May 2022: a stock without trades, quoted in pounds before and after, in pence on the trade.
    raw["volume"] = 0.0
    raw.loc[raw.index[25], "volume"] = 532_454.0
    quoted = scaled(scaled(raw, slice(0, 20), 0.01), slice(30, 40), 0.01)
    frame = in_one_unit(quoted)
    assert_repaired(frame, raw)
    assert flagged(frame, BAR) == [*range(20), *range(30, 40)]


def test_cents_until_the_end_of_may_then_rand():
    # SSW in Johannesburg, 2023-05-30 to 2023-06-02, followed here by quiet bars.
    raw = swinging(8, date(2024, 2, 28)).assign(volume=9e6)
    raw[PRICES] = [
        [3439.0, 3537.0, 3385.0, 3423.0],
        [3480.0, 3548.0, 3426.0, 3501.0],
        [35.23, 35.38, 34.24, 35.35],
        *([[35.69, 36.18, 34.60, 34.97]] * 5),
    ]
    raw["adj_close"] = raw["close"]
    table = clean(raw)
    assert table["close"].tolist()[:3] == pytest.approx([34.23, 35.01, 35.35])
    assert table["repairs"].tolist()[:3] == [BAR, BAR, ""]
    assert table["total_return"].iloc[2] == pytest.approx(35.35 / 35.01 - 1)


class TestHalted:
    def halts(self, raw: pd.DataFrame, message: str) -> None:
        with pytest.raises(BadPricesError, match=message):
            in_one_unit(raw)

    @pytest.mark.parametrize("n", [1, 5])
    def test_the_last_bars_alone(self, raw, n):
        message = r"1 bar where prices jump by 100, too few sessions ago to tell a slip from a new unit: 2024-0"
        self.halts(scaled(raw, slice(40 - n, 40), 100.0), message)

    def test_two_bars(self, raw):
        self.halts(scaled(raw.iloc[:2], [0], 100.0), "most of the last 2 bars in the unit of the last one")

    def test_ten_thousand_times(self, raw):
        self.halts(scaled(scaled(raw, slice(0, 20), 100.0), slice(0, 10), 100.0), "10 bars off by 100 times 100")

    @pytest.mark.parametrize("factor", [100.0, 0.01])
    def test_a_split_that_is_not_recorded(self, raw, factor):
        before = scaled(raw, slice(0, 20), factor)
        assert len(flagged(in_one_unit(before), BAR)) == 20
        before.iloc[:20, before.columns.get_loc("volume")] /= factor
        self.halts(before, "1 bar where prices jump by 100 and the volume the other way: 2024-01-31 ")

    def test_a_jump_that_is_no_hundred_beside_one_that_is(self, raw):
        self.halts(
            scaled(scaled(raw, [10], 100.0), slice(0, 5), 40.0), "1 bar where prices jump by more than 30, but by"
        )


class TestUntouched:
    def is_untouched(self, raw: pd.DataFrame) -> bool:
        return in_one_unit(raw).drop(columns="repairs").equals(raw)

    @pytest.mark.parametrize("factor", [2.0, 10.0, 50.0, 200.0, 1000.0])
    @pytest.mark.parametrize("rows", [[20], slice(0, 20), slice(39, 40)], ids=str)
    def test_what_is_no_hundred(self, raw, rows, factor):
        assert self.is_untouched(scaled(raw, rows, factor))
        assert self.is_untouched(scaled(raw, rows, 1 / factor))

    def test_a_low_that_is_no_hundredth(self, raw):
        assert self.is_untouched(scaled(raw, [20], 0.001, ["low"]))

    @pytest.mark.parametrize("ratio", [100.0, 0.01, 50.0])
    def test_a_recorded_split_is_for_splits(self, raw, ratio):
        raw.loc[raw.index[25], "stock_splits"] = ratio
        assert self.is_untouched(scaled(raw, slice(0, 20), 100.0))

    def test_a_small_split_explains_no_hundred(self, raw):
        raw.loc[raw.index[20], "stock_splits"] = 2.0
        assert flagged(in_one_unit(scaled(raw, slice(0, 20), 100.0)), BAR) == list(range(20))

    def test_adjusted_closes_without_sense(self, raw):
        raw["adj_close"] = [0.0, NAN, -1.0, np.inf, 1e-3, 1e5] + [9.0] * 34
        assert self.is_untouched(raw)

    def test_one_bar(self, raw):
        assert self.is_untouched(raw.head(1))

    def test_one_bar_in_two_units(self, raw):
        assert self.is_untouched(scaled(raw.head(1), [0], 100.0, ["high"]))


def simulated(ticker: int, n: int) -> pd.DataFrame:
    return SimulatedSource().fetch(f"SIM{ticker}", date(2030, 1, 2)).bars.tail(n)


@settings(max_examples=25, deadline=None)
@given(ticker=st.integers(0, 9), n=st.integers(1, 4000))
def test_simulated_histories_pass_every_rule_untouched(ticker, n):
    raw = simulated(ticker, n)
    snapshot = rule.Snapshot("SIM", raw.index[-1].date())
    frame = raw.assign(repairs=pd.Series("", index=raw.index, dtype="str"))
    for each in cleaning.RULES:
        pd.testing.assert_frame_equal(each(frame, snapshot), frame, check_exact=True)


@settings(max_examples=40, deadline=None)
@given(
    ticker=st.integers(0, 9),
    factor=st.sampled_from([100.0, 0.01]),
    first=st.integers(0, 980),
    length=st.integers(1, 1000),
    columns=st.sampled_from([RESCALED, ["open"], ["high"], ["low"], ["close"], ["open", "low"], PRICES]),
)
def test_injected_units_are_undone_to_the_last_digits(ticker, factor, first, length, columns):
    """Wherever the fault lies, unless it reaches the newest ten bars: those set the unit."""
    raw = simulated(ticker, 1000).assign(dividends=0.0, capital_gains=0.0, stock_splits=0.0)
    # Single prices by themselves, or whole stretches: two units in every bar of a stretch is nothing that happens.
    rows = slice(first, min(first + length, 990)) if len(columns) > 2 else [first]
    assert_repaired(in_one_unit(scaled(raw, rows, factor, columns)), raw)
