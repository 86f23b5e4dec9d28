"""The sensor on real runs: each is taken once, in order, whatever happens in between; forecasts meet their outcomes."""

import dataclasses
import datetime as dt
import itertools
import logging
import multiprocessing
import os
import signal
import sqlite3
import types
from unittest import mock

import dagster as dg
import pytest
import sqlalchemy as sa

from stock_assets.core.errors import MonitoringError
from stock_assets.defs import resources, run_intake, run_records
from stock_assets.monitoring import intake, observations, tables
from stock_assets_tests.defs.graph import SESSION, later
from stock_assets_tests.place import PATIENCE

NOW = dt.datetime.now(dt.UTC)
LOG = logging.getLogger("stock_assets.test")


@pytest.fixture
def database(database_url) -> resources.LazyDatabase:
    opened = resources.LazyDatabase(mock.Mock(database_url=database_url))
    yield opened
    opened.opened.close()


@pytest.fixture
def take(database, instance, make_graph):
    """Takes what has finished by now."""

    def taking(store=None, **more) -> run_intake.Taken:
        return run_intake.take_finished(instance, database, store or make_graph().store, NOW, LOG, **more)

    return taking


def rows(database, table: sa.Table, *columns: str) -> list[tuple]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*(table.c[name] for name in columns)))]


def ended(instance, at: float | None = None, *, status=dg.DagsterRunStatus.SUCCESS) -> str:
    """A run without events that ended so many seconds ago."""
    event = {
        dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
    }[status]
    run = instance.add_run(dg.DagsterRun(job_name="daily_job", status=dg.DagsterRunStatus.STARTED))
    when = NOW - dt.timedelta(seconds=at or 0)
    instance.report_dagster_event(
        dg.DagsterEvent(event.value, "daily_job", message="ended"), run.run_id, timestamp=when.timestamp()
    )
    return run.run_id


def test_a_real_run_is_taken_once(make_graph, database, take):
    made = make_graph()
    result = made.run("daily_job")
    assert take(made.store) == (1, 0)
    assert rows(database, tables.runs, "run_id", "job", "ticker", "session") == [
        (result.run_id, "daily_job", "TSLA", SESSION)
    ]
    assert len(rows(database, tables.check_results, "check")) == len(result.get_asset_check_evaluations())
    assert take(made.store) == (0, 0)


def test_a_forecast_is_kept_with_its_run(finished, database):
    made, _ = finished
    run_intake.take_finished(made.instance, database, made.store, NOW, LOG)
    assert rows(database, tables.forecasts, "ticker", "session", "checksum") == [
        ("TSLA", SESSION, made.store.checksum("predictions", "TSLA", SESSION))
    ]


def test_what_went_wrong_becomes_a_condition(make_graph, database, take):
    """There is no model: predictions fails."""
    made = make_graph()
    made.run("daily_job")
    take(made.store)
    found = rows(database, tables.conditions, "kind", "ticker", "asset", "session")
    assert ("run_failed", "TSLA", "predictions", SESSION) in found


def test_a_forecast_without_a_model_is_told_by_the_calendar_while_that_looks(make_graph, instance):
    """The words of the real error: as told on that evening, and as told of a session that was long ago."""
    result = make_graph().run("daily_job")
    read = run_records.read(instance, instance.get_run_record_by_id(result.run_id))
    that_evening = dataclasses.replace(read, ended=dt.datetime.combine(SESSION, dt.time(22, 30), dt.UTC))
    failed = [
        {one.subject.asset for one in observations.of_run(run) if one.subject.kind == "run_failed" and not one.passed}
        for run in (that_evening, read)
    ]
    assert failed == [set(), {"predictions"}]


def test_runs_are_taken_in_the_order_in_which_they_ended(instance, database, take):
    ids = {at: ended(instance, at) for at in (30, 10, 50, 20, 40)}
    with mock.patch.object(intake, "take", wraps=intake.take) as taking:
        assert take(limit=3) == (3, 2)
        assert take(limit=3) == (2, 0)
    assert [call.args[1].run_id for call in taking.call_args_list] == [ids[at] for at in (50, 40, 30, 20, 10)]


def test_when_the_time_is_over_the_next_tick_goes_on(instance, database, take, monkeypatch):
    """Each look at the clock finds it 15 seconds later: one run is begun within 20."""
    clock = itertools.count(0.0, 15.0)
    for at in (30, 20, 10):
        ended(instance, at)
    with monkeypatch.context() as patched:
        patched.setattr(run_intake, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
        assert take() == (1, 2)
    assert take() == (2, 0)


def test_a_run_that_is_told_of_late_is_taken_all_the_same(instance, database, take):
    """By a machine whose clock is an hour behind."""
    ended(instance, 0)
    assert take() == (1, 0)
    late = ended(instance, 3600)
    assert take() == (1, 0)
    assert (late,) in rows(database, tables.runs, "run_id")


def test_a_clock_that_was_wrong_does_not_stop_it(instance, database, take):
    ended(instance, -30 * 24 * 3600)
    assert take() == (1, 0)
    ended(instance, 0)
    assert take() == (1, 0)


def test_on_the_first_look_what_is_long_past_is_left_alone(instance, database, take):
    ended(instance, 8 * 24 * 3600)
    recent = ended(instance, 6 * 24 * 3600)
    assert take() == (1, 0)
    assert rows(database, tables.runs, "run_id") == [(recent,)]


def test_after_a_standstill_nothing_is_left_out(instance, database, take):
    ended(instance, 20 * 24 * 3600)
    with database.begin() as connection:
        intake.advance(connection, run_intake.CURSOR, (NOW - dt.timedelta(days=25)).isoformat())
    assert take() == (1, 0)


def test_a_run_that_ended_otherwise_after_all(instance, database, take):
    """Dagster gave it up for dead, and then it said that it went well."""
    run_id = ended(instance, 60, status=dg.DagsterRunStatus.FAILURE)
    take()
    assert rows(database, tables.runs, "status") == [("failure",)]
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "daily_job"), run_id, timestamp=NOW.timestamp()
    )
    assert take() == (1, 0)
    assert rows(database, tables.runs, "status") == [("success",)]


