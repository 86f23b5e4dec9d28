"""How good the forecasts of the direction were, beside the more frequent direction and the share of rises so far.

Lives here: scores of probabilities and of calls. Not here: the losses row by row (losses), the statistics (inference),
whether any of it is believable (verdict).
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import inference, losses

N_BINS = 10
_SEED = 20200102


def scores(backtest: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """`point_scores`, and what chance leaves open: `accuracy_ci95`, `p_value`, `confusion_matrix`, calibration curve.

    `accuracy_ci95` is a block bootstrap interval, in blocks of at least twice the horizon, as outcomes that overlap
    are alike. `p_value`: one-sided Diebold-Mariano test that the model is right more often than the majority call. Rows
    of the confusion matrix are what happened (down, up), columns what was said.
    """
    up = backtest["realised_up"].to_numpy(dtype=bool)
    said_up = backtest["probability_up"].to_numpy() > 0.5
    wrong, majority_wrong = losses.direction_losses(backtest)
    block = max(2 * horizon, math.ceil(len(wrong) ** (1 / 3))) if horizon > 1 else None
    low, high = inference.bootstrap_mean_interval(1 - wrong, level=0.95, seed=_SEED, block=block)
    return point_scores(backtest) | {
        "accuracy_ci95": [low, high],
        "p_value": inference.diebold_mariano(wrong, majority_wrong, horizon=horizon).p_value,
        "confusion_matrix": [
            [int((~up & ~said_up).sum()), int((~up & said_up).sum())],
            [int((up & ~said_up).sum()), int((up & said_up).sum())],
        ],
        "said_up_share": float(said_up.mean()),
        "realised_up_share": float(up.mean()),
        "calibration_curve": calibration_bins(backtest).to_dict("records"),
    }


def point_scores(backtest: pd.DataFrame) -> dict[str, float | None]:
    """Scores of model and naive on the same rows; None where only one direction occurred and the score needs both.

    The model says "up" above a probability of one half. Raw: before calibration.
    """
    up = backtest["realised_up"].to_numpy(dtype=bool)
    probability_up = backtest["probability_up"].to_numpy()
    said_up = probability_up > 0.5
    wrong, majority_wrong = losses.direction_losses(backtest)
    brier, brier_naive = losses.brier_losses(backtest)
    log_loss, log_loss_naive = losses.log_losses(backtest)
    raw = backtest["raw_probability_up"].to_numpy()
    both = 0 < up.sum() < len(up)
    return {
        "accuracy": float(1 - wrong.mean()),
        "majority_accuracy": float(1 - majority_wrong.mean()),
        "balanced_accuracy": float(((~said_up)[~up].mean() + said_up[up].mean()) / 2) if both else None,
        "roc_auc": roc_auc(probability_up, up) if both else None,
        "brier": float(brier.mean()),
        "brier_naive": float(brier_naive.mean()),
        "brier_raw": float(((raw - up) ** 2).mean()),
        "log_loss": float(log_loss.mean()),
        "log_loss_naive": float(log_loss_naive.mean()),
    }


def roc_auc(scores: np.ndarray, up: np.ndarray) -> float:
    """Chance that a rise got a higher score than a fall, ties counting half (Mann-Whitney). Needs both to occur."""
    ranks = pd.Series(scores).rank().to_numpy()
    n_up = int(up.sum())
    n_down = len(up) - n_up
    return float((ranks[up].sum() - n_up * (n_up + 1) / 2) / (n_up * n_down))


def calibration_bins(backtest: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Forecast probabilities in bins of equal size, beside how often the price then rose.

    Columns: `forecast` (mean probability of the bin), `share_up`, `low`, `high` (95 % Wilson interval of `share_up`)
    and `n`; one row a bin, in rising order, no more bins than distinct edges.
    """
    probability = backtest["probability_up"].to_numpy()
    up = backtest["realised_up"].to_numpy(dtype="float64")
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, n_bins + 1)))
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, max(len(edges) - 2, 0))
    filled, place, n = np.unique(place, return_inverse=True, return_counts=True)
    forecast = np.bincount(place, weights=probability, minlength=len(filled)) / n
    share = np.bincount(place, weights=up, minlength=len(filled)) / n
    low, high = inference.wilson_interval(share, n)
    return pd.DataFrame({"forecast": forecast, "share_up": share, "low": low, "high": high, "n": n})
