"""Rule about the unit of prices: pounds among pence, dollars among cents, so 100 times too much or too little.

Exchanges quote some stocks in hundredths of a currency, and sources mix the two up: in one price, in a bar, in a
stretch of bars, or from some session on when the quotation changes. No market makes such a jump. Splits that were not
applied look alike: nothing is done where one is recorded, and it halts where the volume says that there was one.
"""

import numpy as np
import pandas as pd

from stock_assets.core import evidence
from stock_assets.core.adjusting import PRICES
from stock_assets.core.cleaning import rule

UNIT = 100.0
"""The one ratio between units of quotation: pence to the pound, cents to the dollar or the rand.

Slips by 10 or 1,000 are no units, and there is no second thing to tell them by: they are reported by
validation.prices_do_not_spike, not repaired.
"""

BAND = 1.5
"""By how much a ratio may miss 100 or 1/100 and still be a change of unit: what the market itself did meanwhile.

So 67 to 150 times. The largest ratio from low to high of 50,000 real bars is 1.43; a wider band would take in reverse
splits that were not applied (1 for 50, 1 for 200).
"""

TELLING = 30.0
"""Jumps above this are no market's: a repair must not leave one behind, and a split above it explains one by 100."""

MIXED = 10.0
"""A bar whose highest price is more than this times its lowest may have prices in two units (real bars: 1.43)."""

NEAR_SPLIT = 10
"""Bars before and after a recorded split by more than `TELLING` on which jumps are left to the rules of splits."""

SETTLED = 10
"""More than half of this many last bars with trades must be in the unit of the very last of them; else it halts.

Whether a few odd bars at the end are a slip or the first ones in a new unit only the next sessions tell.
"""

COMPARED_VOLUMES = (5, 20)
"""Fewest and most bars with trades on each side of a jump whose median volumes are compared.

A split by 100 multiplies the volume by 100 just where it divides the price; a change of unit leaves the volume as it
is. The ratio of the medians is held against 10, half-way. Fewer than five bars say nothing; no split is undone so soon.
"""

USUAL_YIELD = 0.005
"""Share of the price that a usual dividend is: 0.2 to 3 %, so less than a tenth or more than ten times 0.5 % is not.

Only for payments in bars that are rescaled, all of a stretch together: one special dividend alone may be 10 %.
"""

PAYMENTS = ("dividends", "capital_gains")


