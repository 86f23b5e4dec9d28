"""Rules about single bars: order, repetition, sessions, missing and impossible numbers."""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.cleaning import rule

HIGH_LOW_TOLERANCE = 1e-2
"""How far, relatively, open or close may lie outside of low..high before it is no longer a slip.

Sources round each price by itself after adjusting it for splits, take an opening price from another venue than high and
low, and still complete the last bar overnight. In 50,000 real bars of eight large US stocks nothing was outside at all;
among 10.7 million stored evening bars one in a thousand was (github.com/daniel3303/Equibles, issue 4278; CBOE on
2026-07-31 had its low 0.08 % above its open). Stocks of other exchanges that are otherwise sound miss by up to 1 %
(SSW.JO in May 2023: four bars of 22, by 0.12 to 0.63 %), unsound ones by 3 to 20 %.
"""

MAX_INCOMPLETE_SHARE = 0.01
"""Bars without prices that may be left out, as a share of all bars; one is always allowed, the last bar never is."""

MAX_INCOMPLETE_A_YEAR = 5
"""Bars without prices that may be left out of any 252 successive ones. A week is a slip, more is an outage."""

LONG_AGO_YEARS = 20
"""A history may begin after a stretch of incomplete bars if that ended longer ago than this.

Yahoo has no opening prices (0) of many old tickers in the 1960s to early 1980s. What is missing in the last twenty
years is a fault that somebody should look at.
"""


