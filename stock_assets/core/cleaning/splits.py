"""Rules about splits."""

import numpy as np
import pandas as pd

from stock_assets.core.cleaning import rule

UNADJUSTED_SPLIT_TOLERANCE = 0.1
"""How near, in log terms, a jump of the close must be to a recorded split to be taken for a split not applied."""

SMALLEST_TELLING_SPLIT = 0.2
"""Splits below this absolute log ratio (1.22 for 1) are not judged: an ordinary bad session looks the same."""


def with_splits_applied(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A recorded split whose session jumps by just that ratio was not applied to the prices before: halts.

    Where it was applied the close hardly notices. Judged close to close in log terms, see the two constants.
    """
    listed = frame.assign(close_before=frame["close"].shift(1))
    close, before, split = (listed[name].to_numpy() for name in ("close", "close_before", "stock_splits"))
    ratio = np.log(np.where(split > 0, split, 1.0))
    telling = np.abs(ratio) >= SMALLEST_TELLING_SPLIT
    bad = telling & (np.abs(np.log(close / before) + ratio) <= UNADJUSTED_SPLIT_TOLERANCE)
    what = "with a split that the prices before it are not adjusted for"
    rule.halt(
        snapshot, listed, bad, what, "prices before a split in new shares", ("stock_splits", "close_before", "close")
    )
    return frame
