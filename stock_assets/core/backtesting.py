"""The walk-forward: which rows each refit may see, and what it then forecast. Nothing is scored here (evaluation).

This module owns the look-ahead guards of training: the purge and the `embargo` (`trainable`). They hold for fitting the
models and for calibrating their probabilities alike.
"""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import calibration, modelling
from stock_assets.core.errors import InsufficientHistoryError


def trainable(features: pd.DataFrame, embargo: int) -> np.ndarray:
    """How many rows, counted from the first, a model fitted after the close of each session may be trained on.

    Purge: a row's target must have been known by then, `target_session <= session`; with a horizon of five, the five
    latest rows drop out although their features were known. Embargo: of the rest, the latest `embargo` rows are left
    out. The purge looks only at dates, never at whether a target happens to be filled in (before a hole in the prices
    it never will be: such rows are counted here and left out by `walk_forward`).
    """
    known = np.searchsorted(features["target_session"].to_numpy(), features.index.to_numpy(), side="right")
    return np.maximum(known - embargo, 0)


def walk_forward(
    features: pd.DataFrame, settings: modelling.ModelSettings, *, ticker: str, as_of: datetime.date
) -> pd.DataFrame:
    """Forecasts as they would have been made, session after session, by models that saw only what was known then.

    The first fit is after the first session with `settings.min_train` trainable rows, then every `settings.refit_every`
    sessions: on all rows trainable by then, or with `settings.window` = n on the latest n of them. A fit's forecasts
    are those of its own session and of the sessions up to the next fit. Refits are counted from the start of the
    history, so a longer history adds forecasts and changes none.

    At each fit the probabilities of the forecasts to come are calibrated on the earlier ones whose rows are trainable
    by then, unless `settings.calibration` is "none" (see `calibration.fit`).

    Args:
        features: The `features` table up to `as_of`.
        settings: Which models, and how to walk.
        ticker: For messages.
        as_of: Session after whose close this is done.

    Returns:
        The `backtest` table, one row a session whose target is known; `train_end` is the last session trained on.
        `mean_return` and `up_share` are mean and share of rises over the same training rows. `open_return` is missing
        where it is not known yet: on the last row.

    Raises:
        SchemaError: See `modelling.check_features`.
        InsufficientHistoryError: No session has both enough rows before it and a known target.
    """
    modelling.check_features(features, ticker=ticker, as_of=as_of, horizon=settings.horizon)
    target_return = features["target_return"].to_numpy(dtype="float64")
    known = np.flatnonzero(~np.isnan(target_return))
    # How many of the known rows a fit after each session may use.
    n_usable = np.searchsorted(known, trainable(features, settings.embargo))
    first = int(np.searchsorted(n_usable, settings.min_train))
    if not (known >= first).any():
        needed = settings.min_train + settings.embargo + 2 * settings.horizon
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(features)} sessions have features, {len(known)} of them a known target; "
            f"expected at least {needed} to train on min_train = {settings.min_train}, leave out an embargo of "
            f"{settings.embargo} and forecast {settings.horizon} session(s) ahead"
        )

    forecasts = pd.DataFrame()
    for start in range(first, len(features), settings.refit_every):
        ahead = known[(known >= start) & (known < start + settings.refit_every)]
        if not len(ahead):
            continue
        usable = known[: n_usable[start]]
        block = _forecast_block(features, usable[-settings.window :] if settings.window else usable, ahead, settings)
        judged = forecasts.loc[forecasts.index.isin(features.index[usable])]
        block["probability_up"] = _calibrated(block, judged, features, settings)
        forecasts = pd.concat([forecasts, block]) if len(forecasts) else block
    return _table(features.loc[forecasts.index], forecasts)


def _forecast_block(
    features: pd.DataFrame, seen: np.ndarray, ahead: np.ndarray, settings: modelling.ModelSettings
) -> pd.DataFrame:
    """What a model fitted on the rows at `seen` says about those at `ahead`, beside the naive forecasts."""
    names = modelling.feature_names(features)
    training = features.iloc[seen]
    target_return = training["target_return"].to_numpy(dtype="float64")
    target_up = training["target_up"].to_numpy(dtype="float64")
    fitted = modelling.fit(training[names].to_numpy(dtype="float64"), target_return, target_up, settings)
    probability_up, expected_return = modelling.forecast(fitted, features.iloc[ahead][names].to_numpy(dtype="float64"))
    return pd.DataFrame(
        {
            "train_end": features.index[seen[-1]],
            "raw_probability_up": probability_up,
            "expected_return": expected_return,
            "mean_return": target_return.mean(),
            "up_share": target_up.mean(),
        },
        index=features.index[ahead],
    )


def _calibrated(
    block: pd.DataFrame, judged: pd.DataFrame, features: pd.DataFrame, settings: modelling.ModelSettings
) -> np.ndarray:
    """Calibrated probabilities of the forecasts in `block`, by the outcomes of those in `judged`."""
    raw, base_rate = block["raw_probability_up"].to_numpy(), block["up_share"].to_numpy()
    if judged.empty:
        return raw
    learnt = calibration.fit(
        judged["raw_probability_up"].to_numpy(),
        judged["up_share"].to_numpy(),
        features.loc[judged.index, "target_up"].to_numpy(dtype="float64"),
        method=settings.calibration,
        horizon=settings.horizon,
    )
    return calibration.apply(learnt.slope, raw, base_rate)


def _table(rows: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "target_session": rows["target_session"].astype("datetime64[ns]"),
            "train_end": forecasts["train_end"].astype("datetime64[ns]"),
            "close": rows["close"],
            "volatility": rows["volatility"],
            "raw_probability_up": forecasts["raw_probability_up"],
            "probability_up": forecasts["probability_up"],
            "expected_return": forecasts["expected_return"],
            "mean_return": forecasts["mean_return"],
            "up_share": forecasts["up_share"],
            "realised_return": rows["target_return"],
            "realised_close": rows["target_close"],
            "realised_up": rows["target_up"] == 1,
            "open_return": rows["target_open_return"],
        }
    ).rename_axis("session")