def in_order(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars sorted by session; none may be later than the snapshot."""
    rule.halt(snapshot, frame, frame.index > pd.Timestamp(snapshot.as_of), "later than the snapshot", "no later bar")
    return frame.sort_index(kind="stable")


def without_repeated_bars(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A session's bar that came several times is kept once (`repeated_bar_dropped`); different ones halt.

    A row that says nothing at all, beside one that does, is not a different bar.
    """
    if frame.index.is_unique:
        return frame
    values = frame[list(rule.INPUTS)]
    same_session = frame.index.duplicated(keep=False)
    silent = frame[list(PRICES)].isna().to_numpy().all(axis=1) & rule.without_events(frame)
    silent &= frame["volume"].fillna(0.0).eq(0).to_numpy()
    superfluous = same_session & silent & frame.index.isin(frame.index[~silent])
    # NaN counts as equal to NaN here, as it should: a missing price sent twice is the same bar twice.
    same_bar = values.assign(session=frame.index).duplicated(keep=False).to_numpy()
    speaking = ~superfluous
    still_same_session = np.zeros(len(frame), dtype=bool)
    still_same_session[speaking] = frame.index[speaking].duplicated(keep=False)
    rule.halt(snapshot, frame, still_same_session & ~same_bar, "given twice with different values", "one bar a session")
    flagged = rule.flag(frame, same_session, "repeated_bar_dropped").loc[speaking]
    return flagged.loc[~flagged.index.duplicated(keep="first")]


def on_sessions(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars on dates without trading are left out (`non_session_dropped_before`) when they say nothing new.

    That is: no price at all, or neither volume, dividend nor split, and every price equal to the bar before or to its
    close. A dividend or split without prices is moved to the next bar. Anything else on such a date halts: the bar is
    false, or its date is (the message says when whole weeks look shifted, say from Monday to Friday to Sunday to
    Thursday), or the calendar is.
    """
    first, last = frame.index[0].date(), frame.index[-1].date()
    known = sessions.sessions_between(max(first, sessions.FIRST_SESSION), min(last, sessions.LAST_SESSION))
    outside = ~frame.index.isin(known)
    prices = frame[list(PRICES)].to_numpy()
    before = np.vstack([np.full(len(PRICES), np.nan), prices[:-1]])
    empty = np.isnan(prices).all(axis=1)
    copied = (prices == before).all(axis=1) | (prices == before[:, [PRICES.index("close")]]).all(axis=1)
    idle = frame["volume"].fillna(0.0).eq(0).to_numpy()
    says_nothing = idle & (empty | (copied & rule.without_events(frame)))
    real = outside & ~says_nothing
    what = f"on a date that is no session of XNYS{_looks_shifted(frame.index, real)}"
    rule.halt(snapshot, frame, real, what, "bars on sessions only", PRICES)
    return rule.drop(frame, outside, "non_session_dropped_before", snapshot)


def _looks_shifted(index: pd.Index, real: np.ndarray) -> str:
    """What to say when all bars on non-sessions would be on sessions a day earlier or later, and sessions are missing.

    A week that is dated a day off has one bar on a weekend and lacks one at its other end.
    """
    stray = index[real]
    if stray.empty or stray[0].date() < sessions.FIRST_SESSION or stray[-1].date() > sessions.LAST_SESSION:
        return ""
    week, date = pd.Timedelta(days=6), pd.Timedelta(days=1)
    first = max(stray[0] - week, index[0]).date()
    last = min(stray[-1] + week, index[-1]).date()
    missing = (~sessions.sessions_between(first, last).isin(index)).sum()
    for shift in (1, -1):
        if missing >= len(stray) / 2 and all(sessions.is_session((on - shift * date).date()) for on in stray):
            return f" (looks like dates shifted by {shift:+d} day from {stray[0]:%Y-%m-%d} to {stray[-1]:%Y-%m-%d})"
    return ""


def with_complete_bars(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Bars that lack a price, or have 0 in its place, are left out (`incomplete_bar_dropped_before`) when they are few.

    At most 1 % of all bars, or one, and five of any 252; never the last bar. Otherwise halts. A beginning of mostly
    such bars, more than `LONG_AGO_YEARS` ago, is left out whole (`incomplete_beginning_dropped`). What was paid out or
    split on a bar left out is moved to the next (see `rule.drop`).
    """
    prices = frame[list(PRICES)].to_numpy()
    incomplete = (np.isnan(prices) | (prices == 0)).any(axis=1)
    if not incomplete.any():
        return frame
    last = np.arange(len(frame)) == len(frame) - 1
    rule.halt(snapshot, frame, incomplete & last, "without all prices, and the last", "a complete last bar", PRICES)
    beginning = _incomplete_beginning(frame.index, incomplete, snapshot)
    frame = rule.drop(frame, beginning, "incomplete_beginning_dropped", snapshot)
    incomplete = incomplete[~beginning]
    _halt_unless_few(frame, snapshot, incomplete, "without all prices", PRICES)
    return rule.drop(frame, incomplete, "incomplete_bar_dropped_before", snapshot)


def _incomplete_beginning(index: pd.Index, incomplete: np.ndarray, snapshot: rule.Snapshot) -> np.ndarray:
    """The rows up to where incomplete ones outnumber complete ones most, if that is long ago; else none."""
    surplus = np.cumsum(np.where(incomplete, 1, -1))
    end = int(surplus.argmax()) + 1
    long_ago = snapshot.as_of - index[end - 1].date() > datetime.timedelta(days=365.25 * LONG_AGO_YEARS)
    return (np.arange(len(index)) < end) & (surplus.max() > 0) & long_ago


def _halt_unless_few(
    frame: pd.DataFrame, snapshot: rule.Snapshot, rows: np.ndarray, what: str, shown: tuple[str, ...]
) -> None:
    allowed = max(1, int(MAX_INCOMPLETE_SHARE * len(frame)))
    up_to = np.concatenate([[0], np.cumsum(rows)])
    in_a_year = up_to[1:] - up_to[np.maximum(np.arange(len(rows)) - 251, 0)]
    if rows.sum() > allowed or (in_a_year > MAX_INCOMPLETE_A_YEAR).any():
        expected = f"at most {allowed}, and {MAX_INCOMPLETE_A_YEAR} of 252 in a row"
        rule.halt(snapshot, frame, rows, f"{what}, of {len(frame)} bars", expected, shown)


def with_positive_prices(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A price that is negative or infinite halts: it is not known what it was."""
    prices = frame[list(PRICES)].to_numpy()
    bad = ~((prices > 0) & np.isfinite(prices)).all(axis=1)
    rule.halt(snapshot, frame, bad, "with a price that is not positive", "prices above zero", PRICES)
    return frame


def with_close_between_low_and_high(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """High and low are widened to include open and close (`high_low_widened`) when they miss them by little.

    Little is `HIGH_LOW_TOLERANCE`; more halts. Open and close are trades, so high and low include them by definition;
    open and close themselves are never touched.
    """
    open_, high, low, close = (frame[name].to_numpy() for name in PRICES)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    outside = (top > high) | (bottom < low)
    if not outside.any():
        return frame
    excess = np.maximum(top / high - 1, 1 - bottom / low)
    limit = f"at most {HIGH_LOW_TOLERANCE:.0%} outside"
    rule.halt(snapshot, frame, excess > HIGH_LOW_TOLERANCE, "with open or close outside of low to high", limit, PRICES)
    widened = frame.assign(high=np.maximum(high, top), low=np.minimum(low, bottom))
    return rule.flag(widened, outside, "high_low_widened")


def with_known_volume(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A missing volume on an earlier bar becomes 0 (`missing_volume_taken_as_zero`) when such bars are few.

    Few as in `with_complete_bars`; on the last bar it halts, as that bar is not finished then. The prices of the bar
    are real and the return over it needs them; 0 is what Yahoo's usual client makes of a missing volume anyway.
    """
    missing = np.isnan(frame["volume"].to_numpy())
    if not missing.any():
        return frame
    last = np.arange(len(frame)) == len(frame) - 1
    rule.halt(snapshot, frame, missing & last, "without volume, and the last", "a complete last bar", ("volume",))
    _halt_unless_few(frame, snapshot, missing, "without volume", ("volume",))
    return rule.flag(frame.assign(volume=frame["volume"].fillna(0.0)), missing, "missing_volume_taken_as_zero")


def with_whole_volume(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Volumes in whole shares (`volume_rounded` where they were not); negative or endless ones halt, zero is kept."""
    volume = frame["volume"].to_numpy()
    # 2**53: the floats that hold whole numbers exactly; the largest volume ever is below 10**11 shares.
    bad = ~((volume >= 0) & (volume < 2.0**53))
    rule.halt(snapshot, frame, bad, "with an impossible volume", "a number of shares, 0 or more", ("volume",))
    whole = np.rint(volume)
    return rule.flag(frame.assign(volume=whole), volume != whole, "volume_rounded")
