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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.errors import InsufficientHistoryError, SchemaError, SettingsError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

TARGETS = ("target_session", "target_return", "target_up", "target_close")
CARRIED = ("close", "volatility")
ESTIMATORS = ("random_forest",)
EXPIRES_AFTER_SESSIONS = 10


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """How the forests are grown and how the walk-forward moves. Validated on construction (`SettingsError`).

    Daily returns are almost all noise, and a tree grown to pure leaves memorises it. So the leaves are large (the
    mean of 100 sessions still has a standard error of a tenth of a session's volatility), the trees shallow, and each
    is drawn from half of the rows, which makes them disagree and their average calmer. With 150 trees a forecast
    moves between seeds by less than a third of what it moves between sessions. The defaults follow from that and from
    cost, a walk-forward of thirteen years in some 10 s of processor time; they were not searched for on backtests, as
    the search would use up the history that is to judge them. Planted signals are found as well with them as with
    leaves of 50.

    Attributes:
        estimator: Kind of model; "random_forest" is the only one.
        n_estimators: Trees in each of the two forests.
        min_samples_leaf: Fewest sessions in a leaf.
        max_depth: Most splits between root and leaf; None for no limit.
        max_features: Features tried at each split: "sqrt", "log2", a count, or a fraction; None for all.
        max_samples: Share of the training rows drawn for each tree; None for as many as there are.
        seed: Seed of the bootstrap and of the features tried.
        horizon: Sessions from a forecast to its target; must be that of the features.
        min_train: Fewest training rows: about three years, so that calm and stormy sessions have both been seen.
        refit_every: Sessions between refits in the walk-forward. Half a year adds at most a sixth to a history of three
            years, so fresher forests would hardly differ and cost in proportion.
        embargo: Rows left out between the last row whose target was known and the refit, over and above the purge of
            unknown targets: the margin for an input stamped one session too early.
        threads: Threads for fitting. Changes the time taken, never a result, and is not part of the stored model.
    """

    estimator: str = "random_forest"
    n_estimators: int = 150
    min_samples_leaf: int = 100
    max_depth: int | None = 4
    max_features: str | int | float | None = "sqrt"
    max_samples: float | None = 0.5
    seed: int = 20200102
    horizon: int = 1
    min_train: int = 750
    refit_every: int = 126
    embargo: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise SettingsError(f"estimator is {self.estimator!r}; expected one of {', '.join(ESTIMATORS)}")
        at_least = {"n_estimators": 1, "min_samples_leaf": 1, "seed": 0, "horizon": 1, "min_train": 2, "refit_every": 1}
        at_least |= {"embargo": 0, "threads": 1}
        if self.max_depth is not None:
            at_least["max_depth"] = 1
        for name, least in at_least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SettingsError(f"{name} is {value!r}; expected a whole number of at least {least}")
        if self.seed >= 2**32:
            raise SettingsError(f"seed is {self.seed}; expected less than 2**32")
        if self.max_samples is not None and not _is_share(self.max_samples):
            raise SettingsError(f"max_samples is {self.max_samples!r}; expected a share above 0 and up to 1, or None")
        features = self.max_features
        is_count = isinstance(features, int) and not isinstance(features, bool) and features >= 1
        if not (features is None or features in ("sqrt", "log2") or is_count or _is_share(features)):
            raise SettingsError(
                f'max_features is {features!r}; expected "sqrt", "log2", a count from 1, a share above 0 and up to 1, '
                "or None"
            )

    def hyperparameters(self) -> dict[str, Any]:
        """The settings that a result depends on: all but `threads`, as a dict that JSON can hold."""
        values = dataclasses.asdict(self)
        del values["threads"]
        return values


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value <= 1


@dataclasses.dataclass(frozen=True)
class Model:
    """Two fitted forests and the card that describes them.

    Attributes:
        classifier: Gives the probability that the target return is above zero.
        regressor: Gives the expected target return.
        card: What the model is and was fitted on; JSON can hold it. See `train`.
    """

    classifier: "RandomForestClassifier"
    regressor: "RandomForestRegressor"
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


def fit(
    values: np.ndarray, target_return: np.ndarray, target_up: np.ndarray, settings: ModelSettings
) -> tuple["RandomForestClassifier", "RandomForestRegressor"]:
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

    common: dict[str, Any] = {
        "n_estimators": settings.n_estimators,
        "min_samples_leaf": settings.min_samples_leaf,
        "max_depth": settings.max_depth,
        "max_features": settings.max_features,
        "max_samples": settings.max_samples,
        "random_state": settings.seed,
        "n_jobs": settings.threads,
    }
    classifier = RandomForestClassifier(**common).fit(values, target_up.astype("int64"))
    regressor = RandomForestRegressor(**common).fit(values, target_return)
    classifier.set_params(n_jobs=1)
    regressor.set_params(n_jobs=1)
    return classifier, regressor


def forecast(
    classifier: "RandomForestClassifier", regressor: "RandomForestRegressor", values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of a rise and expected total return for each row of `values` (rows x features).

    A classifier that saw only one direction in training answers 0 or 1.
    """
    shares = np.asarray(classifier.predict_proba(values), dtype="float64")
    probability_up = shares @ (np.asarray(classifier.classes_) == 1).astype("float64")
    # A sum of shares can end a bit above 1.
    return probability_up.clip(0.0, 1.0), np.asarray(regressor.predict(values), dtype="float64")


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
    classifier, regressor = fit(values, target_return, target_up, settings)
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
        "in_sample": _in_sample(classifier, regressor, values, target_return, target_up),
        "snapshot_sha256": snapshot_checksum(rows, [*names, "target_session", "target_return", "target_up"]),
        "expires_after_sessions": EXPIRES_AFTER_SESSIONS,
        "libraries": _libraries(),
    }
    return Model(classifier, regressor, card)


def _in_sample(
    classifier: "RandomForestClassifier",
    regressor: "RandomForestRegressor",
    values: np.ndarray,
    target_return: np.ndarray,
    target_up: np.ndarray,
) -> dict[str, float | str | None]:
    probability_up, expected_return = forecast(classifier, regressor, values)
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
