"""What a forecast of the backtest cost, row by row, beside a naive one that knew no more. (model, naive) for each loss.

What the losses add up to is for evaluation, whether their difference is more than luck for verdict.
"""

import numpy as np
import pandas as pd

# A probability of exactly 0 or 1 that proves wrong would cost infinitely much.
_PROBABILITY_FLOOR = 1e-6


def direction_losses(backtest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """1 where the call of the direction was wrong, else 0; naive: the more frequent direction in training."""
    up = backtest["realised_up"].to_numpy(dtype=bool)
    said_up = backtest["probability_up"].to_numpy() > 0.5
    majority_up = backtest["up_share"].to_numpy() > 0.5
    return (said_up != up).astype("float64"), (majority_up != up).astype("float64")


def brier_losses(backtest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of the probability; naive: the share of rises in training."""
    up = backtest["realised_up"].to_numpy(dtype="float64")
    return (backtest["probability_up"].to_numpy() - up) ** 2, (backtest["up_share"].to_numpy() - up) ** 2


def log_losses(backtest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """`log_loss` of the probability; naive as for Brier."""
    up = backtest["realised_up"].to_numpy(dtype=bool)
    return log_loss(backtest["probability_up"].to_numpy(), up), log_loss(backtest["up_share"].to_numpy(), up)


def log_loss(probability_up: np.ndarray, up: np.ndarray) -> np.ndarray:
    """-ln of the probability given to what happened, row by row; probabilities are kept within [1e-6, 1 - 1e-6]."""
    kept = probability_up.clip(_PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR)
    return -np.log(np.where(up, kept, 1 - kept))


NAIVE_RETURNS = ("zero", "mean_return")


def naive_return(backtest: pd.DataFrame, name: str) -> np.ndarray:
    """The naive forecast of the return called `name`: zero, or the mean in training."""
    return np.zeros(len(backtest)) if name == "zero" else backtest[name].to_numpy()


def squared_errors(backtest: pd.DataFrame, naive: str) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of the return; naive: one of `NAIVE_RETURNS`."""
    realised = backtest["realised_return"].to_numpy()
    model = (realised - backtest["expected_return"].to_numpy()) ** 2
    return model, (realised - naive_return(backtest, naive)) ** 2


def return_losses(backtest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, str]:
    """`squared_errors` beside whichever of `NAIVE_RETURNS` did better on these rows, and which.

    Choosing the better one afterwards favours the naive side.
    """
    losses = {name: squared_errors(backtest, name) for name in NAIVE_RETURNS}
    better = min(losses, key=lambda name: losses[name][1].mean())
    return *losses[better], better
