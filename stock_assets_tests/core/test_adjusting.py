"""Re-basing to a past evening, dividend factors and total returns, worked out by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stock_assets.core import adjusting, schemas
from stock_assets.core.errors import BadPricesError
from stock_assets.sources import base

GIVEN = ["open", "high", "low", "close", "adj_close", "volume", "dividends", "stock_splits"]


def bars(rows: dict[str, list[float]]) -> pd.DataFrame:
    return base.raw_frame(pd.DatetimeIndex(list(rows)), dict(zip(GIVEN, zip(*rows.values(), strict=True), strict=True)))


# In the shares of 2022-08-26, after a split of 3:1, with a dividend of 0.5 on the 24th and one of 0.3 on the 26th.
AFTER_SPLIT = bars(
    {
        "2022-08-23": [9.0, 11.0, 8.0, 10.0, 9.215, 3000.0, 0.0, 0.0],
        "2022-08-24": [9.0, 10.0, 8.0, 9.5, 9.215, 1001.0, 0.5, 0.0],
        "2022-08-25": [9.5, 11.0, 9.0, 10.0, 9.7, 2000.0, 0.0, 3.0],
        "2022-08-26": [9.5, 11.0, 9.0, 9.7, 9.7, 2500.0, 0.3, 0.0],
    }
)


class TestAsServedOn:
    def test_before_a_split_prices_were_higher_and_volumes_lower(self):
        served = adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 24))
        assert list(served.index.strftime("%m-%d")) == ["08-23", "08-24"]
        assert served["open"].tolist() == [27.0, 27.0]
        assert served["high"].tolist() == [33.0, 30.0]
        assert served["low"].tolist() == [24.0, 24.0]
        assert served["close"].tolist() == [30.0, 28.5]
        assert served["dividends"].tolist() == [0.0, 1.5]
        assert served["volume"].tolist() == [1000.0, 334.0]  # 1001 / 3 in whole shares
        assert served["stock_splits"].tolist() == [0.0, 0.0]

    def test_adjusted_close_is_the_close_on_its_own_evening(self):
        served = adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 24))
        # Only the dividend of the 24th was known: 30 x (1 - 1.5 / 30).
        assert served["adj_close"].tolist() == pytest.approx([28.5, 28.5], rel=1e-15)
        assert served["adj_close"].iloc[-1] == served["close"].iloc[-1]

    def test_on_the_session_of_the_split_the_basis_is_the_new_one(self):
        served = adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 25))
        pd.testing.assert_frame_equal(
            served.drop(columns="adj_close"), AFTER_SPLIT.iloc[:3].drop(columns="adj_close"), check_exact=True
        )
        assert served["adj_close"].tolist() == pytest.approx([9.5, 9.5, 10.0], rel=1e-15)

    def test_with_nothing_later_not_a_bit_changes(self):
        pd.testing.assert_frame_equal(
            adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 26)), AFTER_SPLIT, check_exact=True
        )

    def test_fractional_volume_stays_when_there_is_no_later_split(self):
        odd = AFTER_SPLIT.assign(volume=0.5)
        assert (adjusting.as_served_on(odd, date(2022, 8, 26))["volume"] == 0.5).all()

    def test_splits_multiply(self):
        more = bars(
            {
                "2020-08-28": [2213.0 / 15] * 4 + [2213.0 / 15, 15.0, 0.0, 0.0],
                "2020-08-31": [498.0 / 3] * 4 + [498.0 / 3, 15.0, 0.0, 5.0],
                "2022-08-25": [296.0] * 4 + [296.0, 15.0, 0.0, 3.0],
            }
        )
        assert adjusting.as_served_on(more, date(2020, 8, 28))["close"].tolist() == pytest.approx([2213.0])
        assert adjusting.as_served_on(more, date(2020, 8, 28))["volume"].tolist() == [1.0]
        assert adjusting.as_served_on(more, date(2020, 8, 31))["close"].tolist() == pytest.approx([2213.0 / 5, 498.0])

    def test_reverse_split(self):
        later = AFTER_SPLIT.assign(stock_splits=[0.0, 0.0, 0.0, 0.1])
        served = adjusting.as_served_on(later, date(2022, 8, 25))
        assert served["close"].tolist() == pytest.approx([1.0, 0.95, 1.0])
        assert served["volume"].tolist() == [30000.0, 10010.0, 20000.0]

    def test_session_without_a_bar_ends_with_the_bar_before(self):
        served = adjusting.as_served_on(AFTER_SPLIT.drop(pd.Timestamp("2022-08-24")), date(2022, 8, 24))
        assert list(served.index.strftime("%m-%d")) == ["08-23"]
        assert served["adj_close"].tolist() == served["close"].tolist() == [30.0]

    def test_nothing_known_yet(self):
        served = adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 22))
        assert served.empty
        assert list(served.columns) == list(base.RAW_COLUMNS)

    @pytest.mark.parametrize("missing", [np.nan, 0.0])
    @pytest.mark.parametrize("column", ["close", "adj_close"])
    def test_adjusted_close_without_an_anchor_is_unknown(self, column, missing):
        broken = AFTER_SPLIT.copy()
        broken.loc["2022-08-25", column] = missing
        served = adjusting.as_served_on(broken, date(2022, 8, 25))
        assert served["adj_close"].isna().all()
        assert served["close"].iloc[:2].tolist() == [10.0, 9.5]

    def test_evenings_without_a_payment_in_between_have_the_same_history(self):
        """Closes of 30, 31 and 32 after a dividend, adjusted by 0.97 and rounded by the source to two digits."""
        rounded = bars(
            {
                "2024-03-04": [30.0, 30.0, 30.0, 29.0, 28.13, 1.0, 0.0, 0.0],
                "2024-03-05": [30.0, 30.0, 30.0, 30.0, 29.100001, 1.0, 0.5, 0.0],
                "2024-03-06": [31.0, 31.0, 31.0, 31.0, 30.07, 1.0, 0.0, 0.0],
                "2024-03-07": [32.0, 32.0, 32.0, 32.0, 31.040002, 1.0, 0.0, 0.0],
                "2024-03-08": [32.0, 32.0, 32.0, 32.0, 32.0, 1.0, 1.0, 0.0],
            }
        )
        wednesday, thursday = (adjusting.as_served_on(rounded, date(2024, 3, day)) for day in (6, 7))
        pd.testing.assert_frame_equal(wednesday.iloc[:2], thursday.iloc[:2], check_exact=True)
        assert thursday["adj_close"].tolist() == pytest.approx([29.0, 30.0, 31.0, 32.0], rel=1e-6)
        assert wednesday["adj_close"].iloc[-1] == 31.0
        assert thursday["adj_close"].iloc[-1] == 32.0

    def test_a_change_of_basis_that_is_no_rounding_is_followed(self):
        """As where a source takes something out that it lists under no payment: the last row says what is so now."""
        unlisted = bars(
            {
                "2024-03-06": [31.0, 31.0, 31.0, 31.0, 15.5, 1.0, 0.0, 0.0],
                "2024-03-07": [32.0, 32.0, 32.0, 32.0, 28.8, 1.0, 0.0, 0.0],
            }
        )
        served = adjusting.as_served_on(unlisted, date(2024, 3, 7))
        assert served["adj_close"].tolist() == pytest.approx([15.5 / 0.9, 32.0], rel=1e-15)

    def test_a_missing_bar_in_the_middle_stays_missing(self):
        broken = AFTER_SPLIT.copy()
        broken.loc["2022-08-23", ["open", "high", "low", "close", "adj_close", "volume"]] = np.nan
        served = adjusting.as_served_on(broken, date(2022, 8, 24))
        assert served.iloc[0].isna().sum() == 6
        assert served["close"].iloc[1] == 28.5

    @pytest.mark.parametrize("ratio", [-3.0, np.nan, np.inf])
    def test_an_impossible_later_split(self, ratio):
        broken = AFTER_SPLIT.assign(stock_splits=[0.0, 0.0, 0.0, ratio])
        with pytest.raises(BadPricesError, match=f"positive numbers.*2022-08-26: {ratio}"):
            adjusting.as_served_on(broken, date(2022, 8, 24))

    def test_the_input_is_left_alone(self):
        before = AFTER_SPLIT.copy()
        adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 23))
        pd.testing.assert_frame_equal(AFTER_SPLIT, before, check_exact=True)

    def test_the_result_has_the_form_of_raw_prices(self):
        served = adjusting.as_served_on(AFTER_SPLIT, date(2022, 8, 24))
        schemas.validate(served, schemas.RAW_PRICES, ticker="TSLA", as_of="2022-08-24")

    @given(
        cut=st.integers(1, 9),
        values=hnp.arrays("float64", (10, 8), elements=st.floats(0.01, 1e6)),
        noise=hnp.arrays("float64", (10, 8), elements=st.floats(allow_nan=True, allow_infinity=True)),
        splits=st.lists(st.sampled_from([0.0, 2.0, 1.323, 1.281, 0.1, 7.0]), min_size=10, max_size=10),
        seed=st.randoms(use_true_random=False),
    )
    def test_only_splits_are_read_from_later_rows(self, cut, values, noise, splits, seed):
        index = pd.bdate_range("2022-08-01", periods=10, name="session").as_unit("ns")
        given_bars = pd.DataFrame(np.column_stack([values, splits]), index=index, columns=list(base.RAW_COLUMNS))
        session = index[cut - 1].date()
        expected = adjusting.as_served_on(given_bars, session)

        scrambled = given_bars.copy()
        scrambled.iloc[cut:, :8] = noise[cut:]
        order = list(range(cut, 10))
        seed.shuffle(order)
        scrambled = scrambled.iloc[[*range(cut), *order]]
        pd.testing.assert_frame_equal(adjusting.as_served_on(scrambled, session), expected, check_exact=True)

        only_splits = scrambled[(scrambled.index <= index[cut - 1]) | (scrambled["stock_splits"] > 0)]
        pd.testing.assert_frame_equal(adjusting.as_served_on(only_splits, session), expected, check_exact=True)


class TestDividendFactors:
    def test_each_factor_is_the_product_of_the_later_steps(self):
        close = pd.Series([10.0, 8.0, 10.0, 9.0])
        dividend = pd.Series([0.0, 2.0, 0.0, 1.0])
        # Steps: 1 - 2/10 = 0.8 on the second row, 1 - 1/10 = 0.9 on the fourth.
        assert adjusting.dividend_factors(close, dividend).tolist() == pytest.approx([0.72, 0.9, 0.9, 1.0], rel=1e-15)

    def test_without_dividends_all_are_exactly_one(self):
        factors = adjusting.dividend_factors(pd.Series([10.0, 8.0]), pd.Series([0.0, 0.0]))
        assert factors.tolist() == [1.0, 1.0]

    def test_a_dividend_on_the_first_row_changes_nothing(self):
        assert adjusting.dividend_factors(pd.Series([10.0, 8.0]), pd.Series([3.0, 0.0])).tolist() == [1.0, 1.0]

    def test_empty(self):
        assert adjusting.dividend_factors(pd.Series(dtype="float64"), pd.Series(dtype="float64")).empty

    @pytest.mark.parametrize(
        ("close", "dividend"),
        [
            ([10.0, 9.0], [0.0, 10.0]),  # the whole price
            ([10.0, 9.0], [0.0, -1.0]),
            ([10.0, 9.0], [0.0, np.nan]),
            ([np.nan, 9.0], [0.0, 1.0]),  # no close to compare with
        ],
    )
    def test_impossible_dividends(self, close, dividend):
        with pytest.raises(BadPricesError, match="less than the close before it"):
            adjusting.dividend_factors(pd.Series(close), pd.Series(dividend))


def test_adjusted_prices():
    prices = pd.DataFrame(
        {"open": [9.0, 8.0], "high": [11.0, 9.0], "low": [8.0, 7.0], "close": [10.0, 8.5], "dividend": [0.0, 1.0]}
    )
    adjusted = adjusting.adjust(prices)
    assert list(adjusted.columns) == ["adjusted_open", "adjusted_high", "adjusted_low", "adjusted_close"]
    assert adjusted.iloc[0].tolist() == pytest.approx([8.1, 9.9, 7.2, 9.0], rel=1e-15)
    assert adjusted.iloc[1].tolist() == [8.0, 9.0, 7.0, 8.5]


def test_total_returns_and_returns_of_adjusted_closes_differ_on_ex_sessions():
    close, dividend = pd.Series([100.0, 100.0, 110.0]), pd.Series([0.0, 1.0, 0.0])
    earned = adjusting.total_returns(close, dividend)
    assert np.isnan(earned.iloc[0])
    assert earned.iloc[1:].tolist() == pytest.approx([0.01, 0.10], rel=1e-12)

    adjusted = close * adjusting.dividend_factors(close, dividend)
    assert (adjusted / adjusted.shift(1) - 1).iloc[1:].tolist() == pytest.approx([1 / 99, 0.10], rel=1e-12)


@given(
    hnp.arrays("float64", 30, elements=st.floats(1.0, 1000.0)),
    hnp.arrays("float64", 30, elements=st.floats(0.0, 0.9)),
    st.integers(1, 30),
)
def test_factors_seen_earlier_differ_by_one_constant(close, share_paid, cut):
    """Later dividends move all earlier adjusted closes alike, so no ratio between two of them changes."""
    close = pd.Series(close)
    dividend = (close.shift(1) * share_paid).fillna(0.0)
    seen_early = adjusting.dividend_factors(close[:cut], dividend[:cut])
    seen_late = adjusting.dividend_factors(close, dividend)[:cut]
    np.testing.assert_allclose(seen_late / seen_late.iloc[-1], seen_early, rtol=1e-9)
    assert seen_early.is_monotonic_increasing
    assert seen_early.iloc[-1] == 1.0
