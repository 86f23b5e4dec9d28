"""Rules about what is paid out: dividends and capital gains."""

import numpy as np
import pandas as pd

from stock_assets.core.cleaning import rule


def with_plausible_events(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Dividends are at least 0 and less than the close before, split ratios at least 0; anything else halts."""
    dividend, split = frame["dividends"].to_numpy(), frame["stock_splits"].to_numpy()
    listed = frame.assign(close_before=frame["close"].shift(1))
    previous = listed["close_before"].to_numpy()
    bad_dividend = ~(dividend >= 0) | np.isinf(dividend) | (dividend >= previous)
    expected = "0, or more and less than the close before"
    rule.halt(snapshot, listed, bad_dividend, "with an impossible dividend", expected, ("dividends", "close_before"))
    bad_split = ~(split >= 0) | np.isinf(split)
    rule.halt(snapshot, frame, bad_split, "with an impossible split ratio", "0, or a positive ratio", ("stock_splits",))
    return frame
