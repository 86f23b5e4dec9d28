"""Windows that hold nothing but their own rows, and recursive means."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import windows

NAN = math.nan


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype="float64")


class TestWindows:
    def test_mean_waits_for_a_full_window(self):
        np.testing.assert_array_equal(windows.rolling_mean(values(1, 2, 6, 4), 3), [NAN, NAN, 3, 4])

    def test_mean_is_missing_while_a_missing_value_is_in_the_window(self):
        np.testing.assert_array_equal(windows.rolling_mean(values(NAN, 2, 6, 4), 2), [NAN, NAN, 4, 5])

    def test_window_longer_than_the_series_gives_nothing_but_missing(self):
        assert np.isnan(windows.rolling_max(values(1, 2), 3)).all()
        [[mean, second]] = windows.rolling_moments(values(1, 2), [3])
        assert np.isnan([mean, second]).all()

    def test_several_windows_come_in_the_order_asked_for(self):
        two, three, one = windows.rolling_means(values(1, 2, 6, 4), [2, 3, 1])
        np.testing.assert_array_equal(two, [NAN, 1.5, 4, 5])
        np.testing.assert_array_equal(three, [NAN, NAN, 3, 4])
        np.testing.assert_array_equal(one, [1, 2, 6, 4])

    def test_moments_by_hand(self):
        # 0, 0, 0, 4: mean 1, deviations -1, -1, -1, 3: 12 / 4, 24 / 4, 84 / 4
        [[mean, second, third, fourth]] = windows.rolling_moments(values(0, 0, 0, 4), [4], order=4)
        assert [mean[-1], second[-1], third[-1], fourth[-1]] == [1, 3, 6, 21]

    def test_max_forgets_what_left_the_window(self):
        np.testing.assert_array_equal(windows.rolling_max(values(9, 1, 2, 1), 2), [NAN, 9, 2, 2])

    def test_deviation_divides_by_one_less(self):
        # mean 3, deviations -2, -1, 3: (4 + 1 + 9) / 2
        [[_, second]] = windows.rolling_moments(values(1, 2, 6), [3])
        assert windows.sample_deviation(second, 3)[-1] == pytest.approx(math.sqrt(7))

    @pytest.mark.parametrize("window", [2, 5, 20, 21, 63])
    def test_moments_of_equal_numbers_are_exactly_zero(self, window):
        [[mean, *central]] = windows.rolling_moments(np.full(70, 0.1), [window], order=4)
        assert mean[-1] == 0.1
        assert [moment[-1] for moment in central] == [0, 0, 0]

    def test_an_outlier_that_left_the_window_leaves_no_trace(self):
        quiet = np.random.default_rng(0).normal(0, 0.02, 100)
        shocked = np.concatenate([[1e6], quiet])
        for found, expected in zip(moments(shocked), moments(quiet), strict=True):
            np.testing.assert_array_equal(found[21:], expected[20:])

    def test_exponential_mean_begins_with_the_plain_mean(self):
        # span 3, weight 1/2: mean of 1, 2, 3 is 2; (2 + 5) / 2; (3.5 + 9) / 2
        np.testing.assert_array_equal(windows.exponential_mean(values(1, 2, 3, 5, 9), 3), [NAN, NAN, 2, 3.5, 6.25])

    def test_wilder_mean_weighs_one_over_window(self):
        # window 2: 1.5; (1.5 + 3) / 2; (2.25 + 4) / 2
        np.testing.assert_array_equal(windows.wilder_mean(values(1, 2, 3, 4), 2), [NAN, 1.5, 2.25, 3.125])

    def test_recursive_means_start_after_leading_missing_values(self):
        np.testing.assert_array_equal(windows.wilder_mean(values(NAN, 1, 2, 3), 2), [NAN, NAN, 1.5, 2.25])

    def test_recursive_means_start_in_each_column_where_its_own_values_do(self):
        found = windows.wilder_mean(np.array([[NAN, 1, 2, 3], [NAN, NAN, 4, 6]]), 2)
        np.testing.assert_array_equal(found, [[NAN, NAN, 1.5, 2.25], [NAN, NAN, NAN, 5]])

    def test_recursive_means_of_a_long_past_forget_it(self):
        random = np.random.default_rng(3).normal(100, 1, 3_000)
        shocked = np.concatenate([[1e3], random])
        assert windows.wilder_mean(shocked, 14)[-1] == pytest.approx(windows.wilder_mean(random, 14)[-1], rel=1e-15)


def test_sessions_since_counts_up_to_its_cap_which_also_means_never():
    flags = np.array([False, True, False, False, False, True])
    np.testing.assert_array_equal(windows.rows_since(flags, 2), [2, 0, 1, 2, 2, 0])


def moments(series: np.ndarray) -> list[np.ndarray]:
    [found] = windows.rolling_moments(series, [21], order=4)
    return found


SERIES = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 6)), min_size=1, max_size=90).map(np.array)
KERNELS = {
    "means": lambda series: windows.rolling_means(series, [3, 5, 10, 21, 63]),
    "max": lambda series: [windows.rolling_max(series, 13)],
    "moments": lambda series: [part for found in windows.rolling_moments(series, [5, 21, 63], 4) for part in found],
    "exponential": lambda series: [windows.exponential_mean(series, 12)],
    "wilder": lambda series: [windows.wilder_mean(series, 14)],
    "lagged": lambda series: [windows.lagged(series, 4)],
}


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
class TestBits:
    @settings(max_examples=40, deadline=None)
    @given(series=SERIES, later=SERIES)
    def test_later_rows_change_no_bit(self, kernel, series, later):
        for found, expected in zip(kernel(np.concatenate([series, later])), kernel(series), strict=True):
            np.testing.assert_array_equal(found[: len(series)].view("int64"), expected.view("int64"))

    @settings(max_examples=20, deadline=None)
    @given(series=SERIES)
    def test_columns_side_by_side_have_the_bits_of_each_alone(self, kernel, series):
        for found, expected in zip(kernel(np.array([series, series[::-1]])), kernel(series), strict=True):
            np.testing.assert_array_equal(found[0].view("int64"), expected.view("int64"))


@pytest.mark.parametrize("name", ["means", "max", "moments"])
@settings(max_examples=40, deadline=None)
@given(earlier=SERIES, series=SERIES)
def test_rows_that_left_the_window_change_no_bit(name, earlier, series):
    for found, expected in zip(KERNELS[name](np.concatenate([earlier, series])), KERNELS[name](series), strict=True):
        complete = ~np.isnan(expected)
        np.testing.assert_array_equal(found[len(earlier) :][complete], expected[complete])


@settings(max_examples=40, deadline=None)
@given(series=SERIES, window=st.integers(1, 70), order=st.integers(2, 4))
def test_moments_are_those_of_exact_arithmetic(series, window, order):
    [found] = windows.rolling_moments(series, [window], order)
    for row in range(window - 1, len(series)):
        exact = [Fraction(value) for value in series[row - window + 1 : row + 1]]
        mean = sum(exact) / window
        scale = float(max(abs(value - mean) for value in exact))
        assert found[0][row] == pytest.approx(float(mean), rel=1e-12, abs=1e-12)
        for k in range(2, order + 1):
            moment = float(sum((value - mean) ** k for value in exact) / window)
            rounding = 1e-12 * scale**k + 1e-13 * max(abs(series)) * scale ** (k - 1)
            assert found[k - 1][row] == pytest.approx(moment, abs=rounding)
