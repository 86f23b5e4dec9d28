"""Is what the scores say believable? Questions asked of a finished evaluation, and of the walk-forward that made it.

What is asked of features and prices, which look for the future where it would come in, lives in features, bars ...
"""

import dataclasses
import datetime
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import backtesting, evaluation, inference, leaks, losses, verdict
from stock_assets.core.errors import InsufficientHistoryError
from stock_assets.core.model_settings import ModelSettings
from stock_assets.core.validation import finding

REFITS = 2
"""Fits of the walk-forward on shuffled outcomes: the machinery is the same in each, and fits are what it costs."""

BLOCK = 21

LARGEST_STATISTIC = 4.5
"""Highest Diebold-Mariano statistic of a walk-forward that can know nothing: a normal variable is above it three times
in a million."""


def skill_is_plausible(
    scores: Mapping[str, Any],
    *,
    ticker: str,  # noqa: ARG001 (as all predicates)
    as_of: datetime.date,  # noqa: ARG001
) -> finding.Finding:
    """Accuracy and out-of-sample R2 of an `evaluation` are within what markets allow (`verdict.suspicion`).

    Observed: the accuracy.
    """
    reason = scores["suspicious_reason"]
    return finding.Finding(
        reason is None,
        scores["classification"]["accuracy"],
        f"an accuracy up to {verdict.SUSPICIOUS_ACCURACY:.0%} and an out-of-sample R2 up to "
        f"{verdict.SUSPICIOUS_R2:.0%}, more over longer horizons",
        pd.DataFrame(),
        note=""
        if reason is None
        else f"{reason}: look for an input that was not known at the close of its row, such as a feature far ahead of "
        "all others in the model card, or prices stamped a session early",
    )


def shuffled_labels_give_no_skill(
    features: pd.DataFrame, settings: ModelSettings, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """A walk-forward on outcomes of other times (`leaks.shuffled`) does no better than the share of rises so far.

    Such outcomes have nothing to do with the features, so skill can only come from the machinery: rows trained on that
    are then forecast, or an outcome among the features. Asked with the settings in force and `REFITS` fits. Observed:
    the Diebold-Mariano statistic of the Brier score, which luck does not bring above `LARGEST_STATISTIC`.
    """
    expected = f"a Diebold-Mariano statistic of at most {LARGEST_STATISTIC} on shuffled outcomes"
    try:
        backtest = _walk_on_shuffled(features, settings, ticker=ticker, as_of=as_of)
    except InsufficientHistoryError as error:
        return finding.Finding(True, "too few rows", expected, features.iloc[:0], note=f"not asked: {error}")
    test = inference.diebold_mariano(*losses.brier_losses(backtest), horizon=settings.horizon)
    # Without spread in the differences there is no statistic; then every single forecast was better, or none.
    statistic = test.statistic if test.statistic is not None else (math.inf if test.p_value == 0 else 0.0)
    passed = statistic <= LARGEST_STATISTIC
    return finding.Finding(
        passed,
        statistic if math.isfinite(statistic) else "better on every row",
        expected,
        features.iloc[:0],
        threshold=LARGEST_STATISTIC,
        note=""
        if passed
        else f"{len(backtest)} forecasts were better than they can be without having seen what they are about; "
        "no score of this backtest means anything",
    )


def _walk_on_shuffled(
    features: pd.DataFrame, settings: ModelSettings, *, ticker: str, as_of: datetime.date
) -> pd.DataFrame:
    where = f"{ticker} {as_of}"
    block = max(BLOCK, settings.horizon)
    known = int(features["target_return"].notna().to_numpy().sum())
    ahead = known - settings.min_train - settings.embargo - settings.horizon - block
    needed = evaluation.MIN_FORECASTS * settings.horizon
    if ahead < needed:
        raise InsufficientHistoryError(
            f"{where}: {max(ahead, 0)} sessions are left to forecast with shuffled outcomes; expected at least {needed}"
        )
    few_fits = dataclasses.replace(settings, refit_every=int(np.ceil(len(features) / REFITS)))
    shuffled = leaks.shuffled(features, block=block)
    return backtesting.walk_forward(shuffled, few_fits, ticker=ticker, as_of=as_of)
