"""Is each bar one that a market can have made, alone and beside its neighbours?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import numpy as np
import pandas as pd

from stock_assets.core.adjusting import PRICES
from stock_assets.core.validation import finding

RECENT = 252
"""Bars whose share without volume is looked at: the last year, as thin trading in a stock's youth is no fault."""

MAX_ZERO_VOLUME_SHARE = 0.01
"""Share of recent bars without volume that passes; one bar always does. None of 50,000 real bars is without."""

TRADED_SHARE = 0.95
"""A stock with volume on this share of all its bars or more is one that trades on every session.

A single bar of it without volume is telling: where the price moves the volume is missing (sources write 0), where all
is as before the source has carried the last price on. In stocks that trade seldom both are usual.
"""

CENTS_SINCE = "2001-04-09"
"""All US exchanges quote in cents from this session on.

Before, in eighths and sixteenths of a dollar, quiet stocks closed at one price for many sessions, and truly so.
"""

STALE_BARS = 3
"""Successive bars with volume and the same four prices that are too many; with the same volume too, or at the end, two.

In 50,000 real bars there is not one pair. Among 600,000 simulated ones, of stocks down to 2 dollars, there are three
pairs, none of three, none with one volume; that one of them is the last bar of a snapshot is still less likely.
"""

STALE_CLOSES = 8
"""Successive bars with the same close that are too many.

In 50,000 real bars at most 3 (KO 2016-07-19), in 1.5 million simulated ones 6, at 8.59 dollars.
"""

SPIKE_OF_TRADE = 0.25
"""Smallest log distance from both neighbours at which open or close is a spike: 28 % above them or 22 % below.

The largest in 28,000 real bars (eight stocks, 2010 to 2024) is 0.17 (JPM and TSLA in March 2020), in 400,000 simulated
ones 0.19.
"""

SPIKE_OF_EXTREME = 0.5
"""The same for high and low, which lie farther out in truth: 65 % above everything around or 39 % below.

On 2010-05-06 and 2015-08-24 stocks were really traded far below all else for minutes: the largest real distances are
0.20 (AAPL) and 0.17 (JPM); PG was 0.43 below, and much of what was beyond was cancelled by the exchanges.
"""

SPIKE_MULTIPLE = 15
"""A spike is also this many times the usual move: the median absolute log change of the close in 63 bars around.

In wild times wide swings are real. Those above half of the smallest spike are at most 11 times the usual move (TSLA
2012-01-13).
"""

_AROUND = 31


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


