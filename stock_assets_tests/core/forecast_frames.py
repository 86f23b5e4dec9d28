"""Small made-up `features` and `backtest` tables for the tests of the modelling core. No tests here."""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import modelling, sessions

FIRST = datetime.date(2015, 1, 2)

QUICK = modelling.ModelSettings(
    parameters={"n_estimators": 8, "min_samples_leaf": 5, "max_depth": 3},
    min_train=60,
    refit_every=25,
    embargo=1,
    threads=1,
)


def index_of(n: int) -> pd.DatetimeIndex:
    """The first `n` sessions from 2015-01-02."""
    return sessions.sessions_between(FIRST, sessions.next_session(FIRST, n - 1) if n > 1 else FIRST)


def features_frame(n: int = 160, *, horizon: int = 1, signal: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """`n` sessions of noise with three feature columns; `signal` is how much of the coming return `hint` gives away."""
    rng = np.random.default_rng(seed)
    calendar = index_of(n + horizon)
    returns = 0.02 * rng.standard_normal(n)
    close = 100 * np.cumprod(1 + returns)
    known = n - horizon
    target_return = np.full(n, np.nan)
    target_return[:known] = close[horizon:] / close[:known] - 1
    target_close = np.full(n, np.nan)
    target_close[:known] = close[horizon:]
    hint = rng.standard_normal(n)
    hint[:known] += signal * target_return[:known] / 0.02
    noise = rng.standard_normal((2, n))
    volatility = 0.02 + 0.001 * rng.random(n)
    opening = close * (1 + 0.005 * rng.standard_normal(n))
    target_open_return = np.full(n, np.nan)
    target_open_return[: known - 1] = opening[horizon + 1 :] / opening[1:known] - 1
    return pd.DataFrame(
        {
            "hint": hint,
            "noise_1": noise[0],
            "noise_2": noise[1],
            "close": close,
            "volatility": volatility,
            "target_session": calendar[horizon:].to_numpy(),
            "target_return": target_return,
            "target_up": np.where(np.isnan(target_return), np.nan, (target_return > 0).astype("float64")),
            "target_close": target_close,
            "target_open_return": target_open_return,
        },
        index=calendar[:n],
    )


def last_session(frame: pd.DataFrame) -> datetime.date:
    return pd.DatetimeIndex(frame.index)[-1].date()


def backtest_frame(
    probability_up: np.ndarray,
    realised_return: np.ndarray,
    *,
    expected_return: np.ndarray | float = 0.0,
    mean_return: np.ndarray | float = 0.0,
    up_share: np.ndarray | float = 0.52,
    close: np.ndarray | float = 100.0,
    volatility: np.ndarray | float = 0.02,
    raw_probability_up: np.ndarray | None = None,
    open_return: np.ndarray | None = None,
) -> pd.DataFrame:
    """A `backtest` table from forecasts and outcomes, one session after the other from 2015-01-05.

    Not calibrated, and opens move as closes do, unless given.
    """
    n = len(realised_return)
    calendar = index_of(n + 2)
    return pd.DataFrame(
        {
            "target_session": calendar[2:].to_numpy(),
            "train_end": calendar[0],
            "close": close,
            "volatility": volatility,
            "raw_probability_up": probability_up if raw_probability_up is None else raw_probability_up,
            "probability_up": probability_up,
            "expected_return": expected_return,
            "mean_return": mean_return,
            "up_share": up_share,
            "realised_return": realised_return,
            "realised_close": close * (1 + np.asarray(realised_return)),
            "realised_up": np.asarray(realised_return) > 0,
            "open_return": realised_return if open_return is None else open_return,
        },
        index=calendar[1:-1],
    )
