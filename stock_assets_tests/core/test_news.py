"""What is told of a ticker's freshness: each thing once, at its time, whatever is restarted in between."""

import datetime as dt
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import news, sessions
from stock_assets.core.freshness import ModelState, State
from stock_assets.core.news import Told

HOUR = dt.timedelta(hours=1)
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def change(now: str, told: Told | None, reports: Iterable[str], model: str | None = "2024-03-01") -> news.Change | None:
    return news.change(at(now), told, [day(session) for session in reports], lambda _: model and day(model))


def told(fresh: str | None, *late: str, model: ModelState | None = ModelState.VALID) -> Told:
    return Told(LONG_AGO, fresh and day(fresh), tuple(map(day, late)), model)


def test_a_report_that_came_is_told_for_its_session() -> None:
    found = change("2024-03-07 22:35", told("2024-03-06"), ["2024-03-06", "2024-03-07"])
    assert found is not None
    assert found.reports == ((day("2024-03-07"), True),)
    assert found.told == told("2024-03-07")
    assert found.model is None
    assert found.freshness.state is State.FRESH


@pytest.mark.parametrize(
    "now",
    [
        "2024-03-08 21:55",
        "2024-03-08 22:05",  # the next session has closed, and has time
        "2024-03-09 01:55",
    ],
)
def test_nothing_is_told_before_a_deadline(now: str) -> None:
    assert change(now, told("2024-03-07"), ["2024-03-07"]) is None


@pytest.mark.parametrize("now", ["2024-03-09 12:00", "2024-03-10 12:00", "2024-03-11 21:59"])
def test_nothing_can_have_changed_on_a_weekend_once_all_is_there(now: str) -> None:
    assert news.is_settled(at(now), told("2024-03-08"))
    assert change(now, told("2024-03-08"), ["2024-03-08"]) is None


@pytest.mark.parametrize(
    ("now", "known"),
    [
        ("2024-03-11 22:00", told("2024-03-08")),  # Monday's session has closed
        ("2024-03-09 12:00", None),
        ("2024-03-09 12:00", told("2024-03-08", "2024-03-06")),
        ("2024-03-09 12:00", told("2024-03-08", model=ModelState.EXPIRING)),
        ("2024-03-09 12:00", told(None)),
    ],
)
def test_when_somebody_has_to_look(now: str, known: Told | None) -> None:
    assert not news.is_settled(at(now), known)


def test_lateness_is_told_once_at_the_deadline_and_taken_back_for_its_own_session() -> None:
    late = change("2024-03-09 02:00", told("2024-03-07"), ["2024-03-07"])
    assert late is not None
    assert late.reports == ((day("2024-03-08"), False),)
    assert late.told == told("2024-03-07", "2024-03-08")
    assert change("2024-03-11 12:00", late.told, ["2024-03-07"]) is None
    came = change("2024-03-11 12:20", late.told, ["2024-03-07", "2024-03-08"])
    assert came is not None
    assert came.reports == ((day("2024-03-08"), True),)
    assert came.told == told("2024-03-08")


def test_two_sessions_late_are_two_and_each_is_taken_back() -> None:
    first = told("2024-03-06", "2024-03-07")
    second = change("2024-03-09 02:05", first, ["2024-03-06"])
    assert second is not None
    assert second.told.late == (day("2024-03-07"), day("2024-03-08"))
    older = change("2024-03-09 05:30", second.told, ["2024-03-06", "2024-03-07"])
    assert older is not None
    assert older.reports == ((day("2024-03-07"), True),)
    assert older.freshness.state is State.LATE
    assert older.told.late == (day("2024-03-08"),)


def test_an_old_session_that_is_made_again_changes_nothing() -> None:
    known = told("2024-03-06", "2024-03-07")
    assert change("2024-03-08 12:00", known, ["2023-05-05", "2024-03-06"]) is None


def test_what_never_came_is_not_waited_for_longer_than_anybody_makes_it() -> None:
    known = told("2024-03-07", "2024-02-22")
    found = change("2024-03-07 22:30", known, ["2024-03-07"])
    assert found is not None
    assert found.told == told("2024-03-07")
    assert found.reports == ()


