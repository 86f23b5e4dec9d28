"""Taking runs: everything of a run or nothing, and the same database whatever the order, and however often."""

import multiprocessing
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stock_assets.core.errors import MonitoringError
from stock_assets.monitoring import intake, tables
from stock_assets.monitoring.database import Database, open_database
from stock_assets_tests.monitoring.examples import THURSDAY, failed, run
from stock_assets_tests.place import PATIENCE

RUNS = [
    run("a", at=1),
    failed("b", at=2),
    run("c", at=3, ticker="STX"),
    run("d", at=4, session=THURSDAY, steps=()),
    run("e", at=5, checks=(), fetches=()),
]
TAKEN = (tables.runs, tables.steps, tables.materialisations, tables.check_results, tables.fetch_attempts)


def content(database: Database) -> dict[str, list[tuple]]:
    with database.reading() as connection:
        return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in TAKEN}


def take(database: Database, *runs) -> list[bool]:
    taken = []
    for one in runs:
        with database.begin() as connection:
            taken.append(intake.take(connection, one))
    return taken


def test_what_is_kept_of_a_run(database):
    assert take(database, RUNS[0]) == [True]
    with database.reading() as connection:
        [kept] = connection.execute(sa.select(tables.runs)).mappings()
        fetches = connection.execute(sa.select(tables.fetch_attempts)).mappings().all()
        made = connection.execute(sa.select(tables.materialisations.c.bytes)).scalars().all()
    assert (kept["run_id"], kept["ticker"], kept["ended"], kept["error"]) == ("a", "TSLA", RUNS[0].ended, None)
    assert [(one["attempt"], one["succeeded"], one["error"]) for one in fetches] == [
        (1, False, "TSLA 2024-03-08: busy"),
        (2, True, None),
    ]
    assert sorted(made) == [100, 2**33]


def test_a_run_again_changes_nothing(database):
    take(database, *RUNS)
    before = content(database)
    assert take(database, *RUNS) == [False] * len(RUNS)
    assert content(database) == before


def test_a_run_that_turns_out_otherwise_replaces_what_was_there(database):
    take(database, failed("a"), RUNS[1])
    assert take(database, RUNS[0]) == [True]
    once = content(database)
    take(database, replace(RUNS[0], fetches=()), RUNS[0])
    assert content(database) == once
    assert next(row for row in once["runs"] if row[0] == "a")[2] == "success"
    assert {row[0] for row in once["steps"]} == {"a", "b"}


@given(order=st.lists(st.sampled_from(RUNS), max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_order_and_however_often(database, order):
    with database.begin() as connection:
        connection.execute(tables.runs.delete())
    take(database, *RUNS)
    expected = content(database)
    with database.begin() as connection:
        connection.execute(tables.runs.delete())
    take(database, *order)
    take(database, *reversed(RUNS))
    assert content(database) == expected


def test_a_kill_in_the_middle_leaves_nothing(database):
    def killed() -> None:
        with database.begin() as connection:
            intake.take(connection, RUNS[0])
            intake.advance(connection, "runs", "1")
            raise SystemExit

    with pytest.raises(SystemExit):
        killed()
    assert content(database)["runs"] == []
    with database.reading() as connection:
        assert intake.cursor(connection, "runs") is None


def test_a_run_that_can_not_be_stored_leaves_what_was_there(database):
    take(database, RUNS[0])
    before = content(database)
    twice = replace(RUNS[0], steps=(RUNS[0].steps[0], RUNS[0].steps[0]))
    with pytest.raises(MonitoringError, match=r"(?i)unique"):
        take(database, twice)
    assert content(database) == before


def _take_all(url: str, start) -> None:
    opened = open_database(url)
    start.wait(PATIENCE)
    for _ in range(5):
        take(opened, *RUNS)
        take(opened, *reversed(RUNS))
    opened.close()


def test_two_processes_at_once(database_url, database):
    take(database, *RUNS)
    expected = content(database)
    with database.begin() as connection:
        connection.execute(tables.runs.delete())
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=_take_all, args=(database_url, start)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0, 0]
    assert content(database) == expected


def test_which_runs_are_known(database):
    take(database, *RUNS)
    asked = ["unknown", *(str(n) for n in range(1200)), "b", "a"]
    with database.reading() as connection:
        assert intake.known(connection, asked) == {"a": "success", "b": "failure"}
        assert intake.known(connection, []) == {}


def test_how_far_was_read(database):
    with database.begin() as connection:
        intake.advance(connection, "runs", "1")
        intake.advance(connection, "runs", "2")
        intake.advance(connection, "others", "7")
        assert intake.cursor(connection, "runs") == "2"
        assert intake.cursor(connection, "none") is None
