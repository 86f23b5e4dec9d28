"""Which dates are sessions, their neighbours, and when their prices are final."""

import datetime
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import sessions
from stock_assets.core.errors import NotASessionError, SessionNotClosedError

UTC = datetime.UTC


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2020-12-11", True),
        ("2020-12-12", False),  # Saturday
        ("2020-12-25", False),  # Christmas
        ("2012-10-29", False),  # Hurricane Sandy
        ("2024-11-29", True),  # half-session
        ("1960-01-04", True),
        ("2050-12-30", True),
        ("1959-12-31", False),  # before the calendar
        ("2051-01-03", False),  # after it
    ],
)
def test_is_session(day, expected):
    assert sessions.is_session(date.fromisoformat(day)) is expected


@pytest.mark.parametrize("value", ["2020-12-11", date(2020, 12, 11), pd.Timestamp("2020-12-11")])
def test_to_session_takes_texts_dates_and_midnights(value):
    session = sessions.to_session(value)
    assert session == date(2020, 12, 11)
    assert type(session) is date


def test_to_session_names_the_nearest_sessions():
    expected = r"2020-12-25, a Friday, .* nearest are 2020-12-24 \(Thursday\) and 2020-12-28 \(Monday\)"
    with pytest.raises(NotASessionError, match=expected):
        sessions.to_session("2020-12-25")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("20201211", "YYYY-MM-DD"),
        ("2020-W50-5", "YYYY-MM-DD"),
        ("11/12/2020", "YYYY-MM-DD"),
        ("", "YYYY-MM-DD"),
        ("2020-12-11\n", "YYYY-MM-DD"),
        (None, "YYYY-MM-DD"),
        ("2020-02-30", "no such date"),
        (pd.Timestamp("2020-12-11 16:00"), "without a time"),
        (pd.Timestamp("2020-12-11", tz="UTC"), "without a time"),
        ("1959-12-31", "from 1960-01-04 to 2050-12-30"),
        ("1960-01-01", "from 1960-01-04 to 2050-12-30"),
        ("2051-01-03", "from 1960-01-04 to 2050-12-30"),
    ],
)
def test_to_session_refuses(value, message):
    with pytest.raises(NotASessionError, match=message):
        sessions.to_session(value)


def test_neighbours():
    assert sessions.next_session(date(2020, 12, 24)) == date(2020, 12, 28)  # over Christmas and the weekend
    assert sessions.previous_session(date(2001, 9, 17)) == date(2001, 9, 10)
    assert sessions.next_session(date(2020, 12, 7), 4) == date(2020, 12, 11)
    assert sessions.previous_session(date(2020, 12, 11), 4) == date(2020, 12, 7)
    assert sessions.next_session(date(2020, 12, 11), 0) == date(2020, 12, 11)


def test_neighbours_of_no_session():
    with pytest.raises(NotASessionError, match="2020-12-12, a Saturday"):
        sessions.next_session(date(2020, 12, 12))


def test_neighbours_end_with_the_calendar():
    with pytest.raises(NotASessionError, match=r"no session \+1 from 2050-12-30"):
        sessions.next_session(date(2050, 12, 30))
    with pytest.raises(NotASessionError, match=r"no session -1 from 1960-01-04"):
        sessions.previous_session(date(1960, 1, 4))


def test_sessions_between_includes_both_ends():
    index = sessions.sessions_between(date(2020, 12, 24), date(2020, 12, 29))
    assert list(index.strftime("%Y-%m-%d")) == ["2020-12-24", "2020-12-28", "2020-12-29"]
    assert (index.name, index.dtype, index.tz) == ("session", np.dtype("datetime64[ns]"), None)


def test_sessions_between_takes_ends_that_are_no_sessions():
    index = sessions.sessions_between(date(2020, 12, 25), date(2020, 12, 29))
    assert list(index.strftime("%Y-%m-%d")) == ["2020-12-28", "2020-12-29"]
    assert len(sessions.sessions_between(date(2020, 12, 25), date(2020, 12, 27))) == 0
    assert len(sessions.sessions_between(date(2020, 12, 29), date(2020, 12, 24))) == 0


def test_a_normal_year_has_252_sessions():
    assert len(sessions.sessions_between(date(2019, 1, 1), date(2019, 12, 31))) == 252
    assert len(sessions.sessions_between(date(2020, 1, 2), date(2026, 11, 20))) == 1732


def test_sessions_between_is_not_cut_silently():
    with pytest.raises(NotASessionError, match="1950-01-01 is not a known session"):
        sessions.sessions_between(date(1950, 1, 1), date(1970, 1, 1))


@pytest.mark.parametrize(
    ("session", "utc"),
    [
        ("2020-12-11", "2020-12-11 21:00+00:00"),  # winter
        ("2020-07-01", "2020-07-01 20:00+00:00"),  # summer
        ("2024-11-29", "2024-11-29 18:00+00:00"),  # half-session after Thanksgiving
        ("2024-07-03", "2024-07-03 17:00+00:00"),  # half-session in summer
        ("1992-12-24", "1992-12-24 19:00+00:00"),  # half-sessions ended at 14:00 then
    ],
)
def test_close_time(session, utc):
    close = sessions.close_time(date.fromisoformat(session))
    assert close == at(utc)
    assert type(close) is datetime.datetime
    assert close.utcoffset() == datetime.timedelta(0)


def test_available_from_is_the_same_all_year_and_after_the_close():
    for session in (date(2020, 12, 11), date(2020, 7, 1), date(2024, 11, 29)):
        opens = sessions.available_from(session)
        assert opens == datetime.datetime(session.year, session.month, session.day, 22, tzinfo=UTC)
        assert opens - sessions.close_time(session) >= datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2020-12-11 22:00+00:00", "2020-12-11"),
        ("2020-12-11 21:59:59+00:00", "2020-12-10"),
        ("2020-12-13 12:00+00:00", "2020-12-11"),  # Sunday
        ("2020-12-25 23:00+00:00", "2020-12-24"),  # Christmas
        ("2020-12-11 17:00-05:00", "2020-12-11"),  # New York
        ("2020-12-12 06:59+09:00", "2020-12-10"),  # 21:59 UTC on Friday
    ],
)
def test_latest_available(now, latest):
    assert sessions.latest_available(at(now)) == date.fromisoformat(latest)


def test_require_available():
    sessions.require_available(date(2020, 12, 11), at("2020-12-11 22:00+00:00"))
    expected = r"2020-12-11: prices are final from 2020-12-11 22:00 UTC on, and it is 2020-12-11 21:30 UTC.*2020-12-10"
    with pytest.raises(SessionNotClosedError, match=expected):
        sessions.require_available(date(2020, 12, 11), at("2020-12-11 16:30-05:00"))


def test_a_moment_needs_a_time_zone():
    with pytest.raises(ValueError, match="no time zone"):
        sessions.latest_available(at("2020-12-11 22:00"))


def test_a_moment_outside_the_calendar():
    with pytest.raises(NotASessionError, match="1950-06-01 is not a known session"):
        sessions.latest_available(at("1950-06-01 23:00+00:00"))


@given(st.dates(date(1960, 1, 5), date(2050, 12, 29)), st.integers(0, 300))
def test_back_and_forth(day, n):
    session = sessions.latest_available(datetime.datetime.combine(day, datetime.time(23), tzinfo=UTC))
    assert session <= day
    if session < sessions.previous_session(sessions.LAST_SESSION, n):
        later = sessions.next_session(session, n)
        assert sessions.previous_session(later, n) == session
        assert len(sessions.sessions_between(session, later)) == n + 1