def test_a_run_that_is_not_over_is_left_alone(instance, database, take):
    instance.add_run(dg.DagsterRun(job_name="daily_job", status=dg.DagsterRunStatus.STARTED))
    assert take() == (0, 0)


@pytest.mark.parametrize("crash_in", ["intake.take", "condition_store.take_run", "intake.advance"])
def test_a_crash_at_any_moment_is_made_up_for(make_graph, instance, database, take, crash_in):
    """Of three runs the second crashes: the first is kept, of the second nothing, and the next tick goes on."""
    made = make_graph()
    for ticker in ("TSLA", "STX"):
        made.run(["raw_prices"], ticker=ticker)
    made.run(["raw_prices"], session=later(1))
    calls = []

    def crash(original):
        def crashing(*args):
            calls.append(args)
            if len(calls) == 2:
                raise SystemExit
            return original(*args)

        return crashing

    module, name = crash_in.split(".")
    owner = __import__(f"stock_assets.monitoring.{module}", fromlist=[module])
    with mock.patch.object(owner, name, crash(getattr(owner, name))), pytest.raises(SystemExit):
        take(made.store)
    assert len(rows(database, tables.runs, "run_id")) == 1
    assert len({run_id for (run_id,) in rows(database, tables.check_results, "run_id")}) == 1
    assert take(made.store) == (2, 0)
    assert take(made.store) == (0, 0)


def _take_and_be_killed(home: str, url: str) -> None:
    """Takes runs until the second was written but not committed."""
    calls = []

    def advance(*args) -> None:
        original(*args)
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    original, intake.advance = intake.advance, advance
    with dg.DagsterInstance.local_temp(home) as instance:
        database = resources.LazyDatabase(mock.Mock(database_url=url))
        run_intake.take_finished(instance, database, mock.Mock(), NOW, LOG)


def test_a_process_that_is_killed_leaves_whole_runs(tmp_path, database, database_url):
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        ids = [ended(instance, at) for at in (30, 20, 10)]
        process = multiprocessing.get_context("spawn").Process(
            target=_take_and_be_killed, args=(str(home), database_url)
        )
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
        assert rows(database, tables.runs, "run_id") == [(ids[0],)]
        assert run_intake.take_finished(instance, database, mock.Mock(), NOW, LOG) == (2, 0)
    assert {run_id for (run_id,) in rows(database, tables.runs, "run_id")} == set(ids)


def test_a_database_that_is_away_loses_nothing(make_graph, instance, database, take):
    ended(instance, 5)
    with mock.patch.object(intake, "take", side_effect=MonitoringError("away")), pytest.raises(MonitoringError):
        take()
    assert take() == (1, 0)


def test_a_run_that_vanishes_is_told(instance, database, take, caplog):
    run_id = ended(instance, 5)
    with mock.patch.object(instance, "get_run_records", return_value=[]):
        take()
    assert f"deleted before anything was kept of them: run {run_id}" in caplog.text


def test_a_log_that_can_not_be_read_is_told_and_the_next_run_taken(tmp_path, database, caplog):
    """A damaged file among Dagster's own."""
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        bad, good = ended(instance, 50, status=dg.DagsterRunStatus.FAILURE), ended(instance, 10)
        [damaged] = home.rglob(f"{bad}.db")
        with sqlite3.connect(damaged) as connection:
            connection.execute('UPDATE event_logs SET event = \'{"no": "event"}\'')
        connection.close()
        taken = run_intake.take_finished(instance, database, mock.Mock(), NOW, LOG)
    assert taken == (2, 0)
    assert f"run {bad}: only that it ended is kept, as its log can't be read" in caplog.text
    kept = dict(rows(database, tables.runs, "run_id", "error"))
    assert kept.keys() == {bad, good}
    assert kept[bad].startswith("daily_job: its log can't be read: ")


def test_the_sensor_itself(instance, database, make_graph):
    made = make_graph(database=database)
    made.run("daily_job")
    sensor = made.defs.resolve_sensor_def("monitoring_sensor")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    given = made.defs.resources
    needed = {name: given[name] for name in sensor.required_resource_keys}
    with dg.build_sensor_context(instance=instance, resources=needed, definitions=made.defs) as context:
        assert sensor.evaluate_tick(context).skip_message == "1 finished runs taken; 0 alerts delivered"
        assert sensor.evaluate_tick(context).skip_message == "0 finished runs taken; 0 alerts delivered"
    assert rows(database, tables.message_conditions, "event")
