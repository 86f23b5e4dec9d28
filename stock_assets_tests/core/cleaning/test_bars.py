"""Each rule about single bars: what it repairs, how that is flagged, and what it halts on."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core.errors import BadPricesError
from stock_assets_tests.core.price_frames import (
    NAN,
    clean,
    quiet_week,
    raw_bars,
    repairs,
    swinging,
    with_row,
)


@pytest.fixture
def raw() -> pd.DataFrame:
    return quiet_week()


class TestOrder:
    @settings(deadline=None)
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

    @pytest.mark.parametrize("volume", [0.0, NAN])
    @pytest.mark.parametrize("order", [[0, 1], [1, 0]])
    def test_an_empty_row_beside_a_bar(self, raw, order, volume):
        empty = raw.iloc[[1]].assign(**dict.fromkeys(["open", "high", "low", "close", "adj_close"], NAN), volume=volume)
        both = pd.concat([raw.iloc[[1]], empty]).iloc[order]
        twice = pd.concat([raw.iloc[:1], both, raw.iloc[2:]])
        assert repairs(twice) == {"03-05": "repeated_bar_dropped"}
        assert clean(twice)["close"].tolist() == raw["close"].tolist()

    def test_a_row_with_a_dividend_only_is_not_empty(self, raw):
        paid = raw.iloc[[1]].assign(**dict.fromkeys(["open", "high", "low", "close"], NAN), volume=0.0, dividends=0.5)
        with pytest.raises(BadPricesError, match="given twice with different values"):
            clean(pd.concat([raw, paid]))

    def test_a_bar_given_twice_the_same_and_once_differently(self, raw):
        with pytest.raises(BadPricesError, match="1 bar given twice with different values: 2024-03-05"):
            clean(pd.concat([raw, raw.iloc[[1]], raw.iloc[[1]].assign(close=10.1)]))


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

    @pytest.mark.parametrize(
        ("shift", "span"),
        [
            (-1, r"looks like dates shifted by -1 day from 2023-10-01 to 2023-10-22"),  # Sunday to Thursday
            (1, r"looks like dates shifted by \+1 day from 2023-10-07 to 2023-10-28"),  # Tuesday to Saturday
        ],
    )
    def test_weeks_dated_a_day_off(self, shift, span):
        raw = swinging(400, date(2022, 9, 1)).loc[:"2024-03-08"]
        shifted = (raw.index >= "2023-10-02") & (raw.index <= "2023-10-27")
        index = raw.index.where(~shifted, raw.index + pd.Timedelta(days=shift))
        with pytest.raises(BadPricesError, match=rf"4 bars on a date that is no session of XNYS \({span}\)") as caught:
            clean(raw.set_axis(index))
        assert len(caught.value.sessions) == 4

    def test_an_extra_weekend_is_no_shift(self, raw):
        week = swinging(60, date(2024, 1, 2)).loc[:"2024-03-08"]
        with pytest.raises(BadPricesError, match=r"no session of XNYS: 2024-02-10"):
            clean(with_row(week, "2024-02-10", [9.0, 9.1, 8.9, 9.0, 9.0, 100.0, 0.0, 0.0]))

    def test_what_is_paid_and_split_on_a_weekend_moves_to_the_next_bar(self, raw):
        weeks = swinging(10, date(2024, 3, 1))
        right = weeks.copy()
        right.loc["2024-03-11", ["dividends", "stock_splits"]] = 0.25, 3.0
        came = with_row(weeks, "2024-03-09", [NAN, NAN, NAN, NAN, NAN, 0.0, 0.25, 3.0])
        came.loc["2024-03-11", "stock_splits"] = 1.0
        assert repairs(came, date(2024, 3, 14)) == {"03-11": "event_moved_to_next_bar,non_session_dropped_before"}
        table = clean(came, date(2024, 3, 14))
        pd.testing.assert_frame_equal(
            table.drop(columns="repairs"), clean(right, date(2024, 3, 14)).drop(columns="repairs"), check_exact=True
        )

    def test_before_the_first_bar_an_event_concerns_nobody(self, raw):
        came = with_row(raw, "2024-03-02", [NAN, NAN, NAN, NAN, NAN, 0.0, 0.5, 0.0])
        assert repairs(came) == {"03-04": "non_session_dropped_before"}
        assert clean(came)["dividend"].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]

    def test_a_dividend_on_a_weekend_with_prices_halts(self, raw):
        with pytest.raises(BadPricesError, match="no session"):
            clean(with_row(raw, "2024-03-02", [10.0, 10.0, 10.0, 10.0, 9.0, 0.0, 0.5, 0.0]))

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

    def test_zero_is_how_a_missing_price_is_written(self, raw):
        raw.loc["2024-03-05", "open"] = 0.0
        assert repairs(raw) == {"03-06": "incomplete_bar_dropped_before"}

    @pytest.mark.parametrize("missing", [NAN, 0.0])
    def test_one_in_a_hundred_is_allowed(self, missing):
        raw = swinging(299)
        raw.iloc[[10, 100], 3] = missing
        assert len(clean(raw)) == 297

        raw.iloc[200, 3] = missing
        with pytest.raises(BadPricesError, match=r"3 bars without all prices, of 299 bars.*expected at most 2,"):
            clean(raw)

    @pytest.mark.parametrize(("span", "halts"), [(251, True), (252, False)])
    def test_five_of_252_are_allowed(self, span, halts):
        raw = swinging(1000)
        raw.iloc[[300, 350, 400, 450, 500, 300 + span], :4] = NAN
        if halts:
            with pytest.raises(BadPricesError, match=r"6 bars .*expected at most 10, and 5 of 252 in a row"):
                clean(raw)
        else:
            assert len(clean(raw)) == 994

    def test_never_the_last(self, raw):
        raw.loc["2024-03-08", ["open", "high", "low", "close"]] = NAN
        with pytest.raises(BadPricesError, match="1 bar without all prices, and the last: 2024-03-08"):
            clean(raw)

    def test_its_dividend_is_paid_on_the_next(self, raw):
        raw.loc["2024-03-06", "close"] = NAN
        raw.loc["2024-03-07", "dividends"] = 0.25
        table = clean(raw)
        assert table["dividend"].tolist() == [0.0, 0.0, 1.25, 0.0]
        assert table["repairs"].iloc[2] == "event_moved_to_next_bar,incomplete_bar_dropped_before"
        assert table["total_return"].iloc[2] == pytest.approx((9.9 + 1.25) / 10 - 1)


class TestIncompleteBeginning:
    """Opening prices are missing in the first years of old tickers."""

    def test_left_out_when_long_ago(self):
        raw = swinging(2000, date(1990, 1, 2))
        raw.iloc[:800, 0] = 0.0
        raw.iloc[[3, 700], 0] = 10.0  # a few complete ones among them
        raw.iloc[1500, 0] = 0.0
        raw.iloc[400, raw.columns.get_loc("dividends")] = 0.5
        table = clean(raw)
        assert len(table) == 1199
        assert table.index[0] == raw.index[800]
        assert table["repairs"].iloc[0] == "incomplete_beginning_dropped"
        assert table.loc[raw.index[1501], "repairs"] == "incomplete_bar_dropped_before"
        assert (table["repairs"] != "").sum() == 2

    def test_not_when_recent(self):
        raw = swinging(2000, date(2004, 3, 9))  # twenty years before less a session
        raw.iloc[:1, 0] = 0.0
        assert clean(raw)["repairs"].iloc[0] == "incomplete_bar_dropped_before"
        raw.iloc[:800, 0] = 0.0
        with pytest.raises(BadPricesError, match="800 bars without all prices, of 2000 bars"):
            clean(raw)

    def test_not_in_the_middle(self):
        raw = swinging(2000, date(1990, 1, 2))
        raw.iloc[100:190, 0] = 0.0
        with pytest.raises(BadPricesError, match="90 bars without all prices"):
            clean(raw)


@pytest.mark.parametrize("price", [-1.0, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_prices_that_are_not_positive_halt(raw, column, price):
    raw.loc["2024-03-05", column] = price
    expected = rf"1 bar with a price that is not positive: 2024-03-05 .*{column} {price:g}"
    with pytest.raises(BadPricesError, match=expected):
        clean(raw)


class TestHighAndLow:
    def test_widened_within_rounding(self, raw):
        raw.loc["2024-03-05", ["high", "close"]] = [9.9999, 10.0]
        raw.loc["2024-03-06", ["low", "open"]] = [9.0005, 9.0]
        table = clean(raw)
        assert table.loc["2024-03-05", "high"] == 10.0
        assert table.loc["2024-03-06", "low"] == 9.0
        assert repairs(raw) == {"03-05": "high_low_widened", "03-06": "high_low_widened"}

    def test_more_than_a_slip_halts(self, raw):
        raw.loc["2024-03-05", "high"] = 9.9
        with pytest.raises(
            BadPricesError, match=r"open or close outside of low to high: 2024-03-05 \(open 10 high 9.9 .* at most 1%"
        ):
            clean(raw)

    def test_an_open_from_another_venue(self, raw):
        # SSW in Johannesburg on 2023-05-02, a tenth of the price.
        raw.loc["2024-03-04", ["open", "high", "low", "close"]] = [4.037, 4.032, 3.917, 3.965]
        raw.loc["2024-03-05", ["open", "high", "low", "close"]] = [3.975, 4.098, 3.968, 4.095]
        raw = raw.iloc[:2]
        table = clean(raw)
        assert table["high"].tolist() == [4.037, 4.098]
        assert table["close"].tolist() == [3.965, 4.095]
        assert repairs(raw) == {"03-04": "high_low_widened"}

    def test_the_provisional_last_bar(self, raw):
        # CBOE on the evening of 2026-07-31: low above open.
        raw.loc["2024-03-08", ["open", "high", "low", "close"]] = [287.54, 310.88, 287.76, 310.23]
        table = clean(raw)
        assert table["low"].iloc[-1] == 287.54
        assert table["close"].iloc[-1] == 310.23
        assert repairs(raw) == {"03-08": "high_low_widened"}

    def test_high_below_low_halts(self, raw):
        raw.loc["2024-03-05", ["open", "high", "low", "close"]] = [10.0, 9.5, 10.5, 10.0]
        with pytest.raises(BadPricesError, match=r"high 9\.5 low 10\.5"):
            clean(raw)


class TestVolume:
    def test_fractions_are_rounded(self, raw):
        raw.loc["2024-03-05", "volume"] = 199.6
        assert clean(raw)["volume"].iloc[1] == 200
        assert repairs(raw) == {"03-05": "volume_rounded"}

    def test_a_missing_one_is_taken_as_zero(self, raw):
        raw.loc["2024-03-05", "volume"] = NAN
        table = clean(raw)
        assert table["volume"].tolist() == [100, 0, 300, 0, 500]
        assert table["close"].tolist() == raw["close"].tolist()
        assert repairs(raw) == {"03-05": "missing_volume_taken_as_zero"}

    def test_never_the_last(self, raw):
        raw.loc["2024-03-08", "volume"] = NAN
        with pytest.raises(BadPricesError, match=r"1 bar without volume, and the last: 2024-03-08 \(volume nan\)"):
            clean(raw)

    def test_many_missing_ones_halt(self, raw):
        raw.loc["2024-03-04":"2024-03-05", "volume"] = NAN
        with pytest.raises(BadPricesError, match="2 bars without volume, of 5 bars: 2024-03-04"):
            clean(raw)

    @pytest.mark.parametrize("volume", [-1.0, np.inf, 1e17])
    def test_impossible_ones_halt(self, raw, volume):
        raw.loc["2024-03-05", "volume"] = volume
        with pytest.raises(BadPricesError, match="impossible volume: 2024-03-05"):
            clean(raw)
