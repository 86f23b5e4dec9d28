"""From raw bars to validated, adjusted prices: one small rule for each known fault, applied in the order of `RULES`.

A rule takes and returns a frame. What it can repair with certainty it repairs, and flags in `repairs`; what it can't,
halts with a `BadPricesError` that names ticker, snapshot, sessions and values. No rule invents a price or a session.
The formulas of the adjustment live in adjusting; questions asked of finished tables live in validation.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stock_assets.core import adjusting, schemas, sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import BadPricesError, SchemaError

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

UNADJUSTED_SPLIT_TOLERANCE = 0.1
"""How near, in log terms, a jump of the close must be to a recorded split to be taken for a split not applied."""

SMALLEST_TELLING_SPLIT = 0.2
"""Splits below this absolute log ratio (1.22 for 1) are not judged: an ordinary bad session looks the same."""

_INPUTS = (*PRICES, "volume", "dividends", "stock_splits")
_SHOWN = 3


@dataclass(frozen=True)
class Snapshot:
    """Whose prices are cleaned, as of which session; rules need it for limits and messages."""

    ticker: str
    as_of: datetime.date


Rule = Callable[[pd.DataFrame, Snapshot], pd.DataFrame]


def clean_prices(raw: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> pd.DataFrame:
    """The table `clean_prices` (see schemas.CLEAN_PRICES) from raw bars as served on the evening of `as_of`.

    `raw` has the columns of schemas.RAW_PRICES; its adj_close is not used, as the adjustment is made anew from close
    and dividends. Rows may come in any order. The result depends on nothing but `raw`; sessions that are missing in
    between stay missing, and the total return of the next row spans the gap.

    Raises `SchemaError` when a column is missing or no number, `BadPricesError` when a rule can't repair what it sees.
    """
    snapshot = Snapshot(ticker, as_of)
    frame = _as_numbers(raw, snapshot)
    for rule in RULES:
        frame = rule(frame, snapshot)
    return schemas.validate(_adjusted(frame), schemas.CLEAN_PRICES, ticker=ticker, as_of=as_of)


def in_order(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Bars sorted by session; none may be later than the snapshot."""
    _halt(snapshot, frame, frame.index > pd.Timestamp(snapshot.as_of), "later than the snapshot", "no later bar")
    return frame.sort_index(kind="stable")


