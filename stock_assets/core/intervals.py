"""Intervals around forecast returns: how wide they must be to hold what they promise, and whether they did.

Conformal, scaled by volatility: the score of a forecast is by how many of its volatilities it missed,
|realised - expected return| / volatility; an interval is as many volatilities wide, either way, as the quantile of the
scores known. Scaling makes it narrow in calm weeks and wide in stormy ones, with one quantile for both.

Not here: the quantile itself and the sequence of what was known when (inference).
"""

from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import inference


def scores(backtest: pd.DataFrame) -> np.ndarray:
    """|realised_return - expected_return| / volatility: by how many of its volatilities each forecast missed."""
    missed = (backtest["realised_return"] - backtest["expected_return"]).abs()
    return (missed / backtest["volatility"]).to_numpy(dtype="float64")


def inside(backtest: pd.DataFrame, horizon: int, level: float) -> np.ndarray:
    """1 where the outcome lay in the interval that earlier scores gave, 0 where not, NaN before there were enough."""
    return inference.sequential_inside(scores(backtest).tolist(), level=level, horizon=horizon)


def summary(backtest: pd.DataFrame, horizon: int, level: float) -> dict[str, Any]:
    """`level`; `scaled_quantile`, in volatilities, for a forecast made now; `coverage` so far and `n` judged."""
    judged = inside(backtest, horizon, level)
    judged = judged[~np.isnan(judged)]
    return {
        "level": level,
        "scaled_quantile": inference.conformal_quantile(scores(backtest).tolist(), level),
        "coverage": float(judged.mean()) if len(judged) else None,
        "n": len(judged),
    }
