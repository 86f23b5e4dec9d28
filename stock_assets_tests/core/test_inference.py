"""Facts about the tests and intervals, worked out by hand, against brute force, or against published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stock_assets.core import inference

# --- Diebold-Mariano ---


def test_diebold_mariano_by_hand() -> None:
    # d = 1, 0, 1, 2: mean 1, variance (0 + 1 + 0 + 1) / 4 = 1/2, so 1 / sqrt(1/8) = 2 sqrt 2,
    # times sqrt((4 + 1 - 2) / 4) for the small sample: sqrt 6. Student's t on 3 degrees of freedom.
    result = inference.diebold_mariano(np.zeros(4), np.array([1.0, 0.0, 1.0, 2.0]))
    assert result.statistic == pytest.approx(math.sqrt(6))
    assert result.p_value == pytest.approx(0.0459, abs=5e-5)


def test_a_horizon_of_two_counts_the_first_autocovariance_twice() -> None:
    # d = 1, 0, 1, 2, 1: centred 0, -1, 0, 1, 0; variance 2/5, first autocovariance 0; correction (6 - 4 + 2/5) / 5.
    difference = np.array([1.0, 0.0, 1.0, 2.0, 1.0])
    result = inference.diebold_mariano(np.zeros(5), difference, horizon=2)
    assert result.statistic == pytest.approx(1 / math.sqrt(0.4 / 5) * math.sqrt(2.4 / 5))
    # d = 0, 0, 2, 2, 1: centred -1, -1, 1, 1, 0; variance 4/5, first autocovariance (1 - 1 + 1 + 0) / 5.
    difference = np.array([0.0, 0.0, 2.0, 2.0, 1.0])
    result = inference.diebold_mariano(np.zeros(5), difference, horizon=2)
    assert result.statistic == pytest.approx(1 / math.sqrt((0.8 + 2 * 0.2) / 5) * math.sqrt(2.4 / 5))


def test_a_negative_variance_falls_back_to_bartlett_weights() -> None:
    # d alternates: centred +-1, variance 1, first autocovariance -5/6; 1 - 2 * 5/6 < 0, but 1 - 5/6 = 1/6.
    difference = np.array([3.0, 1.0, 3.0, 1.0, 3.0, 1.0])
    result = inference.diebold_mariano(np.zeros(6), difference, horizon=2)
    assert result.statistic == pytest.approx(2 / math.sqrt(1 / 6 / 6) * math.sqrt((7 - 4 + 2 / 6) / 6))


def test_swapping_the_forecasts_turns_the_sign() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(50), rng.random(50)
    there, back = inference.diebold_mariano(a, b), inference.diebold_mariano(b, a)
    assert there.statistic is not None
    assert back.statistic is not None
    assert there.statistic == pytest.approx(-back.statistic)
    assert there.p_value + back.p_value == pytest.approx(1)


@pytest.mark.parametrize(("naive", "p_value"), [(0.3, 1.0), (0.4, 0.0), (0.2, 1.0)])
def test_differences_without_spread_have_no_statistic(naive: float, p_value: float) -> None:
    assert inference.diebold_mariano(np.full(20, 0.3), np.full(20, naive)) == inference.TestResult(None, p_value)


@pytest.mark.parametrize(
    ("loss", "naive"), [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 5, [1.0] * 4), ([1.0, 2.0, math.nan], [1.0] * 3)]
)
def test_series_it_can_not_judge_are_refused(loss: list[float], naive: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        inference.diebold_mariano(np.array(loss), np.array(naive))


@pytest.mark.parametrize("horizon", [1, 5])
def test_equally_good_forecasts_are_told_apart_one_time_in_twenty(horizon: int) -> None:
    rng = np.random.default_rng(2)
    # Moving sums of independent numbers: what errors of overlapping forecasts look like.
    noise = rng.standard_normal((1000, 600))
    overlapping = np.lib.stride_tricks.sliding_window_view(noise, horizon, axis=1).sum(axis=2)
    rejected = [inference.diebold_mariano(np.zeros(len(d)), d, horizon=horizon).p_value <= 0.05 for d in overlapping]
    assert 0.03 <= np.mean(rejected) <= 0.07


def test_over_one_session_it_is_the_t_test_of_the_differences() -> None:
    loss, naive = np.random.default_rng(7).random((2, 80))
    came = inference.diebold_mariano(loss, naive)
    expected = stats.ttest_1samp(naive - loss, 0.0, alternative="greater")
    assert came.statistic == pytest.approx(expected.statistic)
    assert came.p_value == pytest.approx(expected.pvalue)


def test_power_is_that_of_the_noncentral_distribution() -> None:
    # Differences of mean 0.1 and deviation 1: at 400 of them, Student's t moved by 2 = 0.1 * sqrt(400).
    rng = np.random.default_rng(8)
    differences = 0.1 + rng.standard_normal((1000, 400))
    found = np.mean([inference.diebold_mariano(np.zeros(400), d).p_value <= 0.05 for d in differences])
    expected = stats.nct.sf(stats.t.ppf(0.95, 399), 399, 2.0)
    assert found == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / 1000))


# --- Clark-West ---


def test_clark_west_adds_the_noise_of_the_forecast_back() -> None:
    rng = np.random.default_rng(9)
    outcome, forecast, naive = rng.standard_normal((3, 60))
    adjusted = (outcome - forecast) ** 2 - (forecast - naive) ** 2
    came = inference.clark_west(forecast, naive, outcome, horizon=2)
    expected = inference.diebold_mariano(adjusted, (outcome - naive) ** 2, horizon=2)
    assert came.statistic == pytest.approx(expected.statistic)
    assert came.p_value == pytest.approx(expected.p_value)


def test_clark_west_by_hand() -> None:
    # 2 * (0.1, -0.1, 0.1, 0.2) * (0.5, 0.5, 0.5, -0.5) = 0.1, -0.1, 0.1, -0.2.
    came = inference.clark_west(np.array([0.6, 0.4, 0.6, 0.7]), np.full(4, 0.5), np.array([1.0, 1.0, 1.0, 0.0]))
    expected = stats.ttest_1samp([0.1, -0.1, 0.1, -0.2], 0.0)
    assert came.statistic == pytest.approx(expected.statistic)


def test_fitted_noise_keeps_the_level_where_lower_losses_hardly_ever_claim() -> None:
    # Slopes on five worthless inputs, fitted on 100 outcomes, beside the zero that is right.
    rng = np.random.default_rng(10)
    n = 1000
    came = {"clark_west": 0, "diebold_mariano": 0}
    for _ in range(n):
        inputs, outcome = rng.standard_normal((300, 5)), rng.standard_normal(300)
        slopes = np.linalg.lstsq(inputs[:100], outcome[:100])[0]
        said, happened = inputs[100:] @ slopes, outcome[100:]
        came["clark_west"] += inference.clark_west(said, np.zeros(200), happened).p_value <= 0.05
        came["diebold_mariano"] += inference.diebold_mariano((happened - said) ** 2, happened**2).p_value <= 0.05
    assert stats.binom.ppf(0.005, n, 0.05) <= came["clark_west"] <= stats.binom.ppf(0.995, n, 0.05)
    assert came["diebold_mariano"] <= 0.02 * n


def test_series_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths 5, 5 and 4"):
        inference.clark_west(np.zeros(5), np.ones(5), np.zeros(4))


# --- Holm ---


def test_holm_by_hand() -> None:
    # 0.01 * 3, then 0.03 * 2, and 0.04 * 1 may not fall below the one before it.
    assert inference.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert inference.holm([0.7, 0.6]) == [1.0, 1.0]


# --- Bootstrap ---


@given(
    values=st.lists(st.floats(-10, 10), min_size=1, max_size=30), block=st.integers(1, 40), seed=st.integers(0, 1000)
)
@settings(max_examples=50, deadline=None)
def test_the_bootstrap_equals_the_one_that_builds_every_series(values: list[float], block: int, seed: int) -> None:
    n = len(values)
    block = min(block, n)
    n_blocks = math.ceil(n / block)
    starts = np.random.default_rng(seed).integers(0, n, size=(200, n_blocks))
    rows = [[values[(start + i) % n] for start in row for i in range(block)][:n] for row in starts]
    expected = np.quantile(np.mean(rows, axis=1), [0.05, 0.95])
    came = inference.bootstrap_mean_interval(np.array(values), level=0.9, seed=seed, block=block, resamples=200)
    assert came == pytest.approx(tuple(expected), abs=1e-9)


def test_the_interval_of_independent_hits_has_the_width_of_the_binomial() -> None:
    hits = (np.random.default_rng(3).random(2520) < 0.52).astype(float)
    low, high = inference.bootstrap_mean_interval(hits, level=0.95, seed=1)
    assert low < hits.mean() < high
    # 1.96 * sqrt(0.25 / 2520) = 2.0 points
    assert (high - low) / 2 == pytest.approx(0.0195, rel=0.12)


def test_the_interval_of_related_hits_covers_the_truth() -> None:
    # A session was right when the mean of five random numbers was above zero: neighbours are alike, the truth is 1/2.
    noise = np.random.default_rng(11).standard_normal((300, 1004))
    hits = np.lib.stride_tricks.sliding_window_view(noise, 5, axis=1).sum(axis=2) > 0

    def coverage(block: int) -> float:
        intervals = [
            inference.bootstrap_mean_interval(row.astype(float), level=0.95, seed=1, block=block, resamples=400)
            for row in hits
        ]
        return float(np.mean([low <= 0.5 <= high for low, high in intervals]))

    # Blocks as long as the relation or longer give nearly what is promised, single sessions far too little.
    assert 0.90 <= coverage(20) <= 0.97
    assert coverage(1) < 0.8


# --- Sharpe ratios after selection ---


def test_deflated_sharpe_of_the_published_example() -> None:
    # Bailey & Lopez de Prado (2014): 100 trials, variance 1/2 of the annualised ratios, 250 sessions a year, 1250
    # returns with an annualised Sharpe ratio of 2.5, skewness -3, kurtosis 10.
    benchmark = inference.expected_maximum_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    deflated = inference.probabilistic_sharpe(2.5 / math.sqrt(250), benchmark, 1250, skew=-3, kurtosis=10)
    assert deflated == pytest.approx(0.9004, abs=5e-5)


def test_one_trial_selects_nothing() -> None:
    assert inference.expected_maximum_sharpe(1, 0.5) == 0.0


def test_deflated_sharpe_takes_the_moments_from_the_returns() -> None:
    # 1, 1, 1, -1 percent: mean 0.5, sample deviation 1, population variance 3/4;
    # third central moment (3 * 0.125 - 3.375) / 4 = -0.75, fourth (3 * 0.0625 + 5.0625) / 4 = 1.3125.
    skew, kurtosis = -0.75 / 0.75**1.5, 1.3125 / 0.75**2
    z = 0.5 * math.sqrt(3) / math.sqrt(1 - skew * 0.5 + (kurtosis - 1) / 4 * 0.25)
    expected = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    assert inference.deflated_sharpe(np.array([0.01, 0.01, 0.01, -0.01])) == pytest.approx(expected)


def test_more_trials_deflate_more() -> None:
    returns = np.random.default_rng(4).normal(0.001, 0.01, 500)
    values = [inference.deflated_sharpe(returns, n_trials=n, variance_of_trials=0.001) for n in (1, 10, 100)]
    assert all(value is not None for value in values)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("returns", [[], [0.01, 0.02, 0.03], [0.01] * 10])
def test_returns_without_spread_have_no_deflated_sharpe(returns: list[float]) -> None:
    assert inference.deflated_sharpe(np.array(returns)) is None


@pytest.mark.parametrize(("n_trials", "variance"), [(0, 0.1), (2, -0.1)])
def test_impossible_trials_are_refused(n_trials: int, variance: float) -> None:
    with pytest.raises(ValueError, match="expected at least 1 trial"):
        inference.expected_maximum_sharpe(n_trials, variance)


def test_impossible_moments_have_no_probability() -> None:
    assert inference.probabilistic_sharpe(1.0, 0.0, 100, skew=3.0, kurtosis=1.0) is None


# --- Conformal intervals ---


def test_nine_scores_give_the_largest_as_the_quantile_at_ninety_percent() -> None:
    # ceil((9 + 1) * 0.9) = 9
    assert inference.conformal_quantile([3, 1, 2, 9, 8, 7, 4, 6, 5], 0.9) == 9.0


def test_eight_scores_are_too_few_for_ninety_percent() -> None:
    assert inference.conformal_quantile(list(range(8)), 0.9) is None


def test_a_rounding_error_does_not_count_as_one_more_score() -> None:
    # (99 + 1) * 0.55 is 55.00000000000001 on a computer.
    assert inference.conformal_quantile(list(range(1, 100)), 0.55) == 55.0


def test_nineteen_scores_give_the_eighteenth() -> None:
    assert inference.conformal_quantile(list(range(1, 20)), 0.9) == 18.0


@given(
    scores=st.lists(st.floats(0, 5), max_size=60),
    level=st.sampled_from([0.5, 0.8, 0.9]),
    horizon=st.integers(1, 4),
    warm_up=st.integers(1, 20),
)
@settings(deadline=None)
def test_coverage_is_judged_only_by_scores_known_before(
    scores: list[float], level: float, horizon: int, warm_up: int
) -> None:
    inside = []
    for position, score in enumerate(scores):
        known = scores[: max(position - horizon + 1, 0)]
        quantile = inference.conformal_quantile(known, level)
        inside.append(score <= quantile if len(known) >= warm_up and quantile is not None else np.nan)
    came = inference.sequential_inside(scores, level=level, horizon=horizon, warm_up=warm_up)
    np.testing.assert_array_equal(came, np.array(inside, dtype=float))


def test_coverage_of_exchangeable_scores_is_nominal() -> None:
    scores = np.random.default_rng(5).exponential(size=3000).tolist()
    inside = inference.sequential_inside(scores, level=0.9)
    assert np.isnan(inside[:100]).all()
    # Five standard errors of 2,900 independent ones: 2.8 points.
    assert np.mean(inside[100:]) == pytest.approx(0.9, abs=0.028)
