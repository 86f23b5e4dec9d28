"""What is due of an evening: every closed session once, oldest first, never a holiday; training at a week's end."""

import datetime as dt
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import evenings, sessions

UTC = dt.UTC
DAY = dt.timedelta(days=1)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def up_to(session: str) -> list[dt.date]:
    """The forty sessions that end with `session`."""
    return [sessions.previous_session(day(session), n) for n in range(40)]


def due(
    now: str, made: Mapping[str, str | None], models: Mapping[str, str | None] | None = None, **more: int
) -> list[tuple[str, str, bool]]:
    """As (ticker, session, training); made of each ticker is all up to what `made` says, models of the same session."""
    there = {ticker: up_to(session) if session else [] for ticker, session in made.items()}
    trained = {ticker: session and day(session) for ticker, session in (models or made).items()}
    found = evenings.due(
        at(now), list(made), made=there.__getitem__, last_model=lambda ticker, _: trained[ticker], **more
    )
    return [(one.ticker, one.session.isoformat(), one.training) for one in found]


@pytest.mark.parametrize(
    ("now", "made", "expected"),
    [
        ("2024-03-07 21:59", "2024-03-06", []),  # Thursday, not final yet
        ("2024-03-07 22:10", "2024-03-06", ["2024-03-07"]),
        ("2024-03-07 22:10", "2024-03-07", []),
        ("2024-03-09 12:00", "2024-03-08", []),  # Saturday
        ("2024-03-10 22:10", "2024-03-08", []),  # Sunday, New York's clocks went forward
        ("2024-03-11 22:10", "2024-03-08", ["2024-03-11"]),  # the Monday after
        ("2024-11-04 22:10", "2024-11-01", ["2024-11-04"]),  # ... and back
        ("2024-05-27 22:10", "2024-05-24", []),  # Memorial Day, a Monday
        ("2024-11-29 22:10", "2024-11-27", ["2024-11-29"]),  # half-session after Thanksgiving
        ("2024-03-29 22:10", "2024-03-28", []),  # Good Friday
        ("2024-03-07 09:00", "2024-03-01", ["2024-03-04", "2024-03-05", "2024-03-06"]),  # the machine was off
    ],
)
def test_closed_sessions_are_due_until_they_are_made(now: str, made: str, expected: list[str]) -> None:
    assert [session for _, session, _ in due(now, {"TSLA": made})] == expected


def test_after_a_long_standstill_only_the_latest_sessions_are_caught_up() -> None:
    found = due("2024-03-08 22:10", {"TSLA": "2023-01-03"})
    assert [session for _, session, _ in found] == [
        "2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08",
    ]  # fmt: skip
    assert len(due("2024-03-08 22:10", {"TSLA": "2023-01-03"}, catch_up=2)) == 2


def test_ticker_that_was_never_made_gets_the_latest_session_only() -> None:
    assert due("2024-03-07 22:10", {"NEW": None}) == [("NEW", "2024-03-07", True)]


