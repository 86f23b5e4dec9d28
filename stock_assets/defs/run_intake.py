"""Finished runs from Dagster's storage into the monitoring database, each in a transaction with all that follows of it.

Dagster is asked for what was updated since a cursor, which is kept in our database, less an overlap: runs end out of
order, on machines whose clocks differ. Which of them are known already, our database says. So whatever moment this is
killed at, or however often it is done, each run is taken, and once. What is read of a run is in run_records.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from stock_assets.defs import forecast_records, run_records
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.defs.resources import LazyDatabase
    from stock_assets.monitoring.records import RunRecord

CURSOR = "finished runs"
OVERLAP = timedelta(hours=24)
FIRST_LOOK = timedelta(days=7)
"""How far back runs are taken that ended before there was a database: what is older is no news to anybody."""
RUNS_A_TICK = 100
SECONDS_A_TICK = 20.0
"""After which no further run is read: a tick, which sends alerts too, ends within the minute that Dagster gives it, and
the next one goes on."""

# How runs that Dagster calls so may stand in our database: it makes a failure of what somebody stopped.
_STANDS_AS = {
    dg.DagsterRunStatus.SUCCESS: {"success", "canceled"},
    dg.DagsterRunStatus.FAILURE: {"failure", "canceled"},
    dg.DagsterRunStatus.CANCELED: {"canceled"},
}
# Dagster's storage asks for that many values in one statement.
_ASKED_AT_ONCE = 5000


class Taken(NamedTuple):
    """What a tick did: runs taken, and runs that wait for the next one."""

    runs: int
    waiting: int


def take_finished(
    instance: dg.DagsterInstance,
    database: "LazyDatabase",
    store: ArtefactStore,
    now: datetime,
    log: logging.Logger,
    *,
    limit: int = RUNS_A_TICK,
) -> Taken:
    """Take up to `limit` finished runs that are not in the database as they are, in the order in which they ended.

    What can't be read is told to `log`. Raises `MonitoringError` when the database fails: what was taken before stays.
    """
    from stock_assets.monitoring import intake

    with database.reading() as connection:
        read_to = intake.cursor(connection, CURSOR)
        cursor = None if read_to is None else datetime.fromisoformat(read_to)
        listed = _listed(instance, _since(cursor, now))
        known = intake.known(connection, list(listed))
    new = [run_id for run_id, status in listed.items() if known.get(run_id) not in _STANDS_AS[status]]
    if not new:
        return Taken(0, 0)
    asked = new[:_ASKED_AT_ONCE]
    records = instance.get_run_records(dg.RunsFilter(run_ids=asked), limit=limit, order_by="end_time", ascending=True)
    if len(records) < min(limit, len(asked)):
        gone = sorted(set(asked) - {record.dagster_run.run_id for record in records})
        log.warning("deleted before anything was kept of them: run %s", ", ".join(gone))
    taken, started = 0, time.monotonic()
    for record in records:
        if time.monotonic() - started > SECONDS_A_TICK:
            break
        taken += 1
        runs = _read(instance, record, log)
        if not runs:
            continue
        cursor = max(filter(None, (cursor, runs[0].ended)))
        _take(database, store, runs, cursor, now, log)
    return Taken(taken, len(new) - taken)


def _since(cursor: datetime | None, now: datetime) -> datetime:
    # A cursor in the future is that of a clock that was wrong: nothing would be found until then.
    return now - FIRST_LOOK if cursor is None else min(cursor, now) - OVERLAP


def _listed(instance: dg.DagsterInstance, since: datetime) -> Mapping[str, dg.DagsterRunStatus]:
    """Run -> status, of all finished ones that were updated since then, those created first first.

    Ids alone: the runs themselves, of which most are known, would cost a hundred times as much.
    """
    found: dict[str, dg.DagsterRunStatus] = {}
    for status in run_records.FINISHED:
        ids = instance.get_run_ids(dg.RunsFilter(statuses=[status], updated_after=since.astimezone(UTC)))
        found |= dict.fromkeys(reversed(ids), status)
    return found


def _read(instance: dg.DagsterInstance, record: dg.RunRecord, log: logging.Logger) -> "list[RunRecord]":
    """What is known of a run, and behind it of each partition of an evening's; nothing when it went on meanwhile."""
    import sqlalchemy.exc

    if record.dagster_run.status not in run_records.FINISHED:
        return []
    try:
        whole = run_records.read(instance, record)
        parts = run_records.of_partitions(instance, record, whole)
    except sqlalchemy.exc.OperationalError:
        # Busy, or not reachable: the next tick tries again.
        raise
    except (
        dg.DagsterError,
        sqlalchemy.exc.DatabaseError,
        # An event of another version of Dagster, or of another project: any of its parts may be missing or different.
        AssertionError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        log.exception("run %s: only that it ended is kept, as its log can't be read", record.dagster_run.run_id)
        return [run_records.unreadable(record, error)]
    # What partitions tell is told by them alone.
    return [replace(whole, materialisations=(), checks=()), *parts] if parts else [whole]


def _take(
    database: "LazyDatabase",
    store: ArtefactStore,
    runs: "Sequence[RunRecord]",
    cursor: datetime,
    now: datetime,
    log: logging.Logger,
) -> None:
    from stock_assets.monitoring import condition_store, intake

    with database.begin() as connection:
        problems = []
        for run in runs:
            if not intake.take(connection, run):
                continue
            problems += forecast_records.follow(connection, store, run)
            # What went wrong with a run of many partitions, these tell; that nothing did, it tells too.
            if run is not runs[0] or len(runs) == 1 or run.status == "success":
                condition_store.take_run(connection, run, now)
        intake.advance(connection, CURSOR, cursor.isoformat())
    for problem in problems:
        log.warning("%s", problem)