def volume_is_seldom_zero(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Bars without volume are rare. Observed: how many there are too many.

    At most `MAX_ZERO_VOLUME_SHARE` of the last `RECENT` bars; and none with high above low, in a stock that trades on
    every session (`TRADED_SHARE`). Passes where no bar of the whole table has any: indices and currencies are not
    traded in shares.
    """
    if unreadable := finding.unreadable(frame, ("high", "low", "volume")):
        return unreadable
    n_recent = min(RECENT, len(frame))
    allowed = max(1, int(MAX_ZERO_VOLUME_SHARE * n_recent))
    expected = f"at most {allowed} of the last {n_recent} bars without volume, and none on which the price moved"
    none = frame["volume"].eq(0).to_numpy()
    if none.all():
        observed = "no volume at all, as indices and currencies have none"
        return finding.Finding(True, observed, expected, frame.iloc[:0], threshold=0)
    recent = none & (np.arange(len(frame)) >= len(frame) - n_recent)
    moved = none & frame["high"].gt(frame["low"]).to_numpy() & _is_traded(none)
    return finding.none_of(frame, moved | (recent & (recent.sum() > allowed)), expected)


def _is_traded(without_volume: np.ndarray) -> bool:
    return without_volume.mean() <= 1 - TRADED_SHARE


def prices_are_not_stale(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Bars do not repeat the bar before, nor closes the close before for long. Observed: bars that belong to a repeat.

    Repeats are `STALE_BARS` bars with volume and the same four prices, two at the end or with the same volume too;
    `STALE_CLOSES` bars with the same close; and in a stock that trades on every session a bar without volume that has
    the prices, or the close, of the bar before. Since `CENTS_SINCE`. A halted stock looks the same.
    """
    if unreadable := finding.unreadable(frame, (*PRICES, "volume")):
        return unreadable
    recent = frame.loc[frame.index >= pd.Timestamp(CENTS_SINCE)]
    if len(recent) < 2:
        return finding.none_of(recent, np.zeros(len(recent), dtype=bool), "0 rows that repeat the row before")
    prices, volume = recent[list(PRICES)].to_numpy(dtype="float64"), recent["volume"].to_numpy()
    same_prices = (prices[1:] == prices[:-1]).all(axis=1)
    traded = same_prices & (volume[1:] > 0) & (volume[:-1] > 0)
    close = prices[:-1, PRICES.index("close")]
    stale = (
        _in_a_row(traded & (volume[1:] == volume[:-1]), 2)
        | _in_a_row(traded, STALE_BARS)
        | _in_a_row(prices[1:, PRICES.index("close")] == close, STALE_CLOSES)
    )
    carried = (volume[1:] == 0) & (same_prices | (prices[1:] == close[:, np.newaxis]).all(axis=1))
    stale[1:] |= carried & _is_traded(volume == 0)
    stale[-1] |= traded[-1]
    expected = (
        f"0 rows in {STALE_BARS} equal bars in a row (2 with equal volume, or at the end),"
        f" in {STALE_CLOSES} equal closes in a row, or like the row before but without volume"
    )
    return finding.none_of(recent, stale, expected)


def _in_a_row(same_as_before: np.ndarray, n: int) -> np.ndarray:
    """Rows that belong to `n` or more equal ones in a row; `same_as_before` is about all rows but the first."""
    begins = np.concatenate([[True], ~same_as_before])
    group = np.cumsum(begins) - 1
    return np.bincount(group)[group] >= n


def prices_do_not_spike(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No price leaves its neighbours far behind and is back at once. Observed: rows where one does.

    Far is `SPIKE_OF_TRADE` in log terms for open (between the close before and its own close) and close (between the
    closes before and after), `SPIKE_OF_EXTREME` for high and low (against open, close, the close before and the open
    after), and `SPIKE_MULTIPLE` times the usual move. A wrong tick, or a slip by 10. The last bar is judged by what it
    has: its close can't be, as nobody knows yet whether it stays.
    """
    if unreadable := finding.unreadable(frame, PRICES):
        return unreadable
    prices = frame[list(PRICES)].to_numpy(dtype="float64")
    # What is not positive has no logarithm, and is for prices_are_positive to report.
    open_, high, low, close = np.log(np.where((prices > 0) & np.isfinite(prices), prices, np.nan)).T
    before = np.concatenate([[np.nan], close])[: len(close)]
    after, next_open = (np.concatenate([price, [np.nan]])[1:] for price in (close, open_))
    around = np.stack([open_, close, before, next_open])
    beyond = np.stack(
        [
            _same_side(open_ - before, open_ - close) / SPIKE_OF_TRADE,
            _same_side(close - before, close - after) / SPIKE_OF_TRADE,
            (high - np.fmax.reduce(around)) / SPIKE_OF_EXTREME,
            (np.fmin.reduce(around) - low) / SPIKE_OF_EXTREME,
        ]
    )
    far = beyond >= 1
    limits = np.array([SPIKE_OF_TRADE, SPIKE_OF_TRADE, SPIKE_OF_EXTREME, SPIKE_OF_EXTREME])
    spike = np.zeros(len(frame), dtype=bool)
    moves = np.abs(close - before)
    for row in np.flatnonzero(far.any(axis=0)):
        known = moves[max(0, row - _AROUND) : row + _AROUND + 1]
        known = known[~np.isnan(known)]
        usual = np.median(known) if len(known) else 0.0
        spike[row] = (far[:, row] & (beyond[:, row] * limits >= SPIKE_MULTIPLE * usual)).any()
    expected = f"0 rows with a price more than {SPIKE_MULTIPLE} usual moves off its neighbours and back at once"
    return finding.none_of(frame, spike, expected)


def _same_side(from_one: np.ndarray, from_other: np.ndarray) -> np.ndarray:
    """Distance to the nearer of two neighbours that lie on the same side; 0 in between, NaN where one is missing."""
    nearer = np.minimum(np.abs(from_one), np.abs(from_other))
    return np.where(from_one * from_other > 0, nearer, 0.0 * nearer)
