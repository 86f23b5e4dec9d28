"""The population stability index by hand, and what counts as a shift."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import stability

DECILES = np.arange(100.0)


def test_equal_shares_are_zero():
    assert stability.population_stability(DECILES, DECILES[::-1]) == 0.0


def test_of_two_values_by_hand():
    # Training 1/2 and 1/2, recent 3/4 and 1/4.
    expected = 0.25 * math.log(0.75 / 0.5) + -0.25 * math.log(0.25 / 0.5)
    found = stability.population_stability(np.array([0.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    assert found == pytest.approx(expected)


def test_an_empty_bin_counts_as_half_a_recent_value():
    # All of 20 values in the first of ten bins: 1 against 0.1 there, half a value (0.025) against 0.1 in nine others.
    expected = 0.9 * math.log(1 / 0.1) + 9 * (0.025 - 0.1) * math.log(0.025 / 0.1)
    assert stability.population_stability(DECILES, np.full(20, 3.0)) == pytest.approx(expected)


def test_values_beyond_all_of_training_are_in_its_last_bin():
    assert stability.population_stability(DECILES, np.full(20, 1e9)) == stability.population_stability(
        DECILES, np.full(20, 95.0)
    )


def test_a_flag_is_no_quantile():
    """One in twenty is set: deciles would put both values into one bin, and see nothing."""
    flags = np.array([0.0] * 95 + [1.0] * 5)
    expected = (0.5 - 0.95) * math.log(0.5 / 0.95) + (0.5 - 0.05) * math.log(0.5 / 0.05)
    assert stability.population_stability(flags, np.array([0.0, 1.0] * 10)) == pytest.approx(expected)


def test_what_never_occurred_in_training_is_a_bin_of_its_own():
    weekdays = np.arange(5.0).repeat(20)
    # 0.2 each of five, against all of ten values in a sixth: floors of half a value, 0.05.
    expected = 5 * (0.05 - 0.2) * math.log(0.05 / 0.2) + (1 - 0.05) * math.log(1 / 0.05)
    assert stability.population_stability(weekdays, np.full(10, 2.5)) == pytest.approx(expected)


def test_ties_at_the_deciles_count_once():
    # Eleven different values and more, half of them 252: six edges are left of nine.
    training = np.concatenate([np.arange(50.0), np.full(50, 252.0)])
    assert stability.population_stability(training, training) == 0.0
    assert stability.population_stability(training, np.full(20, 252.0)) > stability.SHIFTED


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=80),
    st.lists(st.integers(-9, 9), min_size=1, max_size=40),
    st.floats(0.001, 1000),
)
def test_never_negative_and_free_of_scale_and_order(training, recent, scale):
    one, other = np.array(training, dtype="float64"), np.array(recent, dtype="float64")
    found = stability.population_stability(one, other)
    assert found >= 0
    assert np.isfinite(found)
    assert stability.population_stability(one[::-1], np.sort(other)) == found
    if len(np.unique(one)) <= stability.BINS:
        assert stability.population_stability(one * scale, other * scale) == pytest.approx(found)


class TestStretches:
    """Seventeen stretches of ten values, and what the last one says."""

    STRETCH = 10

    def values(self, last: float) -> np.ndarray:
        quarters = [np.arange(10.0) + 10 * (n % 10) for n in range(16)]
        return np.concatenate([*quarters, np.full(10, last)])

    def found(self, values: np.ndarray) -> stability.Stability:
        return stability.stability(DECILES, values, stretch=self.STRETCH)

    def test_the_last_one_is_compared_as_by_itself(self):
        values = self.values(55.0)
        assert self.found(values).psi == pytest.approx(stability.population_stability(DECILES, values[-10:]))

    def test_the_highest_before_is_that_of_the_others(self):
        values = self.values(55.0)
        alone = [stability.population_stability(DECILES, values[at : at + 10]) for at in range(0, 160, 10)]
        assert self.found(values).highest_before == pytest.approx(max(alone))

    def test_a_slow_value_is_far_from_training_in_every_quarter(self):
        """Each quarter lies in one bin: the index is high, and it always was."""
        found = self.found(self.values(55.0))
        assert found.psi > stability.SHIFTED
        assert not found.shifted

    def test_a_quarter_unlike_all_others_has_shifted(self):
        mixed = np.concatenate([DECILES.reshape(10, 10).T.ravel(), DECILES.reshape(10, 10).T.ravel()[:60]])
        assert not self.found(np.concatenate([mixed, DECILES[::10]])).shifted
        assert self.found(np.concatenate([mixed, np.full(10, 3.0)])).shifted

    def test_a_rest_at_the_start_is_left_out(self):
        values = self.values(55.0)
        assert self.found(np.concatenate([np.full(9, 1e6), values])) == self.found(values)

    def test_too_few_to_say_what_is_usual(self):
        with pytest.raises(ValueError, match=r"160 values are 16 stretches of 10; expected at least 17"):
            self.found(self.values(55.0)[10:])
