"""Rules about single bars: order, repetition, sessions, missing and impossible numbers."""

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.cleaning import rule

ROUNDING_TOLERANCE = 1e-4
"""How far, relatively, open or close may lie outside of low..high on any bar before it counts as an error.

Sources round prices to 6 or 7 digits after adjusting them for splits, each on its own: at a price of 0.01 and six
decimals that is 5e-5. In 50,000 real bars (eight large stocks, two fetches) nothing was outside at all.
"""

PROVISIONAL_TOLERANCE = 1e-2
"""The same for the last bar, which Yahoo still completes overnight: its high and low can lag behind open and close.

Among 10.7 million stored evening bars one in a thousand was like that (github.com/daniel3303/Equibles, issue 4278);
the example given there, CBOE on 2026-07-31, had its low 0.08 % above its open, and was right the next morning.
"""

MAX_INCOMPLETE_SHARE = 0.01
"""Bars without prices that may be left out, as a share of all bars; one is always allowed, the last bar never is."""


def in_order(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars sorted by session; none may be later than the snapshot."""
    rule.halt(snapshot, frame, frame.index > pd.Timestamp(snapshot.as_of), "later than the snapshot", "no later bar")
    return frame.sort_index(kind="stable")


def without_repeated_bars(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A session's bar that came several times is kept once (`repeated_bar_dropped`); different ones halt."""
    values = frame[list(rule.INPUTS)]
    same_session = frame.index.duplicated(keep=False)
    # NaN counts as equal to NaN here, as it should: a missing price sent twice is the same bar twice.
    same_bar = values.assign(session=frame.index).duplicated(keep=False).to_numpy()
    rule.halt(snapshot, frame, same_session & ~same_bar, "given twice with different values", "one bar a session")
    repeated = frame.index.duplicated(keep="first")
    return rule.flag(frame, same_session, "repeated_bar_dropped").loc[~repeated]


def on_sessions(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars on dates without trading are left out (`non_session_dropped_before`) when they say nothing new.

    That is: no dividend, no split, and either no price at all, or no volume and every price equal to the bar before
    or to its close. Anything else on such a date halts: either the bar is false or the calendar is.
    """
    first, last = frame.index[0].date(), frame.index[-1].date()
    known = sessions.sessions_between(max(first, sessions.FIRST_SESSION), min(last, sessions.LAST_SESSION))
    outside = ~frame.index.isin(known)
    prices = frame[list(PRICES)].to_numpy()
    before = np.vstack([np.full(len(PRICES), np.nan), prices[:-1]])
    empty = np.isnan(prices).all(axis=1)
    copied = (prices == before).all(axis=1) | (prices == before[:, [PRICES.index("close")]]).all(axis=1)
    idle = frame["volume"].fillna(0.0).eq(0).to_numpy()
    says_nothing = (empty | (idle & copied)) & rule.without_events(frame)
    rule.halt(
        snapshot,
        frame,
        outside & ~says_nothing,
        "on a date that is no session of XNYS",
        "bars on sessions only",
        PRICES,
    )
    return rule.drop(frame, outside, "non_session_dropped_before", snapshot)


def with_complete_bars(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars that lack a price are left out (`incomplete_bar_dropped_before`) when they are few.

    At most 1 % of all bars, or one; never the last bar, nor one that carries a dividend or a split. Otherwise halts.
    """
    incomplete = np.isnan(frame[list(PRICES)].to_numpy()).any(axis=1)
    if not incomplete.any():
        return frame
    last = np.arange(len(frame)) == len(frame) - 1
    rule.halt(snapshot, frame, incomplete & last, "without all prices, and the last", "a complete last bar", PRICES)
    rule.halt(
        snapshot,
        frame,
        incomplete & ~rule.without_events(frame),
        "without all prices, but with a dividend or split",
        "complete bars where there is an event",
        (*PRICES, "dividends", "stock_splits"),
    )
    allowed = max(1, int(MAX_INCOMPLETE_SHARE * len(frame)))
    if incomplete.sum() > allowed:
        what = f"without all prices, of {len(frame)} bars"
        rule.halt(snapshot, frame, incomplete, what, f"at most {allowed}", PRICES)
    return rule.drop(frame, incomplete, "incomplete_bar_dropped_before", snapshot)


def with_positive_prices(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A price that is zero, negative or infinite halts: it is not known what it was."""
    prices = frame[list(PRICES)].to_numpy()
    bad = ~((prices > 0) & np.isfinite(prices)).all(axis=1)
    rule.halt(snapshot, frame, bad, "with a price that is not positive", "prices above zero", PRICES)
    return frame


def with_close_between_low_and_high(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """High and low are widened to include open and close (`high_low_widened`) when they miss them by little.

    Little is `ROUNDING_TOLERANCE`, on the last, provisional bar `PROVISIONAL_TOLERANCE`; more halts. Open and close
    are trades, so high and low include them by definition; the price itself is never touched.
    """
    open_, high, low, close = (frame[name].to_numpy() for name in PRICES)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    outside = (top > high) | (bottom < low)
    if not outside.any():
        return frame
    excess = np.maximum(top / high - 1, 1 - bottom / low)
    tolerance = np.full(len(frame), ROUNDING_TOLERANCE)
    tolerance[-1] = PROVISIONAL_TOLERANCE
    limits = f"at most {ROUNDING_TOLERANCE:.2%} outside, on the last bar {PROVISIONAL_TOLERANCE:.0%}"
    rule.halt(snapshot, frame, excess > tolerance, "with open or close outside of low to high", limits, PRICES)
    widened = frame.assign(high=np.maximum(high, top), low=np.minimum(low, bottom))
    return rule.flag(widened, outside, "high_low_widened")


def with_whole_volume(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Volumes in whole shares (`volume_rounded` where they were not). Missing or negative ones halt; zero is kept.

    A zero is what yfinance makes of a missing volume, and what a session without a trade has: it can't be told apart.
    """
    volume = frame["volume"].to_numpy()
    # 2**53: the floats that hold whole numbers exactly; the largest volume ever is below 10**11 shares.
    bad = ~((volume >= 0) & (volume < 2.0**53))
    rule.halt(snapshot, frame, bad, "with an impossible volume", "a number of shares, 0 or more", ("volume",))
    whole = np.rint(volume)
    return rule.flag(frame.assign(volume=whole), volume != whole, "volume_rounded")