def test_oldest_session_comes_first_and_tickers_keep_their_order() -> None:
    found = due("2024-03-06 22:10", {"TSLA": "2024-03-05", "STX": "2024-03-04", "AAPL": "2024-03-04"})
    assert [one[:2] for one in found] == [
        ("STX", "2024-03-05"), ("AAPL", "2024-03-05"),
        ("TSLA", "2024-03-06"), ("STX", "2024-03-06"), ("AAPL", "2024-03-06"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("session", "last"),
    [
        ("2024-03-08", True),  # Friday
        ("2024-03-07", False),
        ("2024-03-28", True),  # Thursday before Good Friday
        ("2024-07-03", False),  # half-session before a holiday in mid-week
        ("2024-12-31", False),  # Tuesday; the week goes on in another year
        ("2020-12-31", True),  # Thursday before New Year's Friday
    ],
)
def test_last_session_of_a_week(session: str, last: bool) -> None:
    assert evenings.ends_a_week(day(session)) is last
    [(_, _, training)] = due(f"{session} 22:10", {"TSLA": sessions.previous_session(day(session)).isoformat()})
    assert training is last


def test_model_that_has_expired_is_trained_anew_once() -> None:
    """The last session on which a model of 2024-02-21 may be used is 2024-03-05, its tenth."""
    found = due("2024-03-07 22:10", {"TSLA": "2024-03-04"}, {"TSLA": "2024-02-22"})
    assert found == [("TSLA", "2024-03-05", False), ("TSLA", "2024-03-06", False), ("TSLA", "2024-03-07", True)]
    found = due("2024-03-07 21:00", {"TSLA": "2024-02-29"}, {"TSLA": "2024-02-15"})
    assert found == [("TSLA", "2024-03-01", True), ("TSLA", "2024-03-04", False), ("TSLA", "2024-03-05", False),
                     ("TSLA", "2024-03-06", True)]  # fmt: skip


def test_latest_session_does_not_count_on_a_training_that_may_fail() -> None:
    """After a standstill the oldest session is trained, which serves those after it; the latest serves itself."""
    found = due("2024-03-07 22:10", {"TSLA": "2024-02-01"})
    assert [training for _, _, training in found] == [True, False, False, False, True]


def test_session_that_was_missed_is_made_although_a_later_one_is_there() -> None:
    there = [session for session in up_to("2024-03-07") if session != day("2024-03-05")]
    found = evenings.due(
        at("2024-03-07 23:10"), ["TSLA"], made=lambda _: there, last_model=lambda _, session: day("2024-03-01")
    )
    assert found == [("TSLA", day("2024-03-05"), False)]


def test_sessions_before_the_first_one_ever_made_are_not_owed() -> None:
    found = evenings.due(
        at("2024-03-07 23:10"),
        ["NEW", "LATER"],
        made=lambda ticker: [day("2024-03-06")] if ticker == "NEW" else [day("2024-03-08")],
        last_model=lambda _, session: session,
    )
    assert found == [("NEW", day("2024-03-07"), False), ("LATER", day("2024-03-07"), False)]


@pytest.mark.parametrize(
    ("session", "model", "age"),
    [
        ("2024-03-08", "2024-03-08", 0),
        ("2024-03-08", "2024-03-01", 5),
        ("2024-03-05", "2024-02-21", 9),
        ("2024-03-06", "2024-02-21", None),
        ("2024-03-08", "2024-03-11", None),
        ("2024-03-08", None, None),
    ],
)
def test_age_of_a_model(session: str, model: str | None, age: int | None) -> None:
    assert evenings.model_age(day(session), model and day(model)) == age


@settings(max_examples=40, deadline=None)
@given(start=st.dates(dt.date(2020, 1, 2), dt.date(2026, 1, 2)), outages=st.sets(st.integers(0, 60)))
def test_every_session_is_made_once_and_in_order(start: dt.date, outages: set[int]) -> None:
    """Sixty evenings, some on which nothing runs: what is made is each session once, none of the future."""
    made: list[dt.date] = []
    models: list[dt.date] = []

    def last_model(_ticker: str, session: dt.date) -> dt.date | None:
        return max((model for model in models if model <= session), default=None)

    for evening in range(60):
        if evening in outages:
            continue
        now = dt.datetime.combine(start + evening * DAY, dt.time(22, 10), tzinfo=UTC)
        found = evenings.due(
            now,
            ["TSLA"],
            made=lambda _: made,
            last_model=last_model,
        )
        for one in found:
            assert evenings.model_age(one.session, models[-1] if models else None) is not None or one.training
            made.append(one.session)
            models += [one.session] * one.training
    assert made == sorted(set(made))
    assert all(sessions.is_session(session) for session in made)
    longest = max((len(run) for run in "".join("x" if n in outages else " " for n in range(60)).split()), default=0)
    if made and longest < 5:
        assert made == [session.date() for session in sessions.sessions_between(made[0], made[-1])]


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ.-", min_size=1, max_size=8), st.integers(0, 16_000))
def test_in_turns_everybody_has_one_in_five_sessions(ticker: str, n: int) -> None:
    five = sessions.calendar()[n : n + 5].astype("datetime64[D]").tolist()
    assert sum(evenings.is_its_turn(ticker, session) for session in five) == 1


def test_turns_are_as_equal_as_names_let_them_be() -> None:
    tickers = [f"{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXY" for b in "ABCDEFGHIJKLMNOPQRST"]
    turns = [sum(evenings.is_its_turn(ticker, session) for ticker in tickers) for session in up_to("2024-03-08")[:5]]
    assert sum(turns) == len(tickers) == 500
    assert max(turns) < 130  # of 100
    # Known for good: a name's turn must not move with a release.
    assert [evenings.is_its_turn("TSLA", session) for session in reversed(up_to("2024-03-08")[:5])] == [
        True,
        False,
        False,
        False,
        False,
    ]
