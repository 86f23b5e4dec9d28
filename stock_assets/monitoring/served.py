"""How often each forecast was served, minute by minute. What was forecast is in forecasts.

Adding the same answers twice counts them twice: whoever adds says in the same transaction how far was read.
"""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from stock_assets.monitoring import tables

_TABLE = tables.served


class Served(NamedTuple):
    """A forecast that was served `times` times by `route` within the minute that begins at `minute` (UTC)."""

    ticker: str
    session: datetime.date
    checksum: str
    route: str
    minute: datetime.datetime
    times: int


def add(connection: sa.Connection, answers: Iterable[Served]) -> int:
    """Add to the counts that are there; how many answers these were."""
    counts: dict[tuple, int] = {}
    for one in answers:
        key = one[:-1]
        counts[key] = counts.get(key, 0) + one.times
    if not counts:
        return 0
    # Sorted, so that two databases that were told the same hold the same.
    rows = [dict(zip(Served._fields, (*key, times), strict=True)) for key, times in sorted(counts.items())]
    insert = sqlite.insert(_TABLE) if connection.dialect.name == "sqlite" else postgresql.insert(_TABLE)
    more = {"times": _TABLE.c.times + insert.excluded.times}
    connection.execute(insert.on_conflict_do_update(index_elements=_TABLE.primary_key.columns, set_=more), rows)
    return sum(counts.values())


def totals(connection: sa.Connection, ticker: str) -> dict[datetime.date, int]:
    """Session -> how often forecasts of the ticker made after it were served, by all routes together."""
    query = (
        sa.select(_TABLE.c.session, sa.func.sum(_TABLE.c.times))
        .where(_TABLE.c.ticker == ticker)
        .group_by(_TABLE.c.session)
        .order_by(_TABLE.c.session)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}