def without_repeated_bars(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """A session's bar that came several times is kept once (`repeated_bar_dropped`); different ones halt."""
    values = frame[list(_INPUTS)]
    same_session = frame.index.duplicated(keep=False)
    # NaN counts as equal to NaN here, as it should: a missing price sent twice is the same bar twice.
    same_bar = values.assign(session=frame.index).duplicated(keep=False).to_numpy()
    _halt(snapshot, frame, same_session & ~same_bar, "given twice with different values", "one bar a session")
    repeated = frame.index.duplicated(keep="first")
    return _flag(frame, same_session, "repeated_bar_dropped").loc[~repeated]


def on_sessions(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
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
    says_nothing = (empty | (idle & copied)) & _without_events(frame)
    _halt(
        snapshot,
        frame,
        outside & ~says_nothing,
        "on a date that is no session of XNYS",
        "bars on sessions only",
        PRICES,
    )
    return _drop(frame, outside, "non_session_dropped_before", snapshot)


def with_complete_bars(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Bars that lack a price are left out (`incomplete_bar_dropped_before`) when they are few.

    At most 1 % of all bars, or one; never the last bar, nor one that carries a dividend or a split. Otherwise halts.
    """
    incomplete = np.isnan(frame[list(PRICES)].to_numpy()).any(axis=1)
    if not incomplete.any():
        return frame
    last = np.arange(len(frame)) == len(frame) - 1
    _halt(snapshot, frame, incomplete & last, "without all prices, and the last", "a complete last bar", PRICES)
    _halt(
        snapshot,
        frame,
        incomplete & ~_without_events(frame),
        "without all prices, but with a dividend or split",
        "complete bars where there is an event",
        (*PRICES, "dividends", "stock_splits"),
    )
    allowed = max(1, int(MAX_INCOMPLETE_SHARE * len(frame)))
    if incomplete.sum() > allowed:
        what = f"without all prices, of {len(frame)} bars"
        _halt(snapshot, frame, incomplete, what, f"at most {allowed}", PRICES)
    return _drop(frame, incomplete, "incomplete_bar_dropped_before", snapshot)


def with_positive_prices(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """A price that is zero, negative or infinite halts: it is not known what it was."""
    prices = frame[list(PRICES)].to_numpy()
    bad = ~((prices > 0) & np.isfinite(prices)).all(axis=1)
    _halt(snapshot, frame, bad, "with a price that is not positive", "prices above zero", PRICES)
    return frame


def with_close_between_low_and_high(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
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
    _halt(snapshot, frame, excess > tolerance, "with open or close outside of low to high", limits, PRICES)
    widened = frame.assign(high=np.maximum(high, top), low=np.minimum(low, bottom))
    return _flag(widened, outside, "high_low_widened")


def with_whole_volume(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Volumes in whole shares (`volume_rounded` where they were not). Missing or negative ones halt; zero is kept.

    A zero is what yfinance makes of a missing volume, and what a session without a trade has: it can't be told apart.
    """
    volume = frame["volume"].to_numpy()
    # 2**53: the floats that hold whole numbers exactly; the largest volume ever is below 10**11 shares.
    bad = ~((volume >= 0) & (volume < 2.0**53))
    _halt(snapshot, frame, bad, "with an impossible volume", "a number of shares, 0 or more", ("volume",))
    whole = np.rint(volume)
    return _flag(frame.assign(volume=whole), volume != whole, "volume_rounded")


def with_plausible_events(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Dividends are at least 0 and less than the close before, split ratios at least 0; anything else halts."""
    dividend, split = frame["dividends"].to_numpy(), frame["stock_splits"].to_numpy()
    listed = frame.assign(close_before=frame["close"].shift(1))
    previous = listed["close_before"].to_numpy()
    bad_dividend = ~(dividend >= 0) | np.isinf(dividend) | (dividend >= previous)
    expected = "0, or more and less than the close before"
    _halt(snapshot, listed, bad_dividend, "with an impossible dividend", expected, ("dividends", "close_before"))
    bad_split = ~(split >= 0) | np.isinf(split)
    _halt(snapshot, frame, bad_split, "with an impossible split ratio", "0, or a positive ratio", ("stock_splits",))
    return frame


def with_splits_applied(frame: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """A recorded split whose session jumps by just that ratio was not applied to the prices before: halts.

    Where it was applied the close hardly notices. Judged close to close in log terms, see the two constants.
    """
    listed = frame.assign(close_before=frame["close"].shift(1))
    close, before, split = (listed[name].to_numpy() for name in ("close", "close_before", "stock_splits"))
    ratio = np.log(np.where(split > 0, split, 1.0))
    telling = np.abs(ratio) >= SMALLEST_TELLING_SPLIT
    bad = telling & (np.abs(np.log(close / before) + ratio) <= UNADJUSTED_SPLIT_TOLERANCE)
    what = "with a split that the prices before it are not adjusted for"
    _halt(snapshot, listed, bad, what, "prices before a split in new shares", ("stock_splits", "close_before", "close"))
    return frame


RULES: tuple[Rule, ...] = (
    in_order,
    without_repeated_bars,
    on_sessions,
    with_complete_bars,
    with_positive_prices,
    with_close_between_low_and_high,
    with_whole_volume,
    with_plausible_events,
    with_splits_applied,
)
"""In the order they are applied: later rules rely on what earlier ones established."""


def _as_numbers(raw: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """The columns that count, as float64 under a naive index in nanoseconds, and an empty `repairs`."""
    problems = [f"no column {name}" for name in _INPUTS if name not in raw.columns]
    problems += [
        f"column {name} is {raw[name].dtype}"
        for name in _INPUTS
        if name in raw.columns and (raw[name].dtype.kind not in "iuf")
    ]
    if not isinstance(raw.index, pd.DatetimeIndex):
        problems.append(f"index of {raw.index.dtype}")
    elif raw.index.tz is not None or raw.index.hasnans or not (raw.index == raw.index.normalize()).all():
        problems.append("index with time zones, times or missing sessions")
    if problems:
        raise SchemaError(
            f"{snapshot.ticker} {snapshot.as_of}: raw prices can't be read: {', '.join(problems)};"
            f" expected the numbers {', '.join(_INPUTS)} indexed by naive session"
        )
    if raw.empty:
        raise BadPricesError(f"{snapshot.ticker} {snapshot.as_of}: there are no bars at all; expected at least one")
    frame = raw[list(_INPUTS)].astype("float64")
    frame.index = pd.DatetimeIndex(raw.index.to_numpy().astype("datetime64[ns]"), name="session")
    return frame.assign(repairs=pd.Series("", index=frame.index, dtype="str"))


def _adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    split = frame["stock_splits"]
    clean = frame[[*PRICES, "volume"]].assign(
        volume=frame["volume"].astype("int64"),
        dividend=frame["dividends"],
        split_ratio=split.where(split > 0, 1.0),
    )
    total_return = adjusting.total_returns(pd.Series(clean["close"]), pd.Series(clean["dividend"]))
    return pd.concat([clean, adjusting.adjust(clean), total_return, frame["repairs"]], axis=1)


def _without_events(frame: pd.DataFrame) -> np.ndarray:
    return (frame["dividends"].eq(0) & frame["stock_splits"].isin([0.0, 1.0])).to_numpy()


def _flag(frame: pd.DataFrame, rows: ArrayLike, repair: str) -> pd.DataFrame:
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return frame
    earlier = frame["repairs"].to_numpy(dtype=object)
    flagged = [
        (f"{text},{repair}" if text else repair) if hit else text for text, hit in zip(earlier, mask, strict=True)
    ]
    return frame.assign(repairs=pd.Series(flagged, index=frame.index, dtype="str"))


def _drop(frame: pd.DataFrame, rows: ArrayLike, repair: str, snapshot: Snapshot) -> pd.DataFrame:
    """`frame` without `rows`; the next row kept is flagged, as its return spans the gap (after the last: the last)."""
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return frame
    kept = np.flatnonzero(~mask)
    if not len(kept):
        _halt(snapshot, frame, mask, "of no use, and no other", "at least one usable bar", PRICES)
    following = kept[np.minimum(np.searchsorted(kept, np.flatnonzero(mask)), len(kept) - 1)]
    heirs = np.zeros(len(frame), dtype=bool)
    heirs[following] = True
    return _flag(frame, heirs, repair).loc[~mask]


def _halt(
    snapshot: Snapshot,
    frame: pd.DataFrame,
    rows: ArrayLike,
    what: str,
    expected: str,
    shown: tuple[str, ...] = (),
) -> None:
    """Raises `BadPricesError` when any of `rows` is set; the message lists the first with the columns `shown`."""
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return
    bars = "1 bar" if mask.sum() == 1 else f"{mask.sum()} bars"
    listed = [_described(session, row, shown) for session, row in frame.loc[mask].head(_SHOWN).iterrows()]
    more = ", ..." if mask.sum() > _SHOWN else ""
    raise BadPricesError(
        f"{snapshot.ticker} {snapshot.as_of}: {bars} {what}: {', '.join(listed)}{more}; expected {expected}"
    )


def _described(session: object, row: Mapping[str, float], shown: tuple[str, ...]) -> str:
    values = " ".join(f"{name} {row[name]:.10g}" for name in shown)
    return f"{session:%Y-%m-%d} ({values})" if values else f"{session:%Y-%m-%d}"
