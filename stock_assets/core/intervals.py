"""Intervals around forecast returns: how wide they must be to hold what they promise, and whether they did.

Conformal, scaled by volatility: the score of a forecast is by how many widths it missed, |realised - expected return| /
width; an interval is as many widths wide, either way, as the quantile of the scores known. Scaling makes it narrow in
calm weeks and wide in stormy ones, with one quantile for both.

width = sqrt(volatility * usual volatility), half way (geometrically) between the last 21 sessions and usual. Volatility
returns to the usual, and 21 sessions don't tell it exactly: intervals in proportion to it hold too seldom after calm
weeks and too often after stormy ones. Of 16 real price histories, at a level of 90 %, a session ahead: 85, 91 and 93 %
held in the calmest, middle and stormiest third in proportion to the volatility, 90, 91 and 88 % in proportion to its
square root.

Not here: the quantile itself and the sequence of what was known when (inference).
"""

from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import inference


def width(volatility: np.ndarray | float, usual: float) -> np.ndarray:
    """Scale of the intervals, as a fraction: sqrt(volatility * usual)."""
    return np.sqrt(np.asarray(volatility, dtype="float64") * usual)


def usual_volatility(backtest: pd.DataFrame) -> float:
    """Median volatility of the forecasts. It fixes the unit of the quantile, and no width of an interval."""
    return float(np.median(backtest["volatility"].to_numpy()))


def scores(backtest: pd.DataFrame) -> np.ndarray:
    """|realised_return - expected_return| / width: by how many widths each forecast missed, shape (n,)."""
    missed = (backtest["realised_return"] - backtest["expected_return"]).abs().to_numpy(dtype="float64")
    return missed / width(backtest["volatility"].to_numpy(), usual_volatility(backtest))


def inside(backtest: pd.DataFrame, horizon: int, level: float) -> np.ndarray:
    """1 where the outcome lay in the interval that earlier scores gave, 0 where not, NaN before there were enough."""
    return inference.sequential_inside(scores(backtest).tolist(), level=level, horizon=horizon)


def summary(backtest: pd.DataFrame, horizon: int, level: float) -> dict[str, Any]:
    """`level`; `scaled_quantile`, in widths, for a forecast made now; `usual_volatility`; `coverage` and `n` judged."""
    judged = inside(backtest, horizon, level)
    judged = judged[~np.isnan(judged)]
    return {
        "level": level,
        "scaled_quantile": inference.conformal_quantile(scores(backtest).tolist(), level),
        "usual_volatility": usual_volatility(backtest),
        "coverage": float(judged.mean()) if len(judged) else None,
        "n": len(judged),
    }
