"""What the page is told of the database, on SQLite and PostgreSQL alike."""

import datetime as dt

import pytest

from stock_assets.monitoring import forecasts, intake, queries, tables
from stock_assets.monitoring.database import Database
from stock_assets.monitoring.records import StepRecord
from stock_assets_tests.monitoring import examples
from stock_assets_tests.monitoring.examples import FRIDAY, MONDAY, minutes


def take(database: Database, *runs) -> None:
    with database.begin() as connection:
        for run in runs:
            intake.take(connection, run)


def store(database: Database, *made, outcomes=()) -> None:
    with database.begin() as connection:
        for one in made:
            forecasts.store(connection, one)
        for one in outcomes:
            forecasts.settle(connection, one)


@pytest.fixture
def read(database: Database):
    """Asks a query in a transaction that only reads."""

    def ask(query, *given, **more):
        with database.reading() as connection:
            return query(connection, *given, **more)

    return ask


def test_an_empty_database(read):
    assert read(queries.last_runs) == {}
    assert read(queries.durations, ["model"], latest=5) == {}
    assert read(queries.sources) == {}
    assert len(read(queries.forecasts, "TSLA", "canned", latest=10)) == 0
    assert read(queries.told, latest=5) == []
    assert read(queries.first_run) is None
    assert read(queries.counts, ["runs", "messages"]) == {"runs": 0, "messages": 0}


def test_the_last_run_is_the_one_that_ended_last(database, read):
    take(database, examples.failed("b", at=9), examples.run("a", at=3), examples.run("c", at=4, ticker="STX"))
    found = read(queries.last_runs)
    assert {ticker: (run.status, run.ended) for ticker, run in found.items()} == {
        "TSLA": ("failure", minutes(9)),
        "STX": ("success", minutes(4)),
    }
    assert found["TSLA"].error == f"TSLA {FRIDAY}: busy"
    assert found["STX"].seconds == 50.0


def test_a_run_that_never_started_took_no_time(database, read):
    take(database, examples.run("a", started=None))
    assert read(queries.last_runs)["TSLA"].seconds is None


def test_a_run_of_no_single_ticker_is_no_tickers_last(database, read):
    take(database, examples.run("a", materialisations=(), checks=(), fetches=(), ticker=None))
    assert read(queries.last_runs) == {}


def steps(run_id: str, at: float, seconds: float | None, status: str = "success", ticker: str = "TSLA"):
    return examples.run(run_id, at=at, ticker=ticker, steps=(StepRecord("model", status, 1, seconds),))


def test_durations_in_order_of_time_the_latest_only(database, read):
    take(
        database,
        steps("d", 4, 4.0, ticker="STX"),
        steps("a", 1, 1.0),
        steps("c", 3, 3.0),
        steps("b", 2, 2.0),
        steps("e", 5, 99.0, status="failure"),
        steps("f", 6, None),
    )
    assert read(queries.durations, ["model", "features"], latest=3) == {"model": [2.0, 3.0, 4.0]}
    assert read(queries.durations, ["features"], latest=3) == {}


class TestForecasts:
    def test_beside_what_happened(self, database, read):
        late = examples.forecast("q", session=MONDAY, target_session=dt.date(2024, 3, 12))
        store(database, late, examples.forecast(), outcomes=[examples.outcome()])
        found = read(queries.forecasts, "TSLA", "canned", latest=10)
        assert [session.date() for session in found.index] == [FRIDAY, MONDAY]
        assert found["realised_return"].tolist()[0] == -0.02
        assert found["realised_close"].isna().tolist() == [False, True]
        assert found["naive_probability_up"].tolist() == [0.53, 0.53]

    def test_of_several_the_first_that_was_made(self, database, read):
        again = examples.forecast("again", at=600, probability_up=0.99)
        store(database, again, examples.forecast("first", at=1))
        assert read(queries.forecasts, "TSLA", "canned", latest=10)["probability_up"].tolist() == [0.55]

    def test_the_latest_sessions_only_and_in_order(self, database, read):
        start = dt.date(2024, 1, 1)
        made = [(start + dt.timedelta(days=n), f"{n} {again}") for n in (5, 2, 9, 4) for again in (1, 2)]
        store(database, *(examples.forecast(name, session=session, target_session=MONDAY) for session, name in made))
        found = read(queries.forecasts, "TSLA", "canned", latest=3)
        assert [(session.day, name) for session, name in found["checksum"].items()] == [
            (5, "4 1"), (6, "5 1"), (10, "9 1"),
        ]  # fmt: skip

    def test_what_was_served_or_is_of_other_prices_is_left_out(self, database, read):
        store(database, examples.forecast("a", origin="served"), examples.forecast("b", source="simulated"))
        assert len(read(queries.forecasts, "TSLA", "canned", latest=10)) == 0
        assert len(read(queries.forecasts, "TSLA", "simulated", latest=10)) == 1

    def test_the_source_is_that_of_the_newest(self, database, read):
        store(database, examples.forecast(source="simulated"), examples.forecast("q", session=MONDAY, source="yahoo"))
        assert read(queries.sources) == {"TSLA": "yahoo"}


def test_what_was_told_the_latest_first(database, read):
    message = {"group": "g", "event": "opened", "severity": "warn", "text": "", "details": {}, "created": minutes(1)}
    sent = {"attempts": 2, "next_attempt": minutes(2), "delivered": minutes(3), "error": None}
    with database.begin() as connection:
        for number in (1, 2, 3):
            values = message | {"id": f"m{number}", "number": number, "title": f"title {number}"}
            connection.execute(tables.messages.insert(), values)
        for receiver in ("webhook", "log"):
            connection.execute(tables.deliveries.insert(), sent | {"message_id": "m3", "receiver": receiver})
    found = read(queries.told, latest=2)
    assert [one.title for one in found] == ["title 3", "title 2"]
    assert [delivery.receiver for delivery in found[0].deliveries] == ["log", "webhook"]
    assert found[0].deliveries[0].delivered == minutes(3)
    assert found[1].deliveries == ()


def test_counts_and_the_first_run(database, read):
    take(database, examples.run("b", at=5), examples.run("a", at=2))
    assert read(queries.counts, ["runs", "steps", "outcomes"]) == {"runs": 2, "steps": 4, "outcomes": 0}
    assert read(queries.first_run) == minutes(2)
