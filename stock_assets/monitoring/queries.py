"""What a dashboard shows of the database: runs, durations, alerts, forecasts and how they did. Only reads.

What is wrong now, condition_store tells; what the page looks like is for reporting.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from stock_assets.monitoring import tables

_RUNS, _STEPS = tables.runs, tables.steps
_FORECASTS, _OUTCOMES = tables.forecasts, tables.outcomes


class Run(NamedTuple):
    """A finished run; see the columns of `runs`. `seconds`: None when it never started."""

    run_id: str
    job: str
    status: str
    ticker: str | None
    session: datetime.date | None
    ended: datetime.datetime
    seconds: float | None
    error: str | None


class Duration(NamedTuple):
    """How long a step took in a run that it succeeded in."""

    step: str
    ticker: str | None
    session: datetime.date | None
    ended: datetime.datetime
    seconds: float


class Delivery(NamedTuple):
    """How a message fares with one receiver."""

    receiver: str
    attempts: int
    next_attempt: datetime.datetime
    delivered: datetime.datetime | None
    error: str | None


class Alert(NamedTuple):
    """A message, and how it fares."""

    id: str
    event: str
    severity: str
    title: str
    created: datetime.datetime
    deliveries: tuple[Delivery, ...]


class Forecast(NamedTuple):
    """A forecast; see the columns of `forecasts`. The realised numbers are None while they are not known."""

    ticker: str
    session: datetime.date
    target_session: datetime.date
    made: datetime.datetime
    source: str
    probability_up: float
    naive_probability_up: float | None
    predicted_close: float
    interval_low: float
    interval_high: float
    interval_level: float
    realised_return: float | None
    realised_close: float | None


class Record(NamedTuple):
    """How forecasts did: of `made`, the outcome of `n` is known.

    `right`: directions called right, as evaluation counts them: above a half says that it rises; `inside`: closes within the interval. The
    Brier scores are means over the `n_brier` whose naive probability is known; None when there are none.
    """

    made: int
    n: int
    right: int
    inside: int
    n_brier: int
    brier: float | None
    brier_naive: float | None


def latest_runs(connection: sa.Connection, *, limit: int = 50, status: str | None = None) -> list[Run]:
    """Runs, or those of one status, the latest first."""
    query = sa.select(_RUNS).order_by(_RUNS.c.ended.desc(), _RUNS.c.run_id).limit(limit)
    if status is not None:
        query = query.where(_RUNS.c.status == status)
    return [_run(row) for row in connection.execute(query)]


def latest_run_of_each(connection: sa.Connection, tickers: Sequence[str]) -> dict[str, Run]:
    """Ticker -> its latest run, of those that have one."""
    place = _newest_first(_RUNS.c.ticker, by=(_RUNS.c.ended, _RUNS.c.run_id))
    ranked = sa.select(_RUNS, place).where(_RUNS.c.ticker.in_(tickers)).subquery()
    found = connection.execute(sa.select(ranked).where(ranked.c.place == 1))
    return {row.ticker: _run(row) for row in found}


def _run(row: sa.Row) -> Run:
    seconds = None if row.started is None else (row.ended - row.started).total_seconds()
    return Run(row.run_id, row.job, row.status, row.ticker, row.session, row.ended, seconds, row.error)


def durations(connection: sa.Connection, *, limit: int = 60) -> dict[str, list[Duration]]:
    """Step -> how long it took in the latest `limit` runs in which it succeeded, the earliest first."""
    place = _newest_first(_STEPS.c.step, by=(_RUNS.c.ended, _RUNS.c.run_id))
    ranked = (
        sa.select(_STEPS.c.step, _RUNS.c.ticker, _RUNS.c.session, _RUNS.c.ended, _STEPS.c.seconds, place)
        .join(_RUNS, _RUNS.c.run_id == _STEPS.c.run_id)
        .where(_STEPS.c.status == "success", _STEPS.c.seconds.is_not(None))
        .subquery()
    )
    query = sa.select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.step, ranked.c.place.desc())
    found: dict[str, list[Duration]] = {}
    for step, ticker, session, ended, seconds, _ in connection.execute(query):
        found.setdefault(step, []).append(Duration(step, ticker, session, ended, seconds))
    return found


def latest_alerts(connection: sa.Connection, *, limit: int = 50) -> list[Alert]:
    """Messages and how they fare with each receiver, the latest first."""
    messages, deliveries = tables.messages, tables.deliveries
    told = connection.execute(sa.select(messages).order_by(messages.c.number.desc()).limit(limit)).all()
    fares = connection.execute(
        sa.select(deliveries)
        .where(deliveries.c.message_id.in_([message.id for message in told]))
        .order_by(deliveries.c.receiver)
    ).all()
    return [
        Alert(
            message.id,
            message.event,
            message.severity,
            message.title,
            message.created,
            tuple(
                Delivery(one.receiver, one.attempts, one.next_attempt, one.delivered, one.error)
                for one in fares
                if one.message_id == message.id
            ),
        )
        for message in told
    ]


def forecasts(connection: sa.Connection, ticker: str, *, limit: int = 252) -> list[Forecast]:
    """The ticker's forecasts of its latest `limit` sessions with what happened, the latest session first.

    Of several of one session, the one that was made first: no second thoughts once the outcome is known.
    """
    first = sa.func.row_number().over(
        partition_by=(_FORECASTS.c.session, _FORECASTS.c.target_session),
        order_by=(_FORECASTS.c.made, _FORECASTS.c.checksum),
    )
    ranked = sa.select(_FORECASTS, first.label("place")).where(_FORECASTS.c.ticker == ticker).subquery()
    known = (
        (_OUTCOMES.c.ticker == ranked.c.ticker)
        & (_OUTCOMES.c.session == ranked.c.session)
        & (_OUTCOMES.c.target_session == ranked.c.target_session)
    )
    query = (
        sa.select(
            *(ranked.c[name] for name in Forecast._fields[:-2]), _OUTCOMES.c.realised_return, _OUTCOMES.c.realised_close
        )
        .select_from(ranked.outerjoin(_OUTCOMES, known))
        .where(ranked.c.place == 1)
        .order_by(ranked.c.session.desc(), ranked.c.target_session.desc())
        .limit(limit)
    )
    return [Forecast(*row) for row in connection.execute(query)]


def record(found: Sequence[Forecast]) -> Record:
    """How these forecasts did."""
    known = [
        (one, one.realised_return, one.realised_close)
        for one in found
        if one.realised_return is not None and one.realised_close is not None
    ]
    right = sum((one.probability_up > 0.5) == (came > 0) for one, came, _ in known)
    inside = sum(one.interval_low <= close <= one.interval_high for one, _, close in known)
    losses = [
        ((one.probability_up - (came > 0)) ** 2, (one.naive_probability_up - (came > 0)) ** 2)
        for one, came, _ in known
        if one.naive_probability_up is not None
    ]
    n = len(losses)
    brier, brier_naive = (sum(column) / n for column in zip(*losses, strict=True)) if n else (None, None)
    return Record(len(found), len(known), right, inside, n, brier, brier_naive)


def sizes(connection: sa.Connection) -> dict[str, int]:
    """Rows of the tables that grow, and `bytes` of the whole database."""
    counted = (_RUNS, tables.check_results, _FORECASTS, _OUTCOMES, tables.conditions, tables.messages)
    rows = {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in counted
    }
    if connection.dialect.name == "sqlite":
        size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        size = "SELECT pg_database_size(current_database())"
    return rows | {"bytes": connection.execute(sa.text(size)).scalar_one()}


def _newest_first(group: sa.Column, *, by: Sequence[sa.Column]) -> sa.Label[int]:
    """The place of a row in its group, 1 being the newest, as `place`."""
    ordered = [column.desc() for column in by]
    return sa.func.row_number().over(partition_by=group, order_by=ordered).label("place")
