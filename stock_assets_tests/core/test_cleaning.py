"""The table that cleaning makes, what it can't read, how repairs are listed. Each rule has its tests in cleaning/."""

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import cleaning, schemas
from stock_assets.core.errors import BadPricesError, SchemaError
from stock_assets_tests.core.price_frames import NAN, clean, quiet_week, repairs


@pytest.fixture
def raw() -> pd.DataFrame:
    return quiet_week()


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

    def test_a_column_given_twice(self, raw):
        with pytest.raises(SchemaError, match="can't be read: column close 2 times;"):
            clean(pd.concat([raw, raw[["close"]]], axis=1))

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

    @pytest.mark.parametrize("ratio", [2.0, 1.281])  # in the noise of this week; the last: GE's spin-off
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
    assert all(rule.__doc__ for rule in cleaning.RULES)
