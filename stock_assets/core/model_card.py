"""The card of a model: what it is, what it was fitted on, how it did, and until when it may be used. JSON can hold it.

Lives here: the card and the few scores on it. Not here: fitting (estimators, modelling), and the scores of the
walk-forward that a verdict rests on (evaluation). A card names no moment of creation: the same snapshot and settings
give the same card.
"""

import dataclasses
import datetime
import hashlib
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import estimators, permutation, sessions
from stock_assets.core.model_settings import ModelSettings

EXPIRES_AFTER_SESSIONS = 10
HOLDOUT_SHARE = 0.2
HOLDOUT_TREES = 0.25


def describe(
    fitted: estimators.Fitted,
    rows: pd.DataFrame,
    names: list[str],
    settings: ModelSettings,
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
) -> dict[str, Any]:
    """The card of a model fitted on `rows[names]`.

    It holds: ticker, as_of, source, estimator, hyperparameters (defaults included), fingerprint of the settings, seed,
    target, features (names in order), feature_importance (mean over classifier and regressor) and what it measures,
    n_train, train_start, train_end (sessions of the first and last row), last_target_session, snapshot_sha256 of the
    training rows, attempts, in_sample scores, holdout scores, permutation_importance on the rows held out (see
    permutation.importance), expires_after_sessions, last_session (the last one it may forecast on), libraries.

    Args:
        fitted: What the fit on all of `rows` gave.
        rows: The rows of the `features` table that it was fitted on.
        names: The feature columns.
        settings: The settings of the fit.
        ticker: Ticker.
        as_of: Session after whose close the model was fitted.
        source: Where the prices came from.
    """
    kind = settings.estimator
    importance = (estimators.importance(fitted.classifier, kind) + estimators.importance(fitted.regressor, kind)) / 2
    ahead = f"{settings.horizon} session(s) later"
    holdout, permutation_importance = _holdout(rows, names, settings, where=f"{ticker} {as_of}")
    return {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "estimator": kind,
        "hyperparameters": settings.hyperparameters(),
        "fingerprint": settings.fingerprint(),
        "seed": settings.seed,
        "target": {
            "horizon_sessions": settings.horizon,
            "return": f"total return (dividends included) from the close of a session to the close {ahead}",
            "up": "whether that return is above zero",
        },
        "features": names,
        "feature_importance": {name: float(value) for name, value in zip(names, importance, strict=True)},
        "feature_importance_measures": f"{estimators.IMPORTANCE[kind]}, in sample: a hint, no proof",
        "n_train": len(rows),
        "train_start": f"{rows.index[0]:%Y-%m-%d}",
        "train_end": f"{rows.index[-1]:%Y-%m-%d}",
        "last_target_session": f"{rows['target_session'].iloc[-1]:%Y-%m-%d}",
        "snapshot_sha256": snapshot_checksum(rows, [*names, "target_session", "target_return", "target_up"]),
        "attempts": list(fitted.attempts),
        "in_sample": _in_sample(fitted, rows, names),
        "holdout": holdout,
        "permutation_importance": permutation_importance,
        "expires_after_sessions": EXPIRES_AFTER_SESSIONS,
        "last_session": sessions.next_session(as_of, EXPIRES_AFTER_SESSIONS - 1).isoformat(),
        "libraries": _libraries(),
    }


