"""Rules about splits: recorded, but not applied to all the bars that are in old shares."""

import numpy as np
import pandas as pd

from stock_assets.core import evidence
from stock_assets.core.adjusting import PRICES
from stock_assets.core.cleaning import rule

UNADJUSTED_SPLIT_TOLERANCE = 0.1
"""How near, in log terms, a jump must be to a recorded split to be taken for a split not applied."""

SMALLEST_TELLING_SPLIT = 0.2
"""Splits below this absolute log ratio (1.22 for 1) are not judged here: an ordinary bad session looks the same."""

UNMISTAKABLE = 8.0
"""A split is repaired when its log ratio is at least this many usual moves: 2 for 1 in anything moving less than 9 %.

A stock that moves by 2 % a session makes a jump of 8 such moves once in 500 sessions; just by the ratio, close to a
recorded split and with a quiet bar on both sides, it makes none.
"""

QUIET = 1 / 3
"""Largest range of the bars at an edge, from low to high in log terms, as a share of the split's log ratio.

When a market halves a price, it does not trade within a third of that on the session: NVDA fell by 35 % on 2004-08-06
(its splits were 3 for 2 and 2 for 1), and GME moved by 50 % a session in January 2021 in bars as wide.
"""

USUAL_MOVES_OFF = 5.0
"""How many usual moves the jump at an edge may miss the ratio by: the market moved on that session too."""

NEAR = 10
"""Sessions from a recorded split within which a single edge is taken for its own: sources date it up to a week off.

Further away only a stretch with an edge at both ends is: a crash has one.
"""


def with_splits_applied(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars still in the shares of before a recorded split are brought to the new ones (`split_applied`).

    Such bars begin and end with a jump by the ratio, and the bars on both sides of a jump are quiet: open, high, low
    and close made it together. They are a stretch or a single bar before the split or shortly after it, or all bars up
    to one jump near the split. Prices and adj_close are divided by the ratio, volume is multiplied by it, and dividends
    are divided too, unless the adjusted close shows that they are in new shares already.

    Halts when the last bars seem to be in old shares, and when a jump by the ratio that is not unmistakable is on the
    split's own session; where a split was applied, the close hardly notices.
    """
    split = frame["stock_splits"].to_numpy()
    ratio = np.log(np.where((split > 0) & np.isfinite(split), split, 1.0))
    telling = np.abs(ratio) >= SMALLEST_TELLING_SPLIT
    unended = np.zeros(len(frame), dtype=bool)
    for row in np.flatnonzero(telling)[::-1]:
        old, last_begin = _in_old_shares(frame, row)
        unended[last_begin] = True
        if old.any():
            frame = _in_new_shares(frame, old, float(split[row]))
    listed = frame.assign(close_before=frame["close"].shift(1))
    close, before = (listed[name].to_numpy() for name in ("close", "close_before"))
    bad = unended | (telling & (np.abs(np.log(close / before) + ratio) <= UNADJUSTED_SPLIT_TOLERANCE))
    what = "with a split that the prices before it are not adjusted for"
    if unended.any():
        what = "from which on prices seem to be in the shares of before a split"
    rule.halt(
        snapshot, listed, bad, what, "prices before a split in new shares", ("stock_splits", "close_before", "close")
    )
    return frame


def _in_old_shares(frame: pd.DataFrame, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars (bool, one a row) that the split on `row` was not applied to, and where such bars begin that never end.

    The latter as positions, one or none, when near the split.
    """
    ratio = float(np.log(frame["stock_splits"].to_numpy()[row]))
    begins, ends, doubtful = _edges(frame, ratio)
    old = np.zeros(len(frame), dtype=bool)
    begin: int | None = 0
    for edge in np.flatnonzero(begins | ends):
        if begins[edge]:
            begin = int(edge)
        elif begin is not None:
            # One jump alone, from the start of the data, may be the market's, or have a beginning that was not clear.
            single = abs(edge - row) <= NEAR and not doubtful[:edge].any()
            if single if begin == 0 else begin <= row + NEAR:
                old[begin:edge] = True
            begin = None
    unended = [begin] if begin and abs(begin - row) <= NEAR else []
    return old, np.array(unended, dtype=int)


def _edges(frame: pd.DataFrame, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First bars of stretches in old shares, first bars after them, and what may be one of the former (bool, each)."""
    prices = np.log(frame[list(PRICES)].to_numpy())
    close = frame["close"].to_numpy()
    ranges = np.ptp(prices, axis=1)
    jumps = np.full(len(frame), np.nan)
    jumps[1:] = np.diff(prices[:, PRICES.index("close")])
    possible = np.flatnonzero(np.abs(np.abs(jumps) - abs(ratio)) <= abs(ratio) / 3)
    begins, ends, doubtful = np.zeros((3, len(frame)), dtype=bool)
    if not len(possible):
        return begins, ends, doubtful
    paid = np.nan_to_num(frame["dividends"].to_numpy()[possible], posinf=0.0)
    payable = np.where((paid > 0) & (paid < close[possible - 1]), paid, 0.0)
    # A special dividend makes such a jump as well, and then none is left once it is added.
    earned = np.log((close[possible] + payable) / close[possible - 1])
    usual = evidence.usual_moves(close, possible)
    tolerance = np.minimum(USUAL_MOVES_OFF * usual, abs(ratio) / 4)
    clear = abs(ratio) >= UNMISTAKABLE * usual
    quiet = np.maximum(ranges[possible], ranges[possible - 1]) <= QUIET * abs(ratio)
    for edges, expected in ((begins, ratio), (ends, -ratio)):
        edges[possible] = clear & quiet & (np.abs(earned - expected) <= tolerance)
    doubtful[possible] = ~begins[possible] & (np.sign(earned) == np.sign(ratio))
    return begins, ends, doubtful


def _in_new_shares(frame: pd.DataFrame, old: np.ndarray, ratio: float) -> pd.DataFrame:
    close, paid = frame["close"].to_numpy(), (frame["dividends"] + frame["capital_gains"]).to_numpy()
    implied = evidence.implied_payments(close, frame["adj_close"].to_numpy())
    payments = old & (paid > 0) & np.isfinite(implied)
    # Of dividends in new shares the bars as they stand make `ratio` times as much.
    off_if_new, off_if_old = (np.abs(implied - amounts)[payments].sum() for amounts in (paid * ratio, paid))
    rescaled = frame.assign(**{name: frame[name].where(~old, frame[name] / ratio) for name in (*PRICES, "adj_close")})
    rescaled["volume"] = frame["volume"].where(~old, np.rint(frame["volume"] * ratio))
    if off_if_old <= off_if_new:
        for name in ("dividends", "capital_gains"):
            rescaled[name] = frame[name].where(~old, frame[name] / ratio)
    return rule.flag(rescaled, old, "split_applied")
