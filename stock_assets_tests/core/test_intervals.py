"""Facts about intervals: what a score is, and that they hold in calm and in stormy times."""

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import intervals
from stock_assets_tests.core import forecast_frames as frames


def test_scores_are_misses_in_widths() -> None:
    # Misses of 1 and 2 percent; volatilities of 1 and 4 percent, their median 2.5.
    backtest = frames.backtest_frame(
        np.full(2, 0.5), np.array([0.02, -0.01]), expected_return=0.01, volatility=np.array([0.01, 0.04])
    )
    assert intervals.scores(backtest).tolist() == pytest.approx([0.01 / 0.025**0.5 / 0.1, 0.02 / 0.025**0.5 / 0.2])


def test_at_usual_volatility_a_width_is_that_volatility() -> None:
    assert intervals.width(0.02, 0.02) == pytest.approx(0.02)
    assert intervals.width(0.08, 0.02) == pytest.approx(0.04)


def test_the_unit_of_volatility_does_not_matter_for_coverage() -> None:
    backtest = stormy_and_calm(1, n=500)
    doubled = backtest.assign(volatility=backtest["volatility"] * 2)
    before, after = intervals.summary(backtest, 1, 0.9), intervals.summary(doubled, 1, 0.9)
    assert after["coverage"] == before["coverage"]
    assert after["scaled_quantile"] == pytest.approx(before["scaled_quantile"] / 2)


def stormy_and_calm(seed: int, n: int = 2500) -> pd.DataFrame:
    """Returns of a GARCH(1,1) with fat tails, and the volatility of the 21 returns before each."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(5, n + 21) / (5 / 3) ** 0.5
    returns, variance = np.empty(n + 21), 1.0
    for position, shock in enumerate(shocks.tolist()):
        returns[position] = 0.02 * variance**0.5 * shock
        variance = 0.03 + 0.9 * variance + 0.07 * variance * shock**2
    known = np.lib.stride_tricks.sliding_window_view(returns[:-1], 21).std(axis=1, ddof=1)
    return frames.backtest_frame(np.full(n, 0.5), returns[21:], volatility=known)


def test_intervals_hold_in_calm_and_in_stormy_times() -> None:
    held = {"calm": [], "usual": [], "stormy": []}
    proportional = []
    for seed in range(8):
        backtest = stormy_and_calm(seed)
        inside = intervals.inside(backtest, 1, 0.9)
        third = np.digitize(backtest["volatility"], np.quantile(backtest["volatility"], [1 / 3, 2 / 3]))
        for place, name in enumerate(held):
            held[name].append(np.nanmean(inside[third == place]))
        scores = np.abs(backtest["realised_return"] / backtest["volatility"]).to_numpy()
        proportional.append((scores <= np.quantile(scores, 0.9))[third == 0].mean())
    # 6,400 forecasts in each: a standard error of 0.4 points if they were independent.
    assert {name: np.mean(shares) for name, shares in held.items()} == pytest.approx(
        {"calm": 0.9, "usual": 0.9, "stormy": 0.9}, abs=0.02
    )
    # In proportion to volatility they would fail after calm weeks.
    assert np.mean(proportional) < 0.87


@pytest.mark.parametrize("horizon", [5, 20])
def test_intervals_over_longer_horizons_hold(horizon: int) -> None:
    one = stormy_and_calm(3)["realised_return"].to_numpy()
    realised = np.convolve(one, np.ones(horizon), mode="valid")
    backtest = stormy_and_calm(3).iloc[: len(realised)].assign(realised_return=realised)
    found = intervals.summary(backtest, horizon, 0.9)
    assert found["n"] == len(realised) - 100 - horizon + 1
    # Fewer independent ones the longer the horizon: 2,400 / 20 = 120 are known to 2.7 points.
    assert found["coverage"] == pytest.approx(0.9, abs=0.03 if horizon == 5 else 0.06)
