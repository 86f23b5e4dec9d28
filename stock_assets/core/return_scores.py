"""How good the forecasts of the return and of the close were, beside no change and the mean so far.

Lives here: errors on closes and on returns. Not here: the losses row by row (losses), the statistics (inference),
whether any of it is believable (verdict).
"""

from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import inference, losses


def scores(backtest: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """`point_scores`, and a one-sided Diebold-Mariano test of squared return errors against each naive return.

    `dm_statistic` and `dm_p_value` are those against the one that did better on these rows, `dm_against`.
    """
    tests = {
        name: inference.diebold_mariano(*losses.squared_errors(backtest, name), horizon=horizon)
        for name in losses.NAIVE_RETURNS
    }
    harder = losses.return_losses(backtest)[2]
    return point_scores(backtest) | {
        "dm_statistic": tests[harder].statistic,
        "dm_p_value": tests[harder].p_value,
        "dm_against": harder,
        "diebold_mariano": {
            name: {"statistic": test.statistic, "p_value": test.p_value} for name, test in tests.items()
        },
    }


def point_scores(backtest: pd.DataFrame) -> dict[str, float | None]:
    """Errors of model and naive on the same rows; None: an R2 without anything to explain.

    `rmse`, `mae` (currency) and `mape` (fraction) are those of the predicted close, close * (1 + expected_return),
    beside the last close; those on returns end in `_return`, beside zero (`_return_zero`) and the mean so far
    (`_return_mean`). `r2_oos` = 1 - SSE / SSE of the mean, `r2_oos_zero` the same against zero, on returns (Campbell &
    Thompson 2008, Review of Financial Studies 21).
    """
    close, realised_close = backtest["close"].to_numpy(), backtest["realised_close"].to_numpy()
    expected, realised = backtest["expected_return"].to_numpy(), backtest["realised_return"].to_numpy()
    error, naive_error = close * (1 + expected) - realised_close, close - realised_close
    missed, missed_by_mean = realised - expected, realised - backtest["mean_return"].to_numpy()
    return {
        "rmse": _rms(error),
        "mae": _mean_size(error),
        "mape": _mean_size(error / realised_close),
        "rmse_naive": _rms(naive_error),
        "mae_naive": _mean_size(naive_error),
        "mape_naive": _mean_size(naive_error / realised_close),
        "rmse_return": _rms(missed),
        "rmse_return_zero": _rms(realised),
        "rmse_return_mean": _rms(missed_by_mean),
        "mae_return": _mean_size(missed),
        "mae_return_zero": _mean_size(realised),
        "mae_return_mean": _mean_size(missed_by_mean),
        "r2_oos": _r2(missed, missed_by_mean),
        "r2_oos_zero": _r2(missed, realised),
    }


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))


def _mean_size(errors: np.ndarray) -> float:
    return float(np.abs(errors).mean())


def _r2(errors: np.ndarray, naive_errors: np.ndarray) -> float | None:
    total = (naive_errors**2).sum()
    return float(1 - (errors**2).sum() / total) if total > 0 else None
