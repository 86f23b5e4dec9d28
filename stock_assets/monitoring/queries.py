"""What a person wants to see of the monitoring database, read in one transaction that sees one state of it.

What is wrong now is read by condition_store, what was not delivered by outbox. Nothing here writes.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from stock_assets.monitoring import tables
from stock_assets.monitoring.forecasts import ASSET

if TYPE_CHECKING:
    import pandas as pd

_RUNS, _STEPS, _FORECASTS, _OUTCOMES = tables.runs, tables.steps, tables.forecasts, tables.outcomes


class LastRun(NamedTuple):
    """The run of a ticker that ended last; `seconds` None when it never started."""

    ticker: str
    job: str
    status: str
    session: datetime.date | None
    ended: datetime.datetime
    seconds: float | None
    error: str | None


class Delivery(NamedTuple):
    """A message on its way to a receiver, or there; as in the table `deliveries`."""

    receiver: str
    attempts: int
    next_attempt: datetime.datetime
    delivered: datetime.datetime | None
    error: str | None


class Told(NamedTuple):
    """A message and what became of it at each receiver, by name."""

    created: datetime.datetime
    event: str
    severity: str
    title: str
    deliveries: tuple[Delivery, ...]


def last_runs(connection: sa.Connection) -> dict[str, LastRun]:
    """Ticker -> its run that ended last, however it ended."""
    place = sa.func.row_number().over(partition_by=_RUNS.c.ticker, order_by=(_RUNS.c.ended.desc(), _RUNS.c.run_id))
    ranked = sa.select(_RUNS, place.label("place")).where(_RUNS.c.ticker.is_not(None)).subquery()
    found = {}
    for row in connection.execute(sa.select(ranked).where(ranked.c.place == 1)):
        seconds = (row.ended - row.started).total_seconds() if row.started else None
        found[row.ticker] = LastRun(row.ticker, row.job, row.status, row.session, row.ended, seconds, row.error)
    return found


def durations(connection: sa.Connection, assets: Iterable[str], *, latest: int) -> dict[str, list[float]]:
    """Asset -> seconds of its latest steps that went well, of all tickers together, in order of time."""
    ended_last = (_RUNS.c.ended.desc(), _RUNS.c.run_id)
    place = sa.func.row_number().over(partition_by=_STEPS.c.step, order_by=ended_last).label("place")
    ranked = (
        sa.select(_STEPS.c.step, _STEPS.c.seconds, place)
        .join(_RUNS, _RUNS.c.run_id == _STEPS.c.run_id)
        .where(_STEPS.c.step.in_(list(assets)), _STEPS.c.status == "success", _STEPS.c.seconds.is_not(None))
        .subquery()
    )
    query = sa.select(ranked).where(ranked.c.place <= latest).order_by(ranked.c.step, ranked.c.place.desc())
    found: dict[str, list[float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.step, []).append(row.seconds)
    return found


def forecasts(connection: sa.Connection, ticker: str, source: str, *, latest: int) -> "pd.DataFrame":
    """The forecasts that the graph made of a ticker from prices of `source`, one a session, beside what happened.

    Those of the `latest` sessions that have one. Of a session whose forecast was made several times the first counts:
    the later ones may have been made by somebody who knew better. Indexed by session, in order; the columns of the
    table `forecasts`, and realised_return and realised_close, missing while they are not known.
    """
    import pandas as pd

    place = sa.func.row_number().over(
        partition_by=_FORECASTS.c.session, order_by=(_FORECASTS.c.made, _FORECASTS.c.checksum)
    )
    mine = (_FORECASTS.c.ticker == ticker) & (_FORECASTS.c.origin == ASSET) & (_FORECASTS.c.source == source)
    ranked = sa.select(_FORECASTS, place.label("place")).where(mine).subquery()
    newest = sa.select(ranked).where(ranked.c.place == 1).order_by(ranked.c.session.desc()).limit(latest).subquery()
    known = (
        (_OUTCOMES.c.ticker == newest.c.ticker)
        & (_OUTCOMES.c.session == newest.c.session)
        & (_OUTCOMES.c.target_session == newest.c.target_session)
    )
    columns = [column.name for column in _FORECASTS.columns]
    query = (
        sa.select(*(newest.c[name] for name in columns), _OUTCOMES.c.realised_return, _OUTCOMES.c.realised_close)
        .select_from(newest.outerjoin(_OUTCOMES, known))
        .order_by(newest.c.session)
    )
    found = pd.DataFrame(connection.execute(query).all(), columns=[*columns, "realised_return", "realised_close"])
    numbers = dict.fromkeys(("naive_probability_up", "realised_return", "realised_close"), "float64")
    found = found.astype(numbers | dict.fromkeys(("session", "target_session"), "datetime64[ns]"))
    return found.set_index("session")


def sources(connection: sa.Connection) -> dict[str, str]:
    """Ticker -> where the prices of its newest forecast came from."""
    place = sa.func.row_number().over(
        partition_by=_FORECASTS.c.ticker, order_by=(_FORECASTS.c.session.desc(), _FORECASTS.c.made.desc())
    )
    mine = sa.select(_FORECASTS.c.ticker, _FORECASTS.c.source, place.label("place"))
    ranked = mine.where(_FORECASTS.c.origin == ASSET).subquery()
    query = sa.select(ranked.c.ticker, ranked.c.source).where(ranked.c.place == 1)
    return {row.ticker: row.source for row in connection.execute(query)}


def told(connection: sa.Connection, *, latest: int) -> list[Told]:
    """The latest messages, the newest first."""
    messages, deliveries = tables.messages, tables.deliveries
    rows = connection.execute(sa.select(messages).order_by(messages.c.number.desc()).limit(latest)).all()
    found: dict[str, list[Delivery]] = {row.id: [] for row in rows}
    of_these = deliveries.c.message_id.in_(list(found))
    for one in connection.execute(sa.select(deliveries).where(of_these).order_by(deliveries.c.receiver)):
        found[one.message_id].append(Delivery(one.receiver, one.attempts, one.next_attempt, one.delivered, one.error))
    return [Told(row.created, row.event, row.severity, row.title, tuple(found[row.id])) for row in rows]


def counts(connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
    """Table -> how many rows it has."""
    every = tables.metadata.tables
    return {
        name: connection.execute(sa.select(sa.func.count()).select_from(every[name])).scalar_one() for name in names
    }


def first_run(connection: sa.Connection) -> datetime.datetime | None:
    """When the first run on record ended; None when there is none."""
    return connection.execute(sa.select(_RUNS.c.ended).order_by(_RUNS.c.ended).limit(1)).scalar()
