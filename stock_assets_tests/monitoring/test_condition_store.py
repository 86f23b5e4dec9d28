"""Conditions in the database: runs taken, taken again, late, by several; what is to be told of them."""

import datetime
import random

import pytest
import sqlalchemy as sa

from stock_assets.core import freshness
from stock_assets.monitoring import condition_store, observations, tables
from stock_assets.monitoring.conditions import Event
from stock_assets_tests.monitoring.alerting import EVENING, FRIDAY, MONDAY, after, everything, run, take

THURSDAY = datetime.date(2026, 11, 19)


def told(database) -> list[tuple[str, str, str]]:
    """(ticker, kind, event) of all that is or was to be told, in order."""
    conditions, events = tables.conditions, tables.message_conditions
    query = sa.select(conditions.c.ticker, conditions.c.kind, events.c.event).join(
        events, events.c.condition_id == conditions.c.id
    )
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(events.c.due, conditions.c.id))]


def wrong(database) -> list[tuple[str, str, datetime.date]]:
    with database.reading() as connection:
        found = condition_store.open_conditions(connection)
    return [(one.subject.ticker, one.subject.kind, one.session) for one in found]


def test_a_failed_run_is_wrong_until_the_partition_is_made(database):
    take(database, run(fails="503"))
    assert wrong(database) == [("TSLA", "run_failed", FRIDAY)]
    take(database, run(minute=60))
    assert wrong(database) == []
    assert told(database) == [("TSLA", "run_failed", Event.OPENED), ("TSLA", "run_failed", Event.RECOVERED)]


def test_a_failed_run_is_over_with_a_later_session_too(database):
    take(database, run(fails="503"), run(minute=4000, session=MONDAY))
    assert wrong(database) == []


def test_other_tickers_and_older_sessions_recover_nothing(database):
    take(database, run(fails="503"), run("STX", minute=1), run(minute=2, session=THURSDAY))
    assert wrong(database) == [("TSLA", "run_failed", FRIDAY)]


def test_a_blocking_check_is_told_and_its_run_is_not(database):
    take(database, run(check="error"))
    assert told(database) == [("TSLA", "check_failed", Event.OPENED)]


def test_a_warning_that_worsens_and_recovers(database):
    take(database, *(run(minute=n, check=check) for n, check in enumerate(["warn", "warn", "error", "error", "pass"])))
    assert [event for _, _, event in told(database)] == [Event.OPENED, Event.WORSENED, Event.RECOVERED]


def test_runs_taken_again_change_not_a_row(database):
    runs = [
        run(fails="503"),
        run("STX", minute=1, check="error"),
        run(minute=2, check="warn"),
        run(minute=3, session=THURSDAY, check="warn"),
        run(minute=4, session=MONDAY, check="pass"),
        run("STX", minute=5, session=MONDAY, check="error"),
        run("KO", minute=6, fails="disk full"),
    ]
    take(database, *runs)
    before = everything(database)
    mixed = runs * 2
    random.Random(7).shuffle(mixed)
    take(database, *mixed, now=after(1000))
    assert everything(database) == before
    assert sorted(wrong(database)) == [("KO", "run_failed", FRIDAY), ("STX", "check_failed", FRIDAY)]


def test_a_run_that_is_taken_late_says_nothing_that_is_over(database):
    take(database, run(minute=10), run(minute=0, fails="503"))
    assert told(database) == []


def test_two_sessions_in_one_run(database):
    first, second = run(check="error", name="both"), run(check="pass", session=MONDAY, name="both")
    both = first.__class__(**(vars(first) | {"checks": first.checks + second.checks, "ticker": None, "session": None}))
    take(database, both)
    assert [kind for _, kind, _ in wrong(database)] == []
    before = everything(database)
    take(database, both)
    assert everything(database) == before


def test_late_data_is_told_once_and_its_coming_once(database):
    newest = THURSDAY
    for hour in range(24):
        now = EVENING + datetime.timedelta(hours=hour)
        if hour == 9:
            newest = FRIDAY
        found = observations.of_freshness("TSLA", freshness.freshness(now, newest), now)
        for _ in range(2):
            with database.begin() as connection:
                condition_store.take_standings(connection, [found], now)
    assert [event for _, _, event in told(database)] == [Event.OPENED, Event.RECOVERED]
    with database.reading() as connection:
        [row] = connection.execute(sa.select(tables.conditions)).mappings()
    assert (row["opened"], row["recovered"]) == (after(4 * 60), after(9 * 60))


def test_a_ticker_that_is_no_longer_followed_is_let_go_untold(database):
    take(database, run(fails="503"), run("STX", fails="503"))
    with database.begin() as connection:
        assert condition_store.let_go(connection, ["STX"], after(1)) == 1
        assert condition_store.let_go(connection, ["STX"], after(2)) == 0
    assert wrong(database) == [("STX", "run_failed", FRIDAY)]
    assert told(database) == [("STX", "run_failed", Event.OPENED)]


def test_what_is_rolled_back_is_not_told(database):
    def take_and_fail() -> None:
        with database.begin() as connection:
            condition_store.take_run(connection, run(fails="503"), EVENING)
            raise KeyError

    with pytest.raises(KeyError):
        take_and_fail()
    assert told(database) == []
    assert wrong(database) == []
