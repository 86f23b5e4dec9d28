"""Each rule of cleaning: what it repairs, how that is flagged, and what it halts on."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import cleaning, schemas, sessions
from stock_assets.core.errors import BadPricesError, SchemaError
from stock_assets.sources import base

GIVEN = ["open", "high", "low", "close", "adj_close", "volume", "dividends", "stock_splits"]
AS_OF = date(2024, 3, 8)
NAN = float("nan")


def raw_bars(rows: dict[str, list[float]]) -> pd.DataFrame:
    return base.raw_frame(pd.DatetimeIndex(list(rows)), dict(zip(GIVEN, zip(*rows.values(), strict=True), strict=True)))


@pytest.fixture
def raw() -> pd.DataFrame:
    """A quiet week, with a dividend of 1 on Wednesday."""
    return raw_bars(
        {
            "2024-03-04": [9.5, 10.5, 9.0, 10.0, 9.0, 100.0, 0.0, 0.0],
            "2024-03-05": [10.0, 11.0, 9.5, 10.0, 9.0, 200.0, 0.0, 0.0],
            "2024-03-06": [9.0, 9.5, 8.5, 9.0, 9.0, 300.0, 1.0, 0.0],
            "2024-03-07": [9.0, 9.9, 9.0, 9.9, 9.9, 0.0, 0.0, 0.0],
            "2024-03-08": [10.0, 10.5, 9.5, 9.9, 9.9, 500.0, 0.0, 0.0],
        }
    )


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=AS_OF)


def repairs(raw: pd.DataFrame) -> dict[str, str]:
    flagged = clean(raw)["repairs"]
    return {f"{session:%m-%d}": text for session, text in flagged.items() if text}


def with_row(raw: pd.DataFrame, session: str, values: list[float]) -> pd.DataFrame:
    return pd.concat([raw, raw_bars({session: values})]).sort_index(kind="stable")


def test_a_quiet_week(raw):
    table = clean(raw)
    assert list(table.columns) == list(schemas.CLEAN_PRICES.columns)
    assert table["close"].tolist() == raw["close"].tolist()
    assert table["volume"].tolist() == [100, 200, 300, 0, 500]
    assert table["dividend"].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert (table["split_ratio"] == 1.0).all()
    # Factor 1 - 1/10 before the dividend; total return (9 + 1) / 10 - 1 = 0 on its session, 9.9 / 9 - 1 on the next.
    assert table["adjusted_close"].tolist() == pytest.approx([9.0, 9.0, 9.0, 9.9, 9.9])
    assert table["adjusted_open"].tolist() == pytest.approx([8.55, 9.0, 9.0, 9.0, 10.0])
    assert np.isnan(table["total_return"].iloc[0])
    assert table["total_return"].iloc[1:].tolist() == pytest.approx([0.0, 0.0, 0.1, 0.0])
    assert (table["repairs"] == "").all()


def test_the_input_is_left_alone(raw):
    before = raw.copy()
    clean(raw.iloc[::-1])
    pd.testing.assert_frame_equal(raw, before, check_exact=True)


def test_a_missing_session_is_not_filled(raw):
    table = clean(raw.drop(pd.Timestamp("2024-03-07")))
    assert list(table.index.strftime("%m-%d")) == ["03-04", "03-05", "03-06", "03-08"]
    assert table["total_return"].iloc[-1] == pytest.approx(0.1)


def test_a_recorded_split_keeps_its_ratio(raw):
    raw.loc["2024-03-06", "stock_splits"] = 5.0
    assert clean(raw)["split_ratio"].tolist() == [1.0, 1.0, 5.0, 1.0, 1.0]


def test_one_bar_is_enough(raw):
    table = clean(raw.tail(1))
    assert len(table) == 1
    assert table["adjusted_close"].iloc[0] == 9.9


class TestForm:
    def test_missing_column(self, raw):
        with pytest.raises(SchemaError, match=r"TSLA 2024-03-08: raw prices can't be read: no column close;"):
            clean(raw.drop(columns="close"))

    def test_wrong_type(self, raw):
        with pytest.raises(SchemaError, match=r"column volume is (object|str)"):
            clean(raw.assign(volume=["1", "2", "3", "4", "5"]))

    def test_adjusted_close_of_the_source_is_not_needed(self, raw):
        pd.testing.assert_frame_equal(clean(raw.assign(adj_close=NAN)), clean(raw), check_exact=True)

    def test_whole_numbers_are_numbers(self, raw):
        pd.testing.assert_frame_equal(clean(raw.astype({"volume": "int64"})), clean(raw), check_exact=True)

    @pytest.mark.parametrize(
        "index",
        [
            pd.RangeIndex(5),
            pd.date_range("2024-03-04", periods=5, tz="UTC"),
            pd.date_range("2024-03-04 09:30", periods=5),
        ],
        ids=["numbers", "aware", "times"],
    )
    def test_index_that_is_no_session(self, raw, index):
        with pytest.raises(SchemaError, match="index"):
            clean(raw.set_axis(index))

    def test_nothing(self, raw):
        with pytest.raises(BadPricesError, match="TSLA 2024-03-08: there are no bars at all"):
            clean(raw.iloc[:0])


class TestOrder:
    @given(order=st.permutations(range(5)))
    def test_any_order_gives_the_same_table(self, order):
        raw = raw_bars({f"2024-03-0{n}": [9.0, 10.0, 8.0, 9.0 + n / 10, 9.0, 100.0, 0.0, 0.0] for n in range(4, 9)})
        pd.testing.assert_frame_equal(clean(raw.iloc[list(order)]), clean(raw), check_exact=True)

    def test_a_later_bar(self, raw):
        with pytest.raises(BadPricesError, match=r"1 bar later than the snapshot: 2024-03-11; expected no later bar"):
            clean(with_row(raw, "2024-03-11", [10.0, 10.0, 10.0, 10.0, 10.0, 1.0, 0.0, 0.0]))


class TestRepeatedBars:
    def test_identical_ones_are_kept_once(self, raw):
        twice = pd.concat([raw, raw.iloc[[1]]])
        assert repairs(twice) == {"03-05": "repeated_bar_dropped"}
        pd.testing.assert_frame_equal(
            clean(twice).drop(columns="repairs"), clean(raw).drop(columns="repairs"), check_exact=True
        )

    def test_different_ones_halt(self, raw):
        other = raw.iloc[[1]].assign(close=10.1)
        with pytest.raises(BadPricesError, match="2 bars given twice with different values: 2024-03-05, 2024-03-05"):
            clean(pd.concat([raw, other]))


class TestNonSessions:
    def test_an_empty_saturday_is_left_out(self, raw):
        assert repairs(with_row(raw, "2024-03-02", [NAN, NAN, NAN, NAN, NAN, 0.0, 0.0, 0.0])) == {
            "03-04": "non_session_dropped_before"
        }

    @pytest.mark.parametrize("prices", [[11.0, 12.0, 10.0, 11.5], [11.5, 11.5, 11.5, 11.5]], ids=["bar", "close"])
    def test_a_holiday_that_repeats_the_bar_before_is_left_out(self, prices):
        raw = raw_bars(
            {
                "2024-02-16": [11.0, 12.0, 10.0, 11.5, 11.5, 100.0, 0.0, 0.0],
                "2024-02-19": [*prices, 11.5, 0.0, 0.0, 0.0],  # Washington's Birthday
                "2024-02-20": [11.0, 12.0, 10.0, 11.5, 11.5, 100.0, 0.0, 0.0],
            }
        )
        table = clean(raw)
        assert list(table.index.strftime("%m-%d")) == ["02-16", "02-20"]
        assert repairs(raw) == {"02-20": "non_session_dropped_before"}

    def test_real_trading_on_a_saturday_halts(self, raw):
        expected = r"1 bar on a date that is no session of XNYS: 2024-03-02 \(open 9 high 9.1 low 8.9 close 9\)"
        with pytest.raises(BadPricesError, match=expected):
            clean(with_row(raw, "2024-03-02", [9.0, 9.1, 8.9, 9.0, 9.0, 100.0, 0.0, 0.0]))

    def test_a_dividend_on_a_holiday_halts(self, raw):
        with pytest.raises(BadPricesError, match="no session"):
            clean(with_row(raw, "2024-03-02", [NAN, NAN, NAN, NAN, NAN, 0.0, 0.5, 0.0]))

    def test_nothing_but_a_holiday(self):
        with pytest.raises(BadPricesError, match="at least one usable bar"):
            clean(raw_bars({"2024-03-02": [NAN, NAN, NAN, NAN, NAN, 0.0, 0.0, 0.0]}))

    def test_before_the_calendar(self, raw):
        with pytest.raises(BadPricesError, match="no session of XNYS: 1959-12-31"):
            clean(with_row(raw, "1959-12-31", [9.0, 9.1, 8.9, 9.0, 9.0, 100.0, 0.0, 0.0]))


class TestIncompleteBars:
    @pytest.mark.parametrize("columns", [["open"], ["open", "high", "low", "close"]])
    def test_one_is_left_out(self, raw, columns):
        raw.loc["2024-03-05", columns] = NAN
        assert repairs(raw) == {"03-06": "incomplete_bar_dropped_before"}
        assert len(clean(raw)) == 4

    def test_two_of_five_are_too_many(self, raw):
        raw.loc["2024-03-04":"2024-03-05", "low"] = NAN
        expected = r"2 bars without all prices, of 5 bars: 2024-03-04 \(open 9.5 high 10.5 low nan"
        with pytest.raises(BadPricesError, match=expected):
            clean(raw)

    @pytest.mark.parametrize(("missing", "halts"), [(2, False), (3, True)])
    def test_one_in_a_hundred_is_allowed(self, missing, halts):
        index = sessions.sessions_between(date(2023, 1, 3), date(2024, 2, 1))[:250]
        raw = base.raw_frame(index, dict.fromkeys(base.RAW_COLUMNS, np.full(len(index), 9.0)))
        raw[["dividends", "capital_gains", "stock_splits"]] = 0.0
        raw.iloc[[10, 100, 200][:missing], :5] = NAN
        if halts:
            with pytest.raises(BadPricesError, match=r"3 bars .* of 250 bars.*expected at most 2"):
                clean(raw)
        else:
            assert len(clean(raw)) == 248

    def test_never_the_last(self, raw):
        raw.loc["2024-03-08", ["open", "high", "low", "close"]] = NAN
        with pytest.raises(BadPricesError, match="1 bar without all prices, and the last: 2024-03-08"):
            clean(raw)

    def test_never_one_with_a_dividend(self, raw):
        raw.loc["2024-03-06", "close"] = NAN
        with pytest.raises(BadPricesError, match=r"but with a dividend or split: 2024-03-06 .*dividends 1"):
            clean(raw)


@pytest.mark.parametrize("price", [0.0, -1.0, np.inf])
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_prices_that_are_not_positive_halt(raw, column, price):
    raw.loc["2024-03-05", column] = price
    with pytest.raises(
        BadPricesError, match=rf"1 bar with a price that is not positive: 2024-03-05 .*{column} {price:g}"
    ):
        clean(raw)


class TestHighAndLow:
    def test_widened_within_rounding(self, raw):
        raw.loc["2024-03-05", ["high", "close"]] = [9.9999, 10.0]
        raw.loc["2024-03-06", ["low", "open"]] = [9.0005, 9.0]
        table = clean(raw)
        assert table.loc["2024-03-05", "high"] == 10.0
        assert table.loc["2024-03-06", "low"] == 9.0
        assert repairs(raw) == {"03-05": "high_low_widened", "03-06": "high_low_widened"}

    def test_more_than_rounding_halts(self, raw):
        raw.loc["2024-03-05", "high"] = 9.99
        with pytest.raises(
            BadPricesError, match=r"open or close outside of low to high: 2024-03-05 \(open 10 high 9.99"
        ):
            clean(raw)

    def test_the_provisional_last_bar_may_be_off_by_more(self, raw):
        # CBOE on the evening of 2026-07-31: low above open.
        raw.loc["2024-03-08", ["open", "high", "low", "close"]] = [287.54, 310.88, 287.76, 310.23]
        table = clean(raw)
        assert table["low"].iloc[-1] == 287.54
        assert table["close"].iloc[-1] == 310.23
        assert repairs(raw) == {"03-08": "high_low_widened"}

    def test_but_not_by_much_more(self, raw):
        raw.loc["2024-03-08", "high"] = 9.8
        with pytest.raises(BadPricesError, match="on the last bar 1%"):
            clean(raw)

    def test_high_below_low_halts(self, raw):
        raw.loc["2024-03-05", ["open", "high", "low", "close"]] = [10.0, 9.5, 10.5, 10.0]
        with pytest.raises(BadPricesError, match=r"high 9\.5 low 10\.5"):
            clean(raw)


class TestVolume:
    def test_fractions_are_rounded(self, raw):
        raw.loc["2024-03-05", "volume"] = 199.6
        assert clean(raw)["volume"].iloc[1] == 200
        assert repairs(raw) == {"03-05": "volume_rounded"}

    @pytest.mark.parametrize("volume", [NAN, -1.0, np.inf, 1e17])
    def test_impossible_ones_halt(self, raw, volume):
        raw.loc["2024-03-05", "volume"] = volume
        with pytest.raises(BadPricesError, match="impossible volume: 2024-03-05"):
            clean(raw)


class TestEvents:
    @pytest.mark.parametrize("dividend", [-0.1, NAN, 10.0, np.inf])
    def test_impossible_dividends_halt(self, raw, dividend):
        raw.loc["2024-03-06", "dividends"] = dividend
        with pytest.raises(
            BadPricesError, match=r"TSLA 2024-03-08: 1 bar with an impossible dividend: 2024-03-06 .*close_before 10"
        ):
            clean(raw)

    @pytest.mark.parametrize("ratio", [-2.0, NAN, np.inf])
    def test_impossible_splits_halt(self, raw, ratio):
        raw.loc["2024-03-06", "stock_splits"] = ratio
        with pytest.raises(BadPricesError, match="impossible split ratio: 2024-03-06"):
            clean(raw)

    @pytest.mark.parametrize("ratio", [2.0, 3.0, 7.0, 0.1, 1.281])  # the last: GE's spin-off
    def test_a_split_not_applied_halts(self, raw, ratio):
        raw["dividends"] = 0.0
        raw.loc["2024-03-07", "stock_splits"] = ratio
        assert clean(raw)["split_ratio"].iloc[3] == ratio

        raw.loc[:"2024-03-06", ["open", "high", "low", "close"]] *= ratio
        expected = (
            rf"split that the prices before it are not adjusted for: 2024-03-07 \(stock_splits {ratio:g} close_before"
        )
        with pytest.raises(BadPricesError, match=expected):
            clean(raw)

    def test_a_small_stock_dividend_is_not_judged(self, raw):
        raw.loc["2024-03-07", "stock_splits"] = 1.05
        raw.loc["2024-03-08", "stock_splits"] = 1.0
        assert clean(raw)["split_ratio"].tolist()[-2:] == [1.05, 1.0]


def test_several_repairs_of_one_row_are_listed_in_order(raw):
    raw.loc["2024-03-05", ["volume", "high"]] = [200.4, 9.9999]
    assert repairs(pd.concat([raw, raw.iloc[[1]]])) == {"03-05": "repeated_bar_dropped,high_low_widened,volume_rounded"}


def test_cleaning_twice_changes_nothing_more(raw):
    raw.loc["2024-03-05", "high"] = 9.9999
    once = clean(raw)
    again = clean(
        once.rename(columns={"dividend": "dividends"}).assign(adj_close=NAN, capital_gains=0.0, stock_splits=0.0)
    )
    pd.testing.assert_frame_equal(again.drop(columns="repairs"), once.drop(columns="repairs"), check_exact=True)
    assert (again["repairs"] == "").all()


def test_every_rule_says_what_it_does():
    assert len(cleaning.RULES) == 9
    assert all(rule.__doc__ for rule in cleaning.RULES)
