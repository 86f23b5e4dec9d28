"""Conditions in the database: what runs and looks at the calendar change there. The rules are in conditions.

What is to be told is put down in the same transaction (gathering.put): nothing untrue is told, nothing forgotten.
"""

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from stock_assets.monitoring import conditions, gathering, observations, tables
from stock_assets.monitoring.conditions import Condition, Kind, Observation, Subject
from stock_assets.monitoring.records import CheckRecord, RunRecord, StepRecord

_TABLE = tables.conditions


def take_run(connection: sa.Connection, run: RunRecord, now: datetime.datetime) -> list[conditions.Change]:
    """What a finished run changes, in the caller's transaction; before or after intake.take, once or again.

    `now` is when this is taken; what is told waits from then on for others of its kind.
    """
    return _take(connection, observations.of_run(run), now)


def take_standings(
    connection: sa.Connection, found: Sequence[Observation], now: datetime.datetime
) -> list[conditions.Change]:
    """What a look at the calendar changes: observations.of_freshness and of_model of each ticker."""
    return _take(connection, found, now)


def let_go(connection: sa.Connection, followed: Collection[str], now: datetime.datetime) -> int:
    """Close, untold, what is wrong with tickers that are followed no longer: nothing will ever recover it. How many."""
    query = sa.select(_TABLE.c.ticker).where(_TABLE.c.recovered.is_(None)).distinct()
    gone = [
        ticker
        for ticker in connection.execute(query).scalars()
        if ticker and ticker != observations.ALL_TICKERS and ticker not in followed
    ]
    closed = 0
    for ticker in gone:
        mine = (_TABLE.c.ticker == ticker) & _TABLE.c.recovered.is_(None)
        gathering.withdraw(connection, sa.select(_TABLE.c.id).where(mine))
        closed += connection.execute(_TABLE.update().where(mine).values(recovered=now)).rowcount
    return closed


def open_conditions(connection: sa.Connection, tickers: Iterable[str] | None = None) -> list[Condition]:
    """What is wrong now, with all tickers or with some, the oldest first."""
    query = sa.select(_TABLE).where(_TABLE.c.recovered.is_(None)).order_by(_TABLE.c.opened, _TABLE.c.id)
    if tickers is not None:
        query = query.where(_TABLE.c.ticker.in_(sorted(set(tickers))))
    return [Condition.from_row(row) for row in connection.execute(query).mappings()]


def _take(connection: sa.Connection, found: Sequence[Observation], now: datetime.datetime) -> list[conditions.Change]:
    if not found:
        return []
    wrong: dict[int, Condition] = {}
    for condition in open_conditions(connection, {one.subject.ticker for one in found}):
        wrong[_id(condition)] = condition
    told_together: dict[Subject, list[Observation]] = {}
    for one in found:
        told_together.setdefault(one.subject, []).append(one)
    changes: list[conditions.Change] = []
    for one in sorted(found, key=lambda one: one.session):
        mine = [condition for condition in wrong.values() if condition.subject == one.subject]
        if one.passed and not mine:
            continue  # most of what runs say
        known = [*_known(connection, one), *told_together[one.subject]]
        for condition, event in conditions.decide(mine, one, known):
            stored = _store(connection, condition)
            if stored.recovered is None:
                wrong[_id(stored)] = stored
            else:
                del wrong[_id(stored)]
            if event is not None:
                gathering.put(connection, stored, event, now)
            changes.append(conditions.Change(stored, event))
    return changes


def _id(condition: Condition) -> int:
    if condition.id is None:
        raise ValueError(f"{condition} is not stored; expected one that is")
    return condition.id


def _store(connection: sa.Connection, condition: Condition) -> Condition:
    if condition.id is not None:
        connection.execute(_TABLE.update().where(_TABLE.c.id == condition.id).values(condition.to_row()))
        return condition
    made = connection.execute(_TABLE.insert().values(condition.to_row()).returning(_TABLE.c.id)).scalar_one()
    return replace(condition, id=made)


def _known(connection: sa.Connection, one: Observation) -> list[Observation]:
    """What other runs that ended no sooner say of the same subject. Nothing, unless a run is taken again or late."""
    if one.subject.kind not in (Kind.CHECK_FAILED, Kind.RUN_FAILED):
        return []
    runs, checks, steps = tables.runs, tables.check_results, tables.steps
    subject = one.subject
    of_ticker = runs.c.ticker.is_(None) if not subject.ticker else runs.c.ticker == subject.ticker
    later = sa.select(runs).where(runs.c.ended >= one.at, runs.c.run_id != (one.run_id or ""))
    if subject.kind == Kind.RUN_FAILED:
        later = later.where(of_ticker)
    else:
        asked = sa.select(checks.c.run_id).where(
            checks.c.ticker == subject.ticker, checks.c.asset == subject.asset, checks.c.check == subject.check
        )
        later = later.where(runs.c.run_id.in_(asked))
    known: list[Observation] = []
    for row in connection.execute(later).mappings().all():
        of_run = lambda table, run_id=row["run_id"]: _rows(connection, table, run_id)  # noqa: E731
        run = RunRecord(
            **row,
            steps=tuple(StepRecord(**values) for values in of_run(steps)),
            checks=tuple(CheckRecord(**values) for values in of_run(checks)),
        )
        known += [other for other in observations.of_run(run) if other.subject == subject]
    return known


def _rows(connection: sa.Connection, table: sa.Table, run_id: str) -> list[dict[str, Any]]:
    query = sa.select(*(column for column in table.columns if column.name != "run_id")).where(table.c.run_id == run_id)
    return [dict(row) for row in connection.execute(query).mappings()]
