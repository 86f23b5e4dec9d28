"""Trading sessions of the New York Stock Exchange: which dates are sessions, their neighbours, when they close.

A session is a `datetime.date`. The calendar is the table in `closures`, 1960-01-04 to 2050-12-30; it does not depend
on the clock, nor on which release of exchange_calendars is installed (a test compares the two). No function here asks
what time it is: whoever calls passes `now`.
Dagster's partitions do not live here.
"""

import datetime
import re
from bisect import bisect_left, bisect_right
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stock_assets.core import closures
from stock_assets.core.errors import NotASessionError, SessionNotClosedError

FIRST_SESSION = datetime.date(1960, 1, 4)
LAST_SESSION = datetime.date(2050, 12, 30)
NEW_YORK = ZoneInfo("America/New_York")

# 22:00 UTC is 17:00 or 18:00 in New York: after the close in summer and winter, on half-sessions too, and with an
# hour at least for the closing auction's prices to arrive.
AVAILABLE_FROM = datetime.time(22, 0, tzinfo=datetime.UTC)

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def _all_sessions() -> tuple[datetime.date, ...]:
    closed = set(closures.closed_weekdays(FIRST_SESSION, LAST_SESSION))
    n_dates = (LAST_SESSION - FIRST_SESSION).days + 1
    dates = (FIRST_SESSION + datetime.timedelta(days=n) for n in range(n_dates))
    return tuple(date for date in dates if date.weekday() < 5 and date not in closed)


@cache
def calendar() -> NDArray[np.datetime64]:
    """Every session from `FIRST_SESSION` to `LAST_SESSION`, in nanoseconds; not to be written into."""
    dates = np.array(_all_sessions(), dtype="datetime64[D]").astype("datetime64[ns]")
    dates.flags.writeable = False
    return dates


def is_session(date: datetime.date) -> bool:
    """Whether the exchange opens on `date`. False outside 1960-01-04 to 2050-12-30."""
    position = bisect_left(_all_sessions(), date)
    return position < len(_all_sessions()) and _all_sessions()[position] == date


def to_session(value: str | datetime.date) -> datetime.date:
    """`value` as a session: a text `YYYY-MM-DD`, a date, or a timestamp at midnight without a time zone.

    Raises `NotASessionError` for anything else, and for a date on which the exchange does not open; the message says
    what came and which sessions are nearest.
    """
    date = _to_date(value)
    if not is_session(date):
        raise NotASessionError(_not_a_session(date))
    return date


def _to_date(value: str | datetime.date) -> datetime.date:
    if isinstance(value, datetime.datetime):
        if value.time() != datetime.time() or value.tzinfo is not None:
            raise NotASessionError(f"{value!s} is not a session: expected a date without a time and a time zone")
        return value.date()
    if isinstance(value, datetime.date):
        return value
    # date.fromisoformat alone would take 20201211 and 2020-W50-5 as well: one session, one spelling.
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        raise NotASessionError(f"{value!r} is not a session: expected a date such as 2020-12-11 (YYYY-MM-DD)")
    try:
        return datetime.date.fromisoformat(value)
    except ValueError as error:
        raise NotASessionError(f"{value!r} is not a session: there is no such date ({error})") from error


def _not_a_session(date: datetime.date) -> str:
    if date < FIRST_SESSION or date > LAST_SESSION:
        return f"{date} is not a known session: the calendar runs from {FIRST_SESSION} to {LAST_SESSION}"
    position = bisect_left(_all_sessions(), date)
    before, after = _all_sessions()[position - 1], _all_sessions()[position]
    nearest = f"{before} ({before:%A}) and {after} ({after:%A})"
    return f"{date}, a {date:%A}, is not a session of XNYS: the nearest are {nearest}"


def next_session(session: datetime.date, n: int = 1) -> datetime.date:
    """The `n`-th session after `session`, which must be one itself; `n` = 0 is `session`.

    Raises `NotASessionError` when `session` is none, or the calendar ends before.
    """
    position = bisect_left(_all_sessions(), to_session(session)) + n
    if not 0 <= position < len(_all_sessions()):
        raise NotASessionError(
            f"there is no session {n:+d} from {session}: the calendar runs from {FIRST_SESSION} to {LAST_SESSION}"
        )
    return _all_sessions()[position]


