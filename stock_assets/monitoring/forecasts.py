"""Every forecast that was made, and what happened, once it is known. Storing either again changes nothing.

How forecasts and outcomes are read from artefacts is for the caller, who gives tables as core.schemas describes them;
how good the forecasts were is in core.track_record.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from stock_assets.monitoring import tables
from stock_assets.monitoring.records import ForecastRecord, OutcomeRecord

if TYPE_CHECKING:
    import pandas as pd

ASSET = "asset"
SERVED = "served"

DATES = ("as_of", "target_session", "model_as_of")
"""The columns of `predictions` that are sessions."""

_FORECASTS = tables.forecasts
_OUTCOMES = tables.outcomes


class Lacking(NamedTuple):
    """A `predictions` artefact whose forecast is not stored yet."""

    session: datetime.date
    checksum: str
    run_id: str
    made: datetime.datetime


class Owed(NamedTuple):
    """What has to be looked up: what followed `session` up to `target_session`."""

    session: datetime.date
    target_session: datetime.date


def of_table(
    predictions: "pd.DataFrame",
    *,
    checksum: str,
    made: datetime.datetime,
    run_id: str | None = None,
    naive_probability_up: float | None = None,
) -> ForecastRecord:
    """The forecast in a `predictions` table of one row.

    Args:
        predictions: See `core.schemas.PREDICTIONS`.
        checksum: Of the artefact.
        made: When.
        run_id: The run that made it.
        naive_probability_up: The share of rises among the rows that its model was trained on.
    """
    [row] = predictions.to_dict("records")
    dates = {name: row[name].date() for name in DATES}
    return of_row(
        row | dates,
        checksum=checksum,
        made=made,
        run_id=run_id,
        naive_probability_up=naive_probability_up,
    )


def of_row(
    row: Mapping[str, Any],
    *,
    checksum: str,
    made: datetime.datetime,
    origin: str = ASSET,
    run_id: str | None = None,
    naive_probability_up: float | None = None,
) -> ForecastRecord:
    """The forecast in a row of `predictions` with the values that Python has: dates for sessions, str, float and bool.

    `origin`: `ASSET` or `SERVED`; served ones have no `run_id`. The other arguments are those of `of_table`.
    """
    return ForecastRecord(
        ticker=row["ticker"],
        session=row["as_of"],
        checksum=checksum,
        target_session=row["target_session"],
        made=made,
        origin=origin,
        source=row["source"],
        last_close=row["naive_close"],
        probability_up=row["probability_up"],
        expected_return=row["expected_return"],
        predicted_close=row["predicted_close"],
        interval_low=row["interval_low"],
        interval_high=row["interval_high"],
        interval_level=row["interval_level"],
        naive_close=row["naive_close"],
        model_session=row["model_as_of"],
        beats_naive=bool(row["beats_naive"]),
        run_id=run_id,
        naive_probability_up=naive_probability_up,
    )


def store(connection: sa.Connection, forecast: ForecastRecord) -> bool:
    """Store a forecast; whether anything changed.

    The same forecast made again, or served, is the one that is there: told of the run that made it first, whichever is
    stored first.
    """
    key = _key(_FORECASTS, forecast.ticker, forecast.session) & (_FORECASTS.c.checksum == forecast.checksum)
    there = connection.execute(
        sa.select(_FORECASTS.c.origin, _FORECASTS.c.made, _FORECASTS.c.run_id).where(key)
    ).first()
    if there is not None and _first(there.origin, there.made, there.run_id) <= _first(
        forecast.origin, forecast.made, forecast.run_id
    ):
        return False
    connection.execute(_FORECASTS.delete().where(key))
    connection.execute(_FORECASTS.insert(), asdict(forecast))
    return True


def _first(origin: str, made: datetime.datetime, run_id: str | None) -> tuple[bool, datetime.datetime, str]:
    return origin != ASSET, made, run_id or ""


def lacking(connection: sa.Connection, ticker: str, *, since: datetime.datetime) -> list[Lacking]:
    """The ticker's `predictions` artefacts made since then whose forecasts are not stored, the earliest first.

    One that was made again unchanged counts once, as it was made first. One that was only served so far is not stored
    as the run's yet: somebody may ask for it while the run that made it is still at the report.
    """
    made = tables.materialisations
    stored = sa.exists().where(
        _FORECASTS.c.ticker == made.c.ticker,
        _FORECASTS.c.session == made.c.session,
        _FORECASTS.c.checksum == made.c.checksum,
        _FORECASTS.c.origin == ASSET,
    )
    query = (
        sa.select(made.c.session, made.c.checksum, made.c.run_id, made.c.made)
        .where(made.c.asset == "predictions", made.c.ticker == ticker, made.c.made >= since)
        .where(made.c.checksum.is_not(None), ~stored)
        .order_by(made.c.made, made.c.run_id)
    )
    found: dict[tuple, Lacking] = {}
    for row in connection.execute(query):
        found.setdefault((row.session, row.checksum), Lacking(*row))
    return list(found.values())


def owed(connection: sa.Connection, ticker: str, *, made_again: Sequence[datetime.date] = ()) -> list[Owed]:
    """Forecasts of the ticker whose outcome is not known, each pair of sessions once, in order.

    `made_again`: sessions whose clean prices were just made. What was read from such a snapshot, or from a later one
    though this one has it too, is owed again: somebody may have made it to mend a mistake.
    """
    known = (
        (_OUTCOMES.c.ticker == _FORECASTS.c.ticker)
        & (_OUTCOMES.c.session == _FORECASTS.c.session)
        & (_OUTCOMES.c.target_session == _FORECASTS.c.target_session)
    )
    again = [(_FORECASTS.c.target_session <= one) & (_OUTCOMES.c.known_from >= one) for one in made_again]
    query = (
        sa.select(_FORECASTS.c.session, _FORECASTS.c.target_session)
        .distinct()
        .select_from(_FORECASTS.outerjoin(_OUTCOMES, known))
        .where(_FORECASTS.c.ticker == ticker, sa.or_(_OUTCOMES.c.ticker.is_(None), *again))
        .order_by(_FORECASTS.c.session, _FORECASTS.c.target_session)
    )
    return [Owed(*row) for row in connection.execute(query)]


def outcome(clean: "pd.DataFrame", ticker: str, pair: Owed, *, known_from: datetime.date) -> OutcomeRecord | None:
    """What followed, by the `clean_prices` of the session `known_from`, which is not before the target session.

    With s the session and t its target: realised_return is the product of 1 + total_return over the rows after s up to
    t, less 1, as core.targets defines it, so dividends are in it. realised_close is the close of t times all splits
    after s that the snapshot knows, which is the basis in which the forecast of s was told; dividends are not in it.

    None where the table lacks a row for either session, as core.targets has no target there.
    """
    import pandas as pd

    start, end = pd.Timestamp(pair.session), pd.Timestamp(pair.target_session)
    if start not in clean.index or end not in clean.index:
        return None
    after = clean.index > start
    growth = (1 + clean["total_return"].to_numpy()[after & (clean.index <= end)]).prod()
    splits = clean["split_ratio"].to_numpy()[after].prod()
    close = clean["close"].to_numpy()[clean.index == end][0]
    return OutcomeRecord(
        ticker=ticker,
        session=pair.session,
        target_session=pair.target_session,
        known_from=known_from,
        realised_return=float(growth) - 1,
        realised_close=float(close * splits),
    )


def settle(connection: sa.Connection, found: OutcomeRecord) -> None:
    """Store an outcome in the place of the one that may be there."""
    key = _key(_OUTCOMES, found.ticker, found.session) & (_OUTCOMES.c.target_session == found.target_session)
    connection.execute(_OUTCOMES.delete().where(key))
    connection.execute(_OUTCOMES.insert(), asdict(found))


def _key(table: sa.Table, ticker: str, session: datetime.date) -> sa.ColumnElement[bool]:
    return (table.c.ticker == ticker) & (table.c.session == session)
