"""The walk-forward: which rows each refit may see, and what it then forecast. Nothing is scored here (evaluation).

This module owns the look-ahead guards of training: the purge and the `embargo` (`trainable`).
"""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import modelling
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
    sessions on all rows trainable by then (expanding window, as the sample is small beside the noise). A fit's
    forecasts are those of its own session and of the sessions up to the next fit. Refits are counted from the start
    of the history, so a longer history adds forecasts and changes none.

    Args:
        features: The `features` table up to `as_of`.
        settings: How to grow the forests and how to walk.
        ticker: For messages.
        as_of: Session after whose close this is done.

    Returns:
        The `backtest` table, one row a session whose target is known; `train_end` is the last session trained on.
        `mean_return` and `up_share` are mean and share of rises over the same training rows.

    Raises:
        SchemaError: See `modelling.check_features`.
        InsufficientHistoryError: No session has both enough rows before it and a known target.
    """
    modelling.check_features(features, ticker=ticker, as_of=as_of, horizon=settings.horizon)
    names = modelling.feature_names(features)
    values = features[names].to_numpy(dtype="float64")
    target_return = features["target_return"].to_numpy(dtype="float64")
    target_up = features["target_up"].to_numpy(dtype="float64")
    known = np.flatnonzero(~np.isnan(target_return))

    n_rows = trainable(features, settings.embargo)
    n_train = np.searchsorted(known, n_rows)
    first = int(np.searchsorted(n_train, settings.min_train))
    if not (known >= first).any():
        needed = settings.min_train + settings.embargo + 2 * settings.horizon
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(features)} sessions have features, {len(known)} of them a known target; "
            f"expected at least {needed} to train on min_train = {settings.min_train}, leave out an embargo of "
            f"{settings.embargo} and forecast {settings.horizon} session(s) ahead"
        )

    blocks = []
    for start in range(first, len(features), settings.refit_every):
        ahead = known[(known >= start) & (known < start + settings.refit_every)]
        if not len(ahead):
            continue
        seen = known[: n_train[start]]
        fitted = modelling.fit(values[seen], target_return[seen], target_up[seen], settings)
        probability_up, expected_return = modelling.forecast(fitted, values[ahead])
        blocks.append(
            pd.DataFrame(
                {
                    "train_end": features.index[seen[-1]],
                    "probability_up": probability_up,
                    "expected_return": expected_return,
                    "mean_return": target_return[seen].mean(),
                    "up_share": target_up[seen].mean(),
                },
                index=features.index[ahead],
            )
        )
    forecasts = pd.concat(blocks)
    rows = features.loc[forecasts.index]
    return pd.DataFrame(
        {
            "target_session": rows["target_session"].astype("datetime64[ns]"),
            "train_end": forecasts["train_end"].astype("datetime64[ns]"),
            "close": rows["close"],
            "volatility": rows["volatility"],
            "probability_up": forecasts["probability_up"],
            "expected_return": forecasts["expected_return"],
            "mean_return": forecasts["mean_return"],
            "up_share": forecasts["up_share"],
            "realised_return": rows["target_return"],
            "realised_close": rows["target_close"],
            "realised_up": rows["target_up"] == 1,
        }
    ).rename_axis("session")