def test_a_new_ticker_is_not_late_before_it_had_its_chance() -> None:
    first = change("2024-03-07 15:00", None, [])
    assert first is not None
    assert (first.reports, first.model) == ((), None)
    assert change("2024-03-08 01:55", first.told, []) is None
    late = change("2024-03-08 02:00", first.told, [], model=None)
    assert late is not None
    assert late.reports == ((day("2024-03-07"), False),)
    assert late.model == (day("2024-03-07"), None, ModelState.EXPIRED)


def test_a_ticker_with_old_reports_is_late_at_once() -> None:
    found = change("2024-03-07 15:00", None, ["2024-03-01"])
    assert found is not None
    assert found.reports == ((day("2024-03-06"), False),)


@pytest.mark.parametrize(
    ("fresh", "model", "before", "state"),
    [
        ("2024-03-07", "2024-03-01", ModelState.VALID, None),
        ("2024-03-07", "2024-03-01", None, ModelState.VALID),
        ("2024-03-07", "2024-02-27", ModelState.VALID, ModelState.EXPIRING),  # seven sessions old
        ("2024-03-07", "2024-02-27", ModelState.EXPIRING, None),
        ("2024-03-07", "2024-02-22", ModelState.EXPIRING, ModelState.EXPIRED),
        ("2024-03-07", "2024-03-07", ModelState.EXPIRED, ModelState.VALID),
    ],
)
def test_a_model_is_told_when_its_state_changes(
    fresh: str, model: str, before: ModelState | None, state: ModelState | None
) -> None:
    found = change("2024-03-07 22:40", told(fresh, model=before), [fresh], model)
    assert (found and found.model) == (state and (day("2024-03-07"), day(model), state))


def test_a_model_is_not_judged_by_a_session_that_still_has_time() -> None:
    """On the evening of 2024-03-08 the model of 2024-02-23 is ten sessions old, and about to be trained anew."""
    known = told("2024-03-07", model=ModelState.EXPIRING)
    assert change("2024-03-08 22:05", known, ["2024-03-07"], "2024-02-23") is None
    late = change("2024-03-09 02:00", known, ["2024-03-07"], "2024-02-23")
    assert late is not None
    assert late.model is not None
    assert late.model.state is ModelState.EXPIRED


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        Told(dt.datetime(2024, 3, 8))  # noqa: DTZ001


@settings(max_examples=60, deadline=None)
@given(
    first=st.dates(dt.date(2019, 1, 1), dt.date(2025, 1, 1)),
    lateness=st.lists(st.sampled_from([0.4, 3.9, 4.3, 9.0, 30.0, 60.0, 1000.0]), min_size=15, max_size=15),
    breaks=st.sets(st.integers(0, 400)),
)
def test_told_is_what_is_so(first: dt.date, lateness: list[float], breaks: set[int]) -> None:
    """Whenever a look was possible, what was last told of each session is how it stood at the last look.

    `breaks`: looks whose outcome was told, but not remembered.
    """
    listed = [session.date() for session in sessions.sessions_between(first, first + dt.timedelta(days=60))[:15]]
    made_at = {
        session: sessions.available_from(session) + hours * HOUR
        for session, hours in zip(listed, lateness, strict=True)
    }
    made_at[sessions.previous_session(listed[0])] = sessions.available_from(listed[0]) - HOUR
    known, said, n = None, {}, 0
    now, end = sessions.available_from(listed[0]), sessions.available_from(listed[-1]) + 4 * HOUR
    while now < end:
        reports = [session for session, made in made_at.items() if made <= now]
        if not news.is_settled(now, known):
            found = news.change(now, known, reports, lambda session: session)
            if found is not None:
                said |= dict(found.reports)
                known = known if n in breaks and known else found.told
        for session, there in said.items():
            if there:
                assert session in reports
            elif session in reports:
                # Nobody waits for what is so old, or nobody has looked since.
                assert session <= sessions.previous_session(sessions.latest_available(now), news.REMEMBERED)
        n, now = n + 1, now + HOUR / 2
    overdue = [one for one in listed if sessions.available_from(one) + 4 * HOUR <= now - HOUR / 2]
    for session in overdue:
        newer = [
            one for one in made_at if one > session and made_at[one] <= sessions.available_from(session) + 4 * HOUR
        ]
        if made_at[session] > sessions.available_from(session) + 5 * HOUR and not newer and session not in said:
            raise AssertionError(f"{session} was late and nobody told")
