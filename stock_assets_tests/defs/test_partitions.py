"""The grid: exactly the sessions of the exchange, each on its own evening."""

from datetime import UTC, date, datetime

import pytest

from stock_assets.core import sessions
from stock_assets.core.errors import SettingsError
from stock_assets.defs import partitions

GRID = partitions.grid(["TSLA", "STX"], date(2020, 1, 2))


def session_keys(now: datetime) -> list[str]:
    [dates] = [part.partitions_def for part in GRID.partitions_defs if part.name == partitions.SESSION]
    return list(dates.get_partition_keys(now))


def test_sessions_are_those_of_the_exchange():
    keys = session_keys(datetime(2026, 11, 20, 22, tzinfo=UTC))
    expected = sessions.sessions_between(date(2020, 1, 2), date(2026, 11, 20))
    assert keys == [session.strftime("%Y-%m-%d") for session in expected]
    assert len(keys) == 1732


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ("2024-03-08", "a Friday, in winter time"),
        ("2024-03-11", "the Monday after clocks went forward"),
        ("2024-07-03", "a half-session, the eve of Independence Day"),
        ("2024-08-30", "the Friday before Labor Day weekend"),
        ("2024-11-29", "a half-session, the Friday after Thanksgiving"),
        ("2024-11-04", "the Monday after clocks went back"),
        ("2024-12-31", "the last session of a year"),
    ],
)
def test_a_session_appears_on_its_own_evening_after_its_close(session, why):
    close = sessions.close_time(date.fromisoformat(session))
    opens = datetime.fromisoformat(f"{session}T22:00:00+00:00")
    assert close < opens, why
    assert session not in session_keys(opens.replace(hour=21, minute=59))
    assert session_keys(opens)[-1] == session


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2024-03-09", "a Saturday"),
        ("2024-07-04", "Independence Day"),
        ("2025-01-09", "day of mourning for President Carter"),
        ("2024-03-29", "Good Friday"),
        ("2021-12-31", "a Friday that is a session although New Year's Day falls on a Saturday"),
    ],
)
def test_holidays_never_appear(day, why):
    later = datetime(2026, 1, 1, tzinfo=UTC)
    assert (day in session_keys(later)) == sessions.is_session(date.fromisoformat(day)), why


def test_the_grid_and_the_clock_agree_on_what_is_available():
    for hour in (0, 13, 20, 21, 22, 23):
        now = datetime(2024, 12, 26, hour, tzinfo=UTC)
        assert session_keys(now)[-1] == sessions.latest_available(now).isoformat()


def test_keys():
    key = partitions.key("TSLA", date(2024, 3, 8))
    assert key == "2024-03-08|TSLA"
    assert partitions.split(key) == ("TSLA", date(2024, 3, 8))


def test_a_first_session_out_of_reach():
    with pytest.raises(SettingsError, match="expected a date from 1960"):
        partitions.grid(["TSLA"], date(1929, 10, 24))


@pytest.mark.parametrize(
    ("tickers", "first", "told"),
    [
        (57, date(2020, 1, 2), None),  # 57 x 1,732 = 98,724
        (58, date(2020, 1, 2), "100,456 partitions, 58 tickers x 1,732 sessions"),
        (1000, date(2026, 7, 2), None),  # 100 sessions from here to 2026-11-20
        (1000, date(2026, 7, 1), "101,000 partitions"),
        (100_001, date(2026, 11, 20), "STOCK_ASSETS_FIRST_SESSION=2026-11-20"),
        (1000, date(2027, 1, 4), None),  # begins tomorrow
    ],
)
def test_a_grid_that_is_too_large_is_told(tickers, first, told):
    found = partitions.too_many(tickers, first, date(2026, 11, 20))
    assert found is None if told is None else told in found


def test_the_advice_leaves_room():
    today = date(2026, 11, 20)
    told = partitions.too_many(500, date(2020, 1, 2), today)
    assert told is not None
    advised = date.fromisoformat(told.split("STOCK_ASSETS_FIRST_SESSION=")[1][:10])
    assert len(sessions.sessions_between(advised, today)) == 100  # 50,000 of 100,000 keys
    assert partitions.too_many(500, advised, today) is None
