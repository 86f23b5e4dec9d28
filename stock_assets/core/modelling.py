"""A model: the table it may be fitted on, its training, and the model with its card.

Lives here: the look-ahead guard (`check_features`) and training on everything known by one session. Not here: the kinds
of model and how one is fitted (estimators, model_settings; `fit`, `forecast` and `ModelSettings` are offered here too),
the card (model_card), when to refit and which rows a model may see in a walk-forward (backtesting), how good the
forecasts were (evaluation), the forecast people read (prediction), and how a model gets to disk (storage).
"""

import dataclasses
import datetime
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import estimators, model_card, sessions
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets.core.estimators import Fitted as Fitted
from stock_assets.core.estimators import fit as fit
from stock_assets.core.estimators import forecast as forecast
from stock_assets.core.model_settings import ModelSettings

TARGETS = ("target_session", "target_return", "target_up", "target_close", "target_open_return")
CARRIED = ("close", "volatility")


@dataclasses.dataclass(frozen=True)
class Model:
    """Two fitted estimators and the card that describes them.

    Attributes:
        classifier: Gives the probability that the target return is above zero.
        regressor: Gives the expected target return.
        card: What the model is and was fitted on; JSON can hold it. See `model_card.describe`.
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
            f"{horizon} session(s) ahead: materialise features of {ticker}, session {as_of}, with that horizon, or set "
            "the horizon that they were made for"
        )
    filled = features[["target_return", "target_up", "target_close"]].notna().to_numpy()
    if (filled.any(axis=1) & (targets > pd.Timestamp(as_of))).any():
        raise SchemaError(f"{where}: a target is filled in although its session is after {as_of}: look-ahead")
    if (filled.any(axis=1) & ~filled.all(axis=1)).any():
        raise SchemaError(f"{where}: return, direction and close of a target are not known together")
    # Known with the open of the session after the target's.
    opened = features["target_open_return"].notna().to_numpy()
    if (opened & (targets >= pd.Timestamp(as_of))).any():
        raise SchemaError(f"{where}: target_open_return is filled in although its open is after {as_of}: look-ahead")
    values = features[names].to_numpy(dtype="float64")
    if not (finite := np.isfinite(values)).all():
        row, column = np.argwhere(~finite)[0]
        raise SchemaError(
            f"{where}: feature {names[column]} is {values[row, column]} on {features.index[row]:%Y-%m-%d}; "
            "expected a number"
        )


def train(features: pd.DataFrame, settings: ModelSettings, *, ticker: str, as_of: datetime.date, source: str) -> Model:
    """Fits a model on every row whose target is known by the close of `as_of`; only the latest with a `window`.

    Args:
        features: The `features` table; its last rows, whose targets are not known yet, are left out.
        settings: Estimator, hyperparameters, horizon, `min_train` and `window`.
        ticker: For the card and messages.
        as_of: Session after whose close this is done.
        source: Where the prices came from, for the card.

    Raises:
        SchemaError: See `check_features`.
        InsufficientHistoryError: Fewer than `settings.min_train` rows with a known target.
        ModelError: See `fit`.
    """
    check_features(features, ticker=ticker, as_of=as_of, horizon=settings.horizon)
    names = feature_names(features)
    rows = features.dropna(subset=["target_return"])
    if len(rows) < settings.min_train:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(rows)} sessions have features and a known target; "
            f"expected at least min_train = {settings.min_train} to train on"
        )
    if settings.window is not None:
        rows = rows.iloc[-settings.window :]
    values = rows[names].to_numpy(dtype="float64")
    target_return = rows["target_return"].to_numpy(dtype="float64")
    target_up = rows["target_up"].to_numpy(dtype="float64")
    fitted = estimators.fit(values, target_return, target_up, settings, where=f"{ticker} {as_of}")
    card = model_card.describe(fitted, rows, names, settings, ticker=ticker, as_of=as_of, source=source)
    return Model(fitted.classifier, fitted.regressor, card)
