"""Facts about what single forecasts cost, worked out by hand."""

import numpy as np
import pytest

from stock_assets.core import losses
from stock_assets_tests.core import forecast_frames as frames


def test_the_call_is_up_above_one_half_and_the_naive_one_the_more_frequent_direction() -> None:
    backtest = frames.backtest_frame(
        np.array([0.6, 0.5, 0.4]), np.array([0.01, 0.01, -0.01]), up_share=np.array([0.6, 0.4, 0.6])
    )
    wrong, majority_wrong = losses.direction_losses(backtest)
    assert wrong.tolist() == [0.0, 1.0, 0.0]
    assert majority_wrong.tolist() == [0.0, 1.0, 1.0]


def test_brier_is_the_squared_error_of_the_calibrated_probability() -> None:
    backtest = frames.backtest_frame(
        np.array([0.6, 0.3]), np.array([0.01, -0.01]), up_share=0.5, raw_probability_up=np.array([0.9, 0.1])
    )
    model, naive = losses.brier_losses(backtest)
    assert model.tolist() == pytest.approx([0.16, 0.09])
    assert naive.tolist() == [0.25, 0.25]


def test_a_price_that_did_not_move_did_not_rise() -> None:
    backtest = frames.backtest_frame(np.array([0.6]), np.array([0.0]))
    assert losses.direction_losses(backtest)[0].tolist() == [1.0]


def test_a_certain_forecast_that_fails_costs_much_but_not_infinitely_much() -> None:
    backtest = frames.backtest_frame(np.array([0.0]), np.array([0.01]))
    assert losses.log_losses(backtest)[0].tolist() == pytest.approx([6 * np.log(10)])


def test_returns_are_compared_with_zero_and_with_the_mean_so_far() -> None:
    backtest = frames.backtest_frame(
        np.full(2, 0.5), np.array([0.02, 0.01]), expected_return=np.array([0.01, 0.01]), mean_return=0.005
    )
    model, zero = losses.squared_errors(backtest, "zero")
    assert model.tolist() == pytest.approx([1e-4, 0])
    assert zero.tolist() == pytest.approx([4e-4, 1e-4])
    assert losses.squared_errors(backtest, "mean_return")[1].tolist() == pytest.approx([2.25e-4, 0.25e-4])


@pytest.mark.parametrize(("mean", "better"), [(0.005, "mean_return"), (-0.01, "zero"), (0.0, "zero")])
def test_the_better_naive_return_is_the_one_to_beat(mean: float, better: str) -> None:
    backtest = frames.backtest_frame(np.full(2, 0.5), np.array([0.02, 0.01]), mean_return=mean)
    model, naive, name = losses.return_losses(backtest)
    assert name == better
    assert (model.tolist(), naive.tolist()) == tuple(each.tolist() for each in losses.squared_errors(backtest, better))