def previous_session(session: datetime.date, n: int = 1) -> datetime.date:
    """The `n`-th session before `session`, which must be one itself; errors as in `next_session`."""
    return next_session(session, -n)


def position(session: datetime.date) -> int:
    """How many sessions of the calendar come before `session`, which must be one itself: that of 1960-01-04 is 0.

    Raises `NotASessionError` when `session` is none.
    """
    return bisect_left(_all_sessions(), to_session(session))


def sessions_between(first: datetime.date, last: datetime.date) -> pd.DatetimeIndex:
    """All sessions from `first` to `last`, both included, as a naive index in nanoseconds named `session`.

    The ends need not be sessions; when `last` is before `first` the index is empty. Raises `NotASessionError` when an
    end lies outside the calendar, as sessions there are not known.
    """
    for end in (first, last):
        if not closures.FIRST_WEEKDAY <= end <= LAST_SESSION:
            raise NotASessionError(_not_a_session(end))
    start, stop = bisect_left(_all_sessions(), first), bisect_right(_all_sessions(), last)
    return pd.DatetimeIndex(calendar()[start:stop], name="session")


def positions(index: pd.DatetimeIndex) -> NDArray[np.intp]:
    """Where in `calendar` each session of `index` stands: differences are numbers of sessions. See `at`.

    Raises `NotASessionError` when one is no session.
    """
    known, dates = calendar(), index.to_numpy()
    first = int(known.searchsorted(dates[0])) if len(dates) else 0
    # Most tables lack no session: to compare them with a stretch of the calendar spares the search.
    if np.array_equal(known[first : first + len(dates)], dates):
        return np.arange(first, first + len(dates))
    found = np.minimum(known.searchsorted(dates), len(known) - 1)
    if (strangers := known[found] != dates).any():
        raise NotASessionError(_not_a_session(dates[strangers][0].astype("datetime64[D]").item()))
    return found


def at(positions: NDArray[np.intp]) -> NDArray[np.datetime64]:
    """The sessions at `positions` of `calendar`. Raises `NotASessionError` when it ends before."""
    if len(positions) and positions.max() >= len(calendar()):
        beyond = positions.max() - len(calendar()) + 1
        raise NotASessionError(f"there is no session {beyond:+d} from {LAST_SESSION}, where the calendar ends")
    return calendar()[positions]


def close_time(session: datetime.date) -> datetime.datetime:
    """When trading ends on `session`, in UTC: 16:00 in New York, on half-sessions 13:00 (until 1992 14:00).

    The exchange closed at 15:30 before 1974, which the source of the calendar leaves out and so does this.
    """
    hour = 16
    if closures.is_early_close(to_session(session)):
        hour = 13 if session.year >= 1993 else 14
    return datetime.datetime.combine(session, datetime.time(hour), tzinfo=NEW_YORK).astimezone(datetime.UTC)


def available_from(session: datetime.date) -> datetime.datetime:
    """When the prices of `session` count as final and its partition opens: 22:00 UTC on the session itself."""
    return datetime.datetime.combine(to_session(session), AVAILABLE_FROM)


def latest_available(now: datetime.datetime) -> datetime.date:
    """The last session whose prices are final at `now`, which carries a time zone.

    Raises `NotASessionError` when `now` lies outside the calendar.
    """
    moment = _in_utc(now)
    last_date = moment.date() if moment.timetz() >= AVAILABLE_FROM else moment.date() - datetime.timedelta(days=1)
    if not FIRST_SESSION <= last_date <= LAST_SESSION:
        raise NotASessionError(_not_a_session(last_date))
    return _all_sessions()[bisect_right(_all_sessions(), last_date) - 1]


def require_available(session: datetime.date, now: datetime.datetime) -> None:
    """Raises `SessionNotClosedError` when the prices of `session` are not final at `now`, which carries a time zone."""
    opens, moment = available_from(session), _in_utc(now)
    if moment < opens:
        raise SessionNotClosedError(
            f"{session}: prices are final from {opens:%Y-%m-%d %H:%M} UTC on, and it is {moment:%Y-%m-%d %H:%M} UTC;"
            f" the latest session with final prices is {latest_available(moment)}"
        )


def _in_utc(now: datetime.datetime) -> datetime.datetime:
    if now.tzinfo is None:
        raise ValueError(
            f"the moment {now!s} has no time zone; expected an aware datetime such as 2020-12-11 22:00+00:00"
        )
    return now.astimezone(datetime.UTC)
