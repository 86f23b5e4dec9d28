"""Facts about the correction of probabilities: what it learns from a signal, from none, and from too little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from stock_assets.core import calibration

BASE = 0.52


def forecasts(n: int, slope: float, seed: int = 1, spread: float = 0.08) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw probabilities around the base rate, and outcomes whose log-odds lie `slope` times as far from it."""
    rng = np.random.default_rng(seed)
    distance = spread * rng.standard_normal(n)
    up = rng.random(n) < special.expit(special.logit(BASE) + slope * distance)
    return special.expit(special.logit(BASE) + distance), np.full(n, BASE), up


def test_a_signal_that_is_understated_is_stretched() -> None:
    # A forecast tells 0.25 * 0.08^2, so the prior's 1 / 0.5^2 weighs as much as 2,500: 50,000 at a slope of 2 and 2,500
    # at 0.5 make 1.93, with a standard error of 0.11.
    slope = calibration.fit(*forecasts(50_000, 2.0), method="platt").slope
    assert slope == pytest.approx((50_000 * 2 + 2_500 * 0.5) / 52_500, abs=3 * 0.11)


def test_forecasts_without_a_signal_are_pulled_to_the_base_rate() -> None:
    # On 5,000 forecasts: 2,500 * 0.5 / 7,500 = 0.17 is what the prior leaves, with a standard error of 0.24.
    slopes = [calibration.fit(*forecasts(5_000, 0.0, seed), method="platt").slope for seed in range(40)]
    assert np.mean([slope or 0.0 for slope in slopes]) < 0.3


def test_a_signal_turned_round_gives_the_base_rate_and_no_bet_against_the_model() -> None:
    raw, base_rate, up = forecasts(20_000, -2.0)
    learnt = calibration.fit(raw, base_rate, up, method="platt")
    assert learnt.slope == 0.0
    assert calibration.apply(learnt.slope, raw, base_rate) == pytest.approx(base_rate, abs=1e-15)


def test_the_slope_is_the_most_probable_one() -> None:
    raw, base_rate, up = forecasts(800, 1.5, spread=0.5)
    distance = special.logit(raw) - special.logit(base_rate)

    def against(slope: float) -> float:
        probability = special.expit(special.logit(base_rate) + slope * distance)
        surprise = -np.log(np.where(up, probability, 1 - probability)).sum()
        return surprise + (slope - 0.5) ** 2 / (2 * 0.5**2)

    found = optimize.minimize_scalar(against, bounds=(0, 5), method="bounded", options={"xatol": 1e-8})
    assert calibration.fit(raw, base_rate, up, method="platt").slope == pytest.approx(found.x, abs=1e-5)


def test_outcomes_that_overlap_count_for_less() -> None:
    raw, base_rate, up = forecasts(400, 3.0, spread=0.5)
    five_times = [np.tile(values, 5) for values in (raw, base_rate, up)]
    once = calibration.fit(raw, base_rate, up, method="platt").slope
    assert calibration.fit(*five_times, method="platt", horizon=5).slope == pytest.approx(once, abs=1e-9)
    assert calibration.fit(*five_times, method="platt").slope > once + 0.1


@pytest.mark.parametrize(("n", "learnt"), [(251, False), (252, True)])
def test_a_year_of_outcomes_is_waited_for(n: int, learnt: bool) -> None:
    found = calibration.fit(*forecasts(n, 1.0), method="platt")
    assert (found.slope is not None) is learnt
    assert found.n == n


def test_without_a_correction_probabilities_stay_to_the_last_bit() -> None:
    raw, base_rate, up = forecasts(1_000, 1.0)
    learnt = calibration.fit(raw, base_rate, up, method="none")
    assert learnt.as_dict() == {"method": "none", "slope": None, "n": 1_000}
    assert calibration.apply(learnt.slope, raw, base_rate).tolist() == raw.tolist()


def test_forecasts_that_never_leave_the_base_rate_teach_nothing() -> None:
    base_rate = np.full(300, BASE)
    learnt = calibration.fit(base_rate, base_rate, np.arange(300) % 2 == 0, method="platt")
    assert learnt.slope == pytest.approx(0.5)
    assert calibration.apply(learnt.slope, base_rate, base_rate) == pytest.approx(base_rate)


def test_half_a_slope_halves_the_log_odds() -> None:
    # From even odds to 4 : 1 and back to 2 : 1.
    assert calibration.apply(0.5, np.array([0.8]), 0.5).tolist() == pytest.approx([2 / 3])


@given(raw=st.lists(st.floats(0, 1), min_size=2, max_size=20), slope=st.floats(0, 5), base=st.floats(0, 1))
def test_probabilities_keep_their_order_and_their_range(raw: list[float], slope: float, base: float) -> None:
    calibrated = calibration.apply(slope, np.sort(raw), base)
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    assert (np.diff(calibrated) >= -1e-12).all()


def test_classifiers_that_are_certain_do_no_harm() -> None:
    up = np.arange(1_000) % 2 == 0
    learnt = calibration.fit(np.where(np.arange(1_000) < 500, 0.0, 1.0), np.full(1_000, 0.5), up, method="platt")
    assert learnt.slope is not None
    # They were right half of the time.
    assert calibration.apply(learnt.slope, np.array([0.0, 1.0]), 0.5) == pytest.approx([0.5, 0.5], abs=0.05)