def _in_sample(fitted: estimators.Fitted, rows: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    up, realised = rows["target_up"].to_numpy("float64"), rows["target_return"].to_numpy("float64")
    note = "Scores on the training rows themselves. They show that something was fitted, never that it is useful."
    return {
        "note": note,
        **_scores(fitted, rows, names, mean_return=float(realised.mean())),
        "up_share": float(up.mean()),
        "mean_return": float(realised.mean()),
    }


def _holdout(
    rows: pd.DataFrame, names: list[str], settings: ModelSettings, *, where: str
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Scores of the latest fifth of the training rows, forecast by a model that was fitted on the rows before it, and
    the permutation importance of that model on them.

    In order of time, and purged and embargoed like a refit of the walk-forward: of the rows before, only those whose
    target was known by the close of the first row held out, less the embargo. A forest is fitted with a quarter of the
    trees, as all of them would take as long again as the model itself; the other estimators take some 0.1 s.

    No scores (None), and no importance but a reason, when the rows before saw only one direction.
    """
    first = len(rows) - max(1, round(HOLDOUT_SHARE * len(rows)))
    known = int(np.searchsorted(rows["target_session"].to_numpy(), rows.index[first].to_datetime64(), side="right"))
    before, held_out = rows.iloc[: max(known - settings.embargo, 0)], rows.iloc[first:]
    if before["target_up"].nunique() < 2:
        why = "the rows before those held out saw fewer than two directions; expected both to fit a model on"
        return None, permutation.unknown(why, n_rows=len(held_out))
    changed = {}
    if settings.estimator in estimators.FORESTS:
        trees = settings.all_parameters()["n_estimators"]
        changed["n_estimators"] = max(1, round(HOLDOUT_TREES * trees))
    fitted = estimators.fit(
        before[names].to_numpy("float64"),
        before["target_return"].to_numpy("float64"),
        before["target_up"].to_numpy("float64"),
        dataclasses.replace(settings, parameters={**settings.parameters, **changed}),
        where=f"{where}, holdout",
    )
    importance = permutation.importance(
        fitted,
        held_out[names].to_numpy("float64"),
        held_out["target_up"].to_numpy("float64"),
        names,
        seed=settings.seed,
    )
    up_share, mean_return = float(before["target_up"].mean()), float(before["target_return"].mean())
    scores = {
        "note": "One try out of sample: the latest fifth of the training rows, forecast by a model fitted on the rows "
        "before, beside naive forecasts that knew the same. Too few rows for a verdict: that is in the evaluation of "
        "the walk-forward, of the same ticker, session and fingerprint.",
        "changed": changed,
        "n_train": len(before),
        "train_end": f"{before.index[-1]:%Y-%m-%d}",
        "n_forecasts": len(held_out),
        "first_forecast": f"{held_out.index[0]:%Y-%m-%d}",
        "last_forecast": f"{held_out.index[-1]:%Y-%m-%d}",
        **_scores(fitted, held_out, names, mean_return=mean_return),
        "accuracy_naive": float(((up_share > 0.5) == (held_out["target_up"] == 1)).mean()),
        "brier_naive": float(((up_share - held_out["target_up"]) ** 2).mean()),
    }
    return scores, importance


def _scores(
    fitted: estimators.Fitted, rows: pd.DataFrame, names: list[str], *, mean_return: float
) -> dict[str, float | None]:
    """accuracy, brier and r2 = 1 - sum of squares / sum of squares of always forecasting `mean_return` (None if 0)."""
    probability_up, expected_return = estimators.forecast(fitted, rows[names].to_numpy("float64"))
    up, realised = rows["target_up"].to_numpy("float64"), rows["target_return"].to_numpy("float64")
    naive = float(((realised - mean_return) ** 2).mean())
    error = float(((realised - expected_return) ** 2).mean())
    return {
        "accuracy": float(((probability_up > 0.5) == (up == 1)).mean()),
        "brier": float(((probability_up - up) ** 2).mean()),
        "r2": 1 - error / naive if naive > 0 else None,
    }


def snapshot_checksum(rows: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256, in hex, over sessions, column names and values of `rows[columns]`: the data a model was fitted on.

    Independent of how the frame is laid out in memory, of the pandas version and of the byte order of the machine.
    """
    digest = hashlib.sha256()
    digest.update(rows.index.to_numpy("datetime64[ns]").astype("<i8").tobytes())
    for name in columns:
        digest.update(name.encode() + b"\0")
        column = rows[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            digest.update(column.to_numpy("datetime64[ns]").astype("<i8").tobytes())
        else:
            digest.update(column.to_numpy("float64").astype("<f8").tobytes())
    return digest.hexdigest()


def _libraries() -> dict[str, str]:
    import scipy
    import sklearn

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
