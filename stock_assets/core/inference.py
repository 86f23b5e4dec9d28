"""Statistics that tell skill from luck: tests on loss differences, bootstrap intervals, Sharpe ratios after selection,
conformal intervals. Arrays in, numbers out; nothing here knows what a backtest is (evaluation).
"""

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stock_assets.core import metrics

_NORMAL = statistics.NormalDist()
_Z_95 = 1.959963984540054
EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True)
class TestResult:
    """A test statistic and its one-sided p value; `statistic` is None where it is not defined (see the test)."""

    __test__ = False  # keeps pytest from collecting it

    statistic: float | None
    p_value: float


def diebold_mariano(loss: np.ndarray, naive_loss: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Does a forecast lose less than a naive one? One-sided Diebold-Mariano test with the small-sample correction.

    With d = naive_loss - loss, shape (n,), h = `horizon`: statistic = mean(d) / sqrt(V / n), where V is the long-run
    variance of d: the variance plus twice the first h - 1 autocovariances (under Bartlett weights, which cannot turn
    negative, if that sum does), times sqrt((n + 1 - 2h + h(h-1)/n) / n); compared with Student's t on n - 1 degrees
    of freedom. Positive: better than naive. A small p value speaks against "no better than naive".

    When the naive forecast is right, a fitted one loses a little more by its own noise, so the test then rejects *less*
    often than its level says (Clark & West 2007): it errs on the modest side. Not for comparing in-sample losses.

    Forecasts that never differ are no evidence: statistic None, p value 1. A constant difference has no spread to judge
    it by: statistic None, p value 0 or 1 by its sign.

    Raises:
        ValueError: Shapes differ, a loss is not finite, or n <= 2 * horizon.

    References:
        Diebold & Mariano (1995), JBES 13; Harvey, Leybourne & Newbold (1997), International Journal of Forecasting 13.
    """
    if len(naive_loss) != len(loss):
        raise ValueError(f"expected two series of one length, got lengths {len(loss)} and {len(naive_loss)}")
    return _mean_above_zero(np.asarray(naive_loss, dtype="float64") - np.asarray(loss, dtype="float64"), horizon)


def clark_west(forecast: np.ndarray, naive: np.ndarray, outcome: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Is there a signal in a forecast that a naive one lacks? One-sided Clark-West test of squared errors.

    With d = (y - naive)^2 - (y - forecast)^2 + (forecast - naive)^2 = 2 (forecast - naive) (y - naive): is the mean of
    d above zero, judged as in `diebold_mariano`? When the naive forecast is right, a fitted one is expected to lose
    more, by its own noise, which the last term gives back. Diebold-Mariano then claims skill far less often than its
    level says, and finds a real but weak signal as seldom. Here the level is met.

    It asks whether there is a signal, not whether the forecast makes the best of it: one that exaggerates a real signal
    passes, and may still lose more than the naive one. So it must be asked for its losses too (verdict).

    Shapes (n,). The forecasts may be probabilities, the outcome then is 0 or 1 and the loss the Brier score. Undefined
    cases and errors as in `diebold_mariano`.

    References: Clark & West (2007), Journal of Econometrics 138; with the correction of Harvey, Leybourne & Newbold.
    """
    forecast, naive, outcome = (np.asarray(values, dtype="float64") for values in (forecast, naive, outcome))
    if not len(forecast) == len(naive) == len(outcome):
        raise ValueError(
            f"expected three series of one length, got lengths {len(forecast)}, {len(naive)} and {len(outcome)}"
        )
    return _mean_above_zero(2 * (forecast - naive) * (outcome - naive), horizon)


def _mean_above_zero(difference: np.ndarray, horizon: int) -> TestResult:
    """The common part of `diebold_mariano` and `clark_west`: is the mean above zero, given the overlap?"""
    from scipy import special

    n = len(difference)
    if not np.isfinite(difference).all():
        raise ValueError(f"expected finite losses, got {int((~np.isfinite(difference)).sum())} that are not")
    if n <= 2 * horizon:
        raise ValueError(f"expected more than {2 * horizon} losses for a horizon of {horizon}, got {n}")
    mean = float(difference.mean())
    centred = difference - mean
    covariances = np.array([float((centred[lag:] * centred[: n - lag]).sum()) / n for lag in range(horizon)])
    # Rounding leaves a constant series with a variance of the order of the squared machine epsilon.
    if covariances[0] <= (1e-12 * float(np.abs(difference).max())) ** 2:
        return TestResult(None, 0.0 if mean > 0 else 1.0)
    variance = covariances[0] + 2 * covariances[1:].sum()
    if variance <= 0:
        variance = covariances[0] + 2 * ((1 - np.arange(1, horizon) / horizon) * covariances[1:]).sum()
    correction = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = mean / math.sqrt(variance / n) * correction
    return TestResult(statistic, float(special.stdtr(n - 1, -statistic)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted so that the chance of *any* false claim stays at the level, in the order given.

    The k-th smallest of m is multiplied by m - k + 1, kept non-decreasing and at most 1.

    Reference: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    m = len(p_values)
    adjusted = [0.0] * m
    floor = 0.0
    for rank, position in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, (m - rank) * p_values[position]))
        adjusted[position] = floor
    return adjusted


def wilson_interval(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval for a probability, of which `share` of `n` independent trials came true: lower and upper ends.

    Reference: Wilson (1927), JASA 22: 209-212.
    """
    middle = (share + _Z_95**2 / (2 * n)) / (1 + _Z_95**2 / n)
    half = _Z_95 * np.sqrt(share * (1 - share) / n + _Z_95**2 / (4 * n**2)) / (1 + _Z_95**2 / n)
    # At a share of 0 or 1 rounding would put the share a hair outside its own interval.
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def bootstrap_mean_interval(
    values: np.ndarray, *, level: float = 0.95, seed: int, block: int | None = None, resamples: int = 2000
) -> tuple[float, float]:
    """Interval for the mean of a series whose neighbours may be related: percentile, circular block bootstrap.

    Blocks of `block` neighbours (the ends joined) are drawn with replacement until n values are together, `resamples`
    times; the interval lies between the quantiles (1 - level) / 2 and (1 + level) / 2 of the means.

    Args:
        values: Series of shape (n,), finite, n >= 1.
        level: Nominal coverage.
        seed: Same seed, same interval.
        block: Length of a block; by default the cube root of n, rounded up.
        resamples: Number of bootstrap series.

    Reference: Politis & Romano (1992), A circular block-resampling procedure for stationary data.
    """
    values = np.asarray(values, dtype="float64")
    n = len(values)
    block = min(n, block or math.ceil(n ** (1 / 3)))
    n_blocks = math.ceil(n / block)
    last = n - (n_blocks - 1) * block
    # Sums of any stretch of neighbours as a difference of running sums: no resampled series needs to be built.
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    starts = np.random.default_rng(seed).integers(0, n, size=(resamples, n_blocks))
    lengths = np.full(n_blocks, block)
    lengths[-1] = last
    means = (running[starts + lengths] - running[starts]).sum(axis=1) / n
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def expected_maximum_sharpe(n_trials: int, variance_of_trials: float) -> float:
    """Sharpe ratio that the luckiest of `n_trials` worthless strategies is expected to show.

    sqrt(V) * ((1 - g) * z(1 - 1/N) + g * z(1 - 1/(N e))), V the variance of the Sharpe ratios tried (same periodicity
    as the result), g Euler's constant, z the normal quantile. One trial selects nothing: 0.

    Raises:
        ValueError: Fewer than one trial or a negative variance.

    Reference: Bailey & Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40.
    """
    if n_trials < 1 or variance_of_trials < 0:
        raise ValueError(f"expected at least 1 trial and a variance from 0, got {n_trials} and {variance_of_trials}")
    if n_trials == 1:
        return 0.0
    typical = _NORMAL.inv_cdf(1 - 1 / n_trials)
    extreme = _NORMAL.inv_cdf(1 - 1 / (n_trials * math.e))
    return math.sqrt(variance_of_trials) * ((1 - EULER_GAMMA) * typical + EULER_GAMMA * extreme)


def probabilistic_sharpe(sharpe: float, benchmark: float, n: int, skew: float, kurtosis: float) -> float | None:
    """Probability that the true Sharpe ratio is above `benchmark`, given the one measured on `n` returns.

    Phi((SR - SR*) * sqrt(n - 1) / sqrt(1 - skew * SR + (kurtosis - 1) / 4 * SR^2)); both ratios per period, not
    annualised; `kurtosis` is 3 for a normal distribution. None where the root is not of a positive number.

    Reference: Bailey & Lopez de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15.
    """
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if spread <= 0 or n < 2:
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(spread))


def deflated_sharpe(returns: np.ndarray, *, n_trials: int = 1, variance_of_trials: float = 0.0) -> float | None:
    """Probability that a strategy's Sharpe ratio is more than the luck of having tried `n_trials` strategies.

    `probabilistic_sharpe` of the simple returns per period, shape (n,), against `expected_maximum_sharpe`. Above 0.95
    is the usual bar. With one trial it is the probabilistic Sharpe ratio against zero. None when fewer than four
    returns are given or all are the same.

    Args:
        returns: Simple returns per period, finite.
        n_trials: Independent strategies tried before this one was picked, this one included.
        variance_of_trials: Variance of their Sharpe ratios per period.
    """
    returns = np.asarray(returns, dtype="float64")
    if len(returns) < 4 or np.ptp(returns) == 0:
        return None
    return probabilistic_sharpe(
        sharpe=metrics.sharpe_ratio(returns) / math.sqrt(metrics.SESSIONS_PER_YEAR),
        benchmark=expected_maximum_sharpe(n_trials, variance_of_trials),
        n=len(returns),
        skew=metrics.skewness(returns),
        kurtosis=metrics.excess_kurtosis(returns) + 3,
    )


def conformal_quantile(scores: Sequence[float], level: float) -> float | None:
    """Score that a new one stays at or below with probability `level`, if it is exchangeable with the n given.

    The k-th smallest, k = ceil((n + 1) * level); None when k > n, that is when there are too few scores.

    Reference: Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world.
    """
    return _sorted_quantile(sorted(scores), level)


def _sorted_quantile(ordered: Sequence[float], level: float) -> float | None:
    # The small subtraction keeps (99 + 1) * 0.55 = 55.00000000000001 from counting as 56.
    k = math.ceil((len(ordered) + 1) * level - 1e-9)
    return float(ordered[k - 1]) if k <= len(ordered) else None


def sequential_inside(scores: Sequence[float], *, level: float, horizon: int = 1, warm_up: int = 100) -> np.ndarray:
    """For each score, in order: 1 when it stayed within the conformal quantile of the scores known before, else 0.

    A score is known `horizon` steps after its forecast. NaN while fewer than `warm_up` are known.
    """
    ordered: list[float] = []
    inside = np.full(len(scores), np.nan)
    for position, score in enumerate(scores):
        if position >= horizon:
            bisect.insort(ordered, float(scores[position - horizon]))
        if len(ordered) >= warm_up and (quantile := _sorted_quantile(ordered, level)) is not None:
            inside[position] = score <= quantile
    return inside
