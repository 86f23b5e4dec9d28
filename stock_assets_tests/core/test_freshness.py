"""Late means late: two years of evenings without a false alarm, and every lateness seen at its deadline."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import freshness, sessions
from stock_assets.core.freshness import ModelState, State

UTC = dt.UTC
HOUR = dt.timedelta(hours=1)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "newest", "state", "expected"),
    [
        ("2024-03-08 21:59", "2024-03-07", State.FRESH, "2024-03-07"),  # Friday, still trading or not final
        ("2024-03-08 22:00", "2024-03-07", State.DUE, "2024-03-07"),
        ("2024-03-09 01:59", "2024-03-07", State.DUE, "2024-03-07"),
        ("2024-03-09 02:00", "2024-03-07", State.LATE, "2024-03-08"),
        ("2024-03-09 02:00", "2024-03-08", State.FRESH, "2024-03-08"),
        ("2024-03-11 21:00", "2024-03-08", State.FRESH, "2024-03-08"),  # the weekend is no alarm
        ("2024-04-01 21:00", "2024-03-28", State.FRESH, "2024-03-28"),  # nor is Easter
        ("2024-03-08 23:00", "2024-03-06", State.LATE, "2024-03-07"),  # the session before is missing already
        ("2024-03-08 23:00", "2020-01-02", State.LATE, "2024-03-07"),  # an old one made again is no new one
        ("2024-03-08 23:00", None, State.LATE, "2024-03-07"),
    ],
)
def test_state_at_a_moment(now: str, newest: str | None, state: State, expected: str) -> None:
    found = freshness.freshness(at(now), newest and day(newest))
    assert (found.state, found.expected) == (state, day(expected))


def test_deadline_is_told_and_can_be_another() -> None:
    found = freshness.freshness(at("2024-03-09 00:30"), day("2024-03-07"), deadline=2 * HOUR)
    assert found == (State.LATE, day("2024-03-08"), at("2024-03-09 00:00"), day("2024-03-07"))


@settings(max_examples=30, deadline=None)
@given(
    first=st.dates(dt.date(2019, 1, 1), dt.date(2025, 1, 1)),
    lateness=st.lists(st.sampled_from([0.2, 1.0, 3.9, 4.1, 9.0, 30.0, 80.0]), min_size=20, max_size=20),
)
def test_late_exactly_while_the_expected_session_is_missing_after_its_deadline(
    first: dt.date, lateness: list[float]
) -> None:
    """Twenty sessions, each made so many hours after it was final: asked every two hours, told late only when it is."""
    listed = [session.date() for session in sessions.sessions_between(first, first + dt.timedelta(days=60))[:20]]
    made_at = {
        session: sessions.available_from(session) + hours * HOUR
        for session, hours in zip(listed, lateness, strict=True)
    }
    now, end = sessions.available_from(listed[0]) + 5 * HOUR, sessions.available_from(listed[-1]) + 4 * HOUR
    while now < end:
        newest = max((session for session, made in made_at.items() if made <= now), default=None)
        overdue = [session for session in listed if sessions.available_from(session) + 4 * HOUR <= now]
        late = bool(overdue) and (newest is None or newest < overdue[-1])
        assert (freshness.freshness(now, newest).state is State.LATE) is late, now
        now += 2 * HOUR


def test_two_years_of_evenings_without_a_false_alarm_and_every_lateness_seen() -> None:
    """Asked four times an hour. Sessions are made 20 minutes after they are final; every 25th comes 10 hours late."""
    listed = [session.date() for session in sessions.sessions_between(day("2023-01-03"), day("2024-12-31"))]
    late_ones = set(listed[10::25])
    newest, place = listed[0], 1
    now, end = sessions.available_from(listed[0]) + HOUR, sessions.available_from(listed[-1]) + 20 * HOUR
    told: dict[dt.date, dt.datetime] = {}
    while now < end:
        if place < len(listed):
            takes = 10 * HOUR if listed[place] in late_ones else HOUR / 3
            if now >= sessions.available_from(listed[place]) + takes:
                newest, place = listed[place], place + 1
        found = freshness.freshness(now, newest)
        if found.state is State.LATE:
            told.setdefault(found.expected, now)
        now += HOUR / 4
    assert set(told) == late_ones
    assert len(late_ones) == 20
    for session, when in told.items():
        assert when - (sessions.available_from(session) + freshness.DEADLINE) < HOUR / 4


@pytest.mark.parametrize(
    ("session", "model", "state"),
    [
        ("2024-03-08", "2024-03-08", ModelState.VALID),
        ("2024-03-08", "2024-02-29", ModelState.VALID),  # six sessions old
        ("2024-03-08", "2024-02-28", ModelState.EXPIRING),
        ("2024-03-08", "2024-02-26", ModelState.EXPIRING),  # its last session
        ("2024-03-08", "2024-02-23", ModelState.EXPIRED),
        ("2024-03-08", None, ModelState.EXPIRED),
    ],
)
def test_state_of_a_model(session: str, model: str | None, state: ModelState) -> None:
    assert freshness.model_state(day(session), model and day(model)) is state
