"""Is each bar one that a market can have made?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import numpy as np
import pandas as pd

from stock_assets.core.adjusting import PRICES
from stock_assets.core.validation import finding


def prices_are_positive(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Every price that is there is above zero and finite; missing ones don't count. Observed: rows with others."""
    columns = [*PRICES, *(f"adjusted_{name}" for name in PRICES if f"adjusted_{name}" in frame.columns)]
    if unreadable := finding.unreadable(frame, columns):
        return unreadable
    prices = frame[columns].to_numpy(dtype="float64")
    bad = ((prices <= 0) | np.isinf(prices)).any(axis=1)
    return finding.none_of(frame, bad, "0 rows with a price that is zero, negative or infinite")


def high_is_at_least_low(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """High is not below low. Observed: rows where it is."""
    if unreadable := finding.unreadable(frame, ("high", "low")):
        return unreadable
    return finding.none_of(frame, frame["high"] < frame["low"], "0 rows with high below low")


def open_and_close_lie_between_low_and_high(
    frame: pd.DataFrame, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """Open and close are not above high nor below low. Observed: rows where one is."""
    if unreadable := finding.unreadable(frame, PRICES):
        return unreadable
    bad = np.zeros(len(frame), dtype=bool)
    for name in ("open", "close"):
        bad |= ((frame[name] > frame["high"]) | (frame[name] < frame["low"])).to_numpy()
    return finding.none_of(frame, bad, "0 rows with open or close outside of low to high")