def in_one_unit(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Prices that are 100 times too large or small are brought to the unit of the newest bars with trades.

    Whole bars, from a jump by 100 to the jump back or to an end of the history: `bar_rescaled_by_100`. Single prices,
    against the rest of their bar and the bars around: `price_rescaled_by_100`. Volume stays: a share is a share.
    Dividends and capital gains follow their bars where that brings them nearer to what the source's adjusted close was
    made of, or without one to `USUAL_YIELD`: sources keep them apart. adj_close is judged by itself.

    Prices must be positive and in order. Halts when only the last few bars are in another unit, when units differ by
    more than 100, when the volume says that it was a split, and when a jump by more than `TELLING` would be left.
    """
    hundreds = _hundreds(frame[list(PRICES)].to_numpy())
    may_change, traded = ~_near_a_large_split(frame), _traded(frame["volume"].to_numpy())
    pure = np.ptp(hundreds, axis=1) < _hundreds(MIXED)
    if not pure.any():
        return frame

    by_bar = np.zeros(len(frame))
    by_bar[pure] = _powers_of_bars(frame.loc[pure], np.median(hundreds[pure], axis=1), may_change[pure], snapshot)
    by_price = _powers_of_prices(hundreds, by_bar, pure)
    by_adj_close = _powers_of_adj_close(frame["adj_close"].to_numpy(), may_change, traded)
    if not (by_price.any() or by_adj_close.any()):
        return frame

    rescaled = frame.assign(adj_close=frame["adj_close"] * UNIT**by_adj_close)
    for column, name in enumerate(PRICES):
        rescaled[name] = frame[name] * UNIT ** by_price[:, column]
    by_payment = _powers_of_payments(rescaled, by_bar)
    for name in PAYMENTS:
        rescaled[name] = frame[name] * UNIT**by_payment
    rescaled = rule.flag(rescaled, by_bar != 0, "bar_rescaled_by_100")
    return rule.flag(rescaled, ~pure & by_price.any(axis=1), "price_rescaled_by_100")


def _hundreds(values: np.ndarray | float) -> np.ndarray:
    """Logarithms to the base of 100: a change of unit is a step by one."""
    return np.log(values) / np.log(UNIT)


def _traded(volume: np.ndarray) -> np.ndarray:
    """Bars with trades, or all of them where no bar has any: an index, a currency."""
    traded = volume > 0
    return traded if traded.any() else np.ones(len(volume), dtype=bool)


def _near_a_large_split(frame: pd.DataFrame) -> np.ndarray:
    ratio = frame["stock_splits"].to_numpy()
    large = (ratio > 0) & np.isfinite(ratio) & ((ratio > TELLING) | (ratio < 1 / TELLING))
    near = np.zeros(len(frame), dtype=bool)
    for row in np.flatnonzero(large):
        near[max(0, row - NEAR_SPLIT) : row + NEAR_SPLIT + 1] = True
    return near


def _changes(levels: np.ndarray, may_change: np.ndarray) -> np.ndarray:
    """+1 or -1 on each row that begins in a unit 100 times smaller or larger than the row before, else 0."""
    steps = np.diff(levels, prepend=levels[:1])
    ones = np.rint(steps)
    return np.where((np.abs(ones) == 1) & (np.abs(steps - ones) <= _hundreds(BAND)) & may_change, ones, 0.0)


def _powers_of_bars(
    frame: pd.DataFrame, levels: np.ndarray, may_change: np.ndarray, snapshot: rule.Snapshot
) -> np.ndarray:
    """The power of 100 that each bar is to be multiplied by; `levels`: its median price in `_hundreds`."""
    changes = _changes(levels, may_change)
    if not changes.any():
        return changes
    shown = (*PRICES, "volume")
    units = np.cumsum(changes)
    newest = np.flatnonzero(_traded(frame["volume"].to_numpy()))[-SETTLED:]
    powers = units[newest[-1]] - units
    at = changes != 0
    if (powers[newest] == 0).mean() <= 0.5:
        what = "where prices jump by 100, too few sessions ago to tell a slip from a new unit"
        rule.halt(snapshot, frame, at, what, f"most of the last {len(newest)} bars in the unit of the last one", shown)
    rule.halt(snapshot, frame, np.abs(powers) > 1, "off by 100 times 100", "at most two units of prices", shown)
    what, expected = "where prices jump by 100 and the volume the other way", "a change of unit, or a recorded split"
    rule.halt(snapshot, frame, _volume_says_split(frame["volume"].to_numpy(), changes), what, expected, shown)
    left = np.abs(np.diff(levels + powers, prepend=levels[0] + powers[0])) > _hundreds(TELLING)
    what = f"where prices jump by more than {TELLING:g}, but by no 100, while elsewhere they jump by 100"
    rule.halt(snapshot, frame, left, what, "prices in one unit once those by 100 are rescaled", shown)
    return powers


def _volume_says_split(volume: np.ndarray, changes: np.ndarray) -> np.ndarray:
    fewest, most = COMPARED_VOLUMES
    says = np.zeros(len(changes), dtype=bool)
    at = np.flatnonzero(changes)
    ends = [0, *at.tolist(), len(changes)]
    for start, row, end in zip(ends, at, ends[2:], strict=False):
        before, after = volume[start:row], volume[row:end]
        before, after = before[before > 0][-most:], after[after > 0][:most]
        if min(len(before), len(after)) >= fewest:
            says[row] = _hundreds(np.median(after) / np.median(before)) * changes[row] <= -0.5
    return says


def _powers_of_prices(hundreds: np.ndarray, by_bar: np.ndarray, pure: np.ndarray) -> np.ndarray:
    """`by_bar` for each price; in mixed bars what brings each price next to the bars around, if that is beyond doubt.

    It is when all four prices, rescaled by 100 or not at all, come within `BAND` of the mean of the bars around.
    """
    powers = np.repeat(by_bar[:, np.newaxis], hundreds.shape[1], axis=1)
    mixed, known = np.flatnonzero(~pure), np.flatnonzero(pure)
    if not (len(mixed) and len(known)):
        return powers
    levels = np.median(hundreds[known], axis=1) + by_bar[known]
    following = np.searchsorted(known, mixed)
    around = (levels[np.maximum(following - 1, 0)] + levels[np.minimum(following, len(known) - 1)]) / 2
    off = hundreds[mixed] - around[:, np.newaxis]
    ones = np.rint(off)
    certain = ((np.abs(ones) <= 1) & (np.abs(off - ones) <= _hundreds(BAND))).all(axis=1)
    powers[mixed[certain]] = -ones[certain]
    return powers


def _powers_of_payments(rescaled: pd.DataFrame, by_bar: np.ndarray) -> np.ndarray:
    """`by_bar` on stretches whose payments are in the unit of their bars, 0 elsewhere; prices are rescaled already."""
    paid = rescaled[list(PAYMENTS)].to_numpy().sum(axis=1)
    close = rescaled["close"].to_numpy()
    before = np.concatenate([close[:1], close[:-1]])
    implied = evidence.implied_payments(close, rescaled["adj_close"].to_numpy())
    # An amount that is not 1/1,000 of the price at least can't be told from the rounding of adjusted closes.
    expected = np.where(implied > before / 1000, implied, USUAL_YIELD * before)
    rows = np.flatnonzero((paid > 0) & (by_bar != 0))
    stretch = np.cumsum(np.diff(by_bar, prepend=by_bar[:1]) != 0)
    powers = np.zeros(len(by_bar))
    for number in np.unique(stretch[rows]):
        mine = rows[stretch[rows] == number]
        off, power = np.median(_hundreds(paid[mine] / expected[mine])), by_bar[mine[0]]
        if abs(off + power) < abs(off):
            powers[stretch == number] = power
    return powers


def _powers_of_adj_close(adj_close: np.ndarray, may_change: np.ndarray, traded: np.ndarray) -> np.ndarray:
    """The same for adj_close, which halts nothing: where it makes no sense it stays as it is."""
    powers = np.zeros(len(adj_close))
    rows = np.flatnonzero((adj_close > 0) & np.isfinite(adj_close))
    if len(rows):
        units = np.cumsum(_changes(_hundreds(adj_close[rows]), may_change[rows]))
        newest = np.flatnonzero(traded[rows])
        offset = units[newest[-1] if len(newest) else -1] - units
        if np.abs(offset).max() <= 1:
            powers[rows] = offset
    return powers
