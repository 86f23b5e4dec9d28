"""Finished runs into the database. Taking a run again replaces what it left, and so changes nothing.

The caller's transaction holds all of it, and how far was read (`advance`): killed at any moment, a run is there with
everything that belongs to it, or not at all. What follows from a run is for forecasts and conditions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from stock_assets.monitoring import tables
from stock_assets.monitoring.records import RunRecord

_CHILDREN = {
    "steps": tables.steps,
    "materialisations": tables.materialisations,
    "checks": tables.check_results,
    "fetches": tables.fetch_attempts,
}
# SQLite takes 32,766 values in a statement, older ones 999.
_AT_ONCE = 500


def take(connection: sa.Connection, run: RunRecord) -> bool:
    """Store a finished run; whether anything is known now that was not before.

    Everything that is there of the run is replaced, whatever was taken in between.
    """
    values = asdict(run)
    children = {table: values.pop(name) for name, table in _CHILDREN.items()}
    if _stored(connection, values, children):
        return False
    connection.execute(tables.runs.delete().where(tables.runs.c.run_id == run.run_id))
    connection.execute(tables.runs.insert(), values)
    for table, rows in children.items():
        if rows:
            connection.execute(table.insert(), [{"run_id": run.run_id, **row} for row in rows])
    return True


def _stored(connection: sa.Connection, values: dict[str, Any], children: dict[sa.Table, Sequence[dict]]) -> bool:
    """Whether exactly these rows are there."""
    if _rows(connection, tables.runs, values["run_id"]) != [values]:
        return False
    return all(
        _sorted(_rows(connection, table, values["run_id"]))
        == _sorted([{"run_id": values["run_id"], **row} for row in rows])
        for table, rows in children.items()
    )


def _rows(connection: sa.Connection, table: sa.Table, run_id: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.select(table).where(table.c.run_id == run_id)).mappings()]


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    # Keys of columns in a row come in the table's order in one case, the dataclass's in the other.
    return sorted(({key: row[key] for key in sorted(row)} for row in rows), key=repr)


def known(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """Run -> status, of those of `run_ids` that are there."""
    found: dict[str, str] = {}
    for start in range(0, len(run_ids), _AT_ONCE):
        part = run_ids[start : start + _AT_ONCE]
        query = sa.select(tables.runs.c.run_id, tables.runs.c.status).where(tables.runs.c.run_id.in_(part))
        found |= {row.run_id: row.status for row in connection.execute(query)}
    return found


def cursor(connection: sa.Connection, name: str) -> str | None:
    """How far was read; None when nothing was."""
    return connection.execute(sa.select(tables.cursors.c.value).where(tables.cursors.c.name == name)).scalar()


def advance(connection: sa.Connection, name: str, value: str) -> None:
    """Say how far was read."""
    connection.execute(tables.cursors.delete().where(tables.cursors.c.name == name))
    connection.execute(tables.cursors.insert(), {"name": name, "value": value})
