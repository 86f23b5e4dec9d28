"""The forests: their settings, how they are fitted, what they forecast, and the card that describes a stored model.

Lives here: everything about fitting one model on one set of rows. Not here: when to refit and which rows a model may
see in a walk-forward (backtesting), how good the forecasts were (evaluation), the forecast people read (prediction),
and how a model gets to disk (storage).

scikit-learn is imported inside the functions: importing it takes a second that loading the definitions must not pay.
"""

import dataclasses
import datetime
import hashlib
import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets.core.model_settings import ModelSettings

TARGETS = ("target_session", "target_return", "target_up", "target_close")
CARRIED = ("close", "volatility")
EXPIRES_AFTER_SESSIONS = 10


class Fitted(NamedTuple):
    """What one fit gives: both estimators, and a record of every attempt at fitting them."""

    classifier: Any
    regressor: Any
    attempts: tuple[dict[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class Model:
    """Two fitted forests and the card that describes them.

    Attributes:
        classifier: Gives the probability that the target return is above zero.
        regressor: Gives the expected target return.
        card: What the model is and was fitted on; JSON can hold it. See `train`.
    """

    classifier: Any
    regressor: Any
    card: dict[str, Any]


def feature_names(features: pd.DataFrame) -> list[str]:
    """Names of the feature columns of a `features` table, in order: all that are neither carried along nor a target."""
    return [str(name) for name in features.columns if name not in CARRIED and name not in TARGETS]


def check_features(features: pd.DataFrame, *, ticker: str, as_of: datetime.date, horizon: int = 1) -> None:
    """Refuses a `features` table that a model must not be fitted on, or asked about.

    This is the look-ahead guard of the modelling core; it names the first offence:
    a column missing; sessions not in order; a session after `as_of`; target sessions out of order or not after their
    own session; the last target session not `horizon` sessions ahead (the features were built for another horizon); a
    target known although its session is after `as_of`, or known in part; a feature missing or infinite. Targets may
    be missing on earlier rows too: before a hole in the prices.

    Raises:
        SchemaError: Any of these.
    """
    where = f"{ticker} {as_of}"
    if missing := [name for name in (*CARRIED, *TARGETS) if name not in features.columns]:
        raise SchemaError(f"{where}: features lack the columns {', '.join(missing)}")
    names = feature_names(features)
    if not names:
        raise SchemaError(f"{where}: features hold no feature column, only {', '.join(map(str, features.columns))}")
    if features.empty:
        raise SchemaError(f"{where}: features hold no row; expected one a session up to {as_of}")
    if not (features.index.is_monotonic_increasing and features.index.is_unique):
        raise SchemaError(f"{where}: sessions of the features are not strictly increasing")
    if features.index[-1] > pd.Timestamp(as_of):
        raise SchemaError(f"{where}: features reach to {features.index[-1]:%Y-%m-%d}; expected none after {as_of}")
    targets = pd.DatetimeIndex(features["target_session"])
    ahead = bool(np.all(targets.to_numpy() > features.index.to_numpy()))
    if not (ahead and targets.is_monotonic_increasing and targets.is_unique):
        raise SchemaError(f"{where}: target sessions are not strictly increasing and each after its own session")
    expected_target = sessions.next_session(features.index[-1].date(), horizon)
    last_target = pd.Timestamp(targets.to_numpy()[-1])
    if last_target != pd.Timestamp(expected_target):
        raise SchemaError(
            f"{where}: the last target session is {last_target:%Y-%m-%d}; expected {expected_target}, "
            f"{horizon} session(s) ahead"
        )
    filled = features[["target_return", "target_up", "target_close"]].notna().to_numpy()
    if (filled.any(axis=1) & (targets > pd.Timestamp(as_of))).any():
        raise SchemaError(f"{where}: a target is filled in although its session is after {as_of}: look-ahead")
    if (filled.any(axis=1) & ~filled.all(axis=1)).any():
        raise SchemaError(f"{where}: return, direction and close of a target are not known together")
    values = features[names].to_numpy(dtype="float64")
    if not (finite := np.isfinite(values)).all():
        row, column = np.argwhere(~finite)[0]
        raise SchemaError(
            f"{where}: feature {names[column]} is {values[row, column]} on {features.index[row]:%Y-%m-%d}; "
            "expected a number"
        )


def fit(values: np.ndarray, target_return: np.ndarray, target_up: np.ndarray, settings: ModelSettings) -> Fitted:
    """Classifier of the direction and regressor of the return, fitted on the rows given and nothing else.

    Each tree draws from its own stream, derived from the seed before any thread starts, so the number of threads
    changes no tree. Predicting with several threads adds the trees up in the order in which the threads finish, which
    changes the last bits: the fitted forests are therefore set to one thread.

    Args:
        values: Rows x features, finite.
        target_return: Total return that followed each row.
        target_up: 1 where it was above zero, else 0.
        settings: How to grow the forests.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    common = settings.all_parameters() | {"random_state": settings.seed, "n_jobs": settings.threads}
    classifier = RandomForestClassifier(**common).fit(values, target_up.astype("int64"))
    regressor = RandomForestRegressor(**common).fit(values, target_return)
    classifier.set_params(n_jobs=1)
    regressor.set_params(n_jobs=1)
    return Fitted(classifier, regressor, attempts=())


def forecast(fitted: Fitted | Model, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of a rise and expected total return for each row of `values` (rows x features).

    A classifier that saw only one direction in training answers 0 or 1.
    """
    shares = np.asarray(fitted.classifier.predict_proba(values), dtype="float64")
    probability_up = shares @ (np.asarray(fitted.classifier.classes_) == 1).astype("float64")
    # A sum of shares can end a bit above 1.
    return probability_up.clip(0.0, 1.0), np.asarray(fitted.regressor.predict(values), dtype="float64")


def train(features: pd.DataFrame, settings: ModelSettings, *, ticker: str, as_of: datetime.date, source: str) -> Model:
    """Fits both forests on every row whose target is known by the close of `as_of`.

    Args:
        features: The `features` table; its last rows, whose targets are not known yet, are left out.
        settings: How to grow the forests.
        ticker: For the card and messages.
        as_of: Session after whose close this is done.
        source: Where the prices came from, for the card.

    Returns:
        The model. Its card holds: ticker, as_of, source, estimator, hyperparameters, seed, target, features (names in
        order), feature_importance (mean decrease in impurity, averaged over both forests; biased towards features with
        many distinct values and computed in sample: a hint, no proof), n_train, train_start, train_end (sessions of the
        first and last row), last_target_session, in_sample scores, snapshot_sha256 of the training rows,
        expires_after_sessions, libraries. No moment of creation: the same snapshot gives the same card.

    Raises:
        SchemaError: See `check_features`.
        InsufficientHistoryError: Fewer than `settings.min_train` rows with a known target.
    """
    check_features(features, ticker=ticker, as_of=as_of, horizon=settings.horizon)
    names = feature_names(features)
    rows = features.dropna(subset=["target_return"])
    if len(rows) < settings.min_train:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(rows)} sessions have features and a known target; "
            f"expected at least min_train = {settings.min_train} to train on"
        )
    values = rows[names].to_numpy(dtype="float64")
    target_return = rows["target_return"].to_numpy(dtype="float64")
    target_up = rows["target_up"].to_numpy(dtype="float64")
    fitted = fit(values, target_return, target_up, settings)
    classifier, regressor, _ = fitted
    importance = (classifier.feature_importances_ + regressor.feature_importances_) / 2
    card = {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "estimator": settings.estimator,
        "hyperparameters": settings.hyperparameters(),
        "seed": settings.seed,
        "target": {
            "horizon_sessions": settings.horizon,
            "return": f"total return (dividends included) from the close of a session to the close {settings.horizon} "
            "session(s) later",
            "up": "whether that return is above zero",
        },
        "features": names,
        "feature_importance": {name: float(value) for name, value in zip(names, importance, strict=True)},
        "n_train": len(rows),
        "train_start": f"{rows.index[0]:%Y-%m-%d}",
        "train_end": f"{rows.index[-1]:%Y-%m-%d}",
        "last_target_session": f"{rows['target_session'].iloc[-1]:%Y-%m-%d}",
        "in_sample": _in_sample(fitted, values, target_return, target_up),
        "snapshot_sha256": snapshot_checksum(rows, [*names, "target_session", "target_return", "target_up"]),
        "expires_after_sessions": EXPIRES_AFTER_SESSIONS,
        "libraries": _libraries(),
    }
    return Model(classifier, regressor, card)


def _in_sample(
    fitted: Fitted,
    values: np.ndarray,
    target_return: np.ndarray,
    target_up: np.ndarray,
) -> dict[str, float | str | None]:
    probability_up, expected_return = forecast(fitted, values)
    spread = float(((target_return - target_return.mean()) ** 2).mean())
    error = float(((target_return - expected_return) ** 2).mean())
    return {
        "note": "Scores on the training rows themselves. They show that something was fitted, never that it is useful.",
        "accuracy": float(((probability_up > 0.5) == (target_up == 1)).mean()),
        "brier": float(((probability_up - target_up) ** 2).mean()),
        "r2": 1 - error / spread if spread > 0 else None,
        "up_share": float(target_up.mean()),
        "mean_return": float(target_return.mean()),
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
    import sklearn

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scikit-learn": sklearn.__version__,
    }
