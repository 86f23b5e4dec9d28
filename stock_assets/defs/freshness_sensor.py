"""The sensor that tells what is late, without a run: in Dagster as results of the freshness checks, and to monitoring.

What was last told of each ticker is its cursor, which Dagster keeps. It is written once a tick has told everything; a
tick that broke off tells the same again. A ticker that is up to date costs nothing: nobody looks at its files.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs import freshness, on_hand, open_storage, runless_checks
from stock_assets.defs.resources import LazyDatabase
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core.news import Change, Told

EVERY_SECONDS = 300
MOST_TICKERS = 200
"""Told of in one tick: Dagster gives it a minute, and the next one tells of the rest."""


def build(tickers: Sequence[str], deadline: timedelta) -> dg.SensorDefinition:
    """The sensor for the tickers of the watchlist."""

    @dg.sensor(
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"store", "clock", "database"},
        description=_DESCRIPTION,
    )
    def freshness_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        store, now = context.resources.store, context.resources.clock.now()
        told = read(context.cursor)
        changes = look(store, now, told, tickers, deadline)
        # Of hundreds of tickers, opening Dagster's files for each result would take half of a tick's minute.
        with open_storage.held_open(context.instance):
            tell(context.instance, store, now, changes, deadline)
        inform(context.resources.database, now, changes)
        told = {ticker: one for ticker, one in told.items() if ticker in tickers}
        told |= {ticker: change.told for ticker, change in changes.items()}
        return dg.SensorResult(skip_reason=_summary(changes, len(tickers)), cursor=written(told))

    return freshness_sensor


def look(
    store: ArtefactStore, now: datetime, told: "Mapping[str, Told]", tickers: Sequence[str], deadline: timedelta
) -> "dict[str, Change]":
    """What has to be told, by ticker; at most of `MOST_TICKERS`."""
    from stock_assets.core import news

    changes = {}
    for ticker in tickers:
        known = told.get(ticker)
        if news.is_settled(now, known):
            continue
        change = news.change(
            now,
            known,
            on_hand.reports(store, ticker),
            lambda session, ticker=ticker: on_hand.last_model(store, ticker, session),
            deadline=deadline,
        )
        if change is not None:
            changes[ticker] = change
        if len(changes) == MOST_TICKERS:
            break
    return changes


def tell(
    instance: dg.DagsterInstance,
    store: ArtefactStore,
    now: datetime,
    changes: "Mapping[str, Change]",
    deadline: timedelta,
) -> None:
    """Results of the freshness checks for Dagster's event log, that of a model only when its state has changed."""
    for ticker, change in changes.items():
        for session, _ in change.reports:
            found = freshness.of_report(session, on_hand.reports(store, ticker), now, deadline)
            runless_checks.report(instance, found.evaluation(ticker, session))
        if change.model is not None:
            found = freshness.of_model(change.model)
            runless_checks.report(instance, found.evaluation(ticker, change.model.session))


def inform(database: LazyDatabase, now: datetime, changes: "Mapping[str, Change]") -> None:
    """The same as conditions in the monitoring database, which opens and closes alerts."""
    from stock_assets.monitoring import condition_store, observations

    found = []
    for ticker, change in changes.items():
        if change.reports:
            found.append(observations.of_freshness(ticker, change.freshness, now))
        if change.model is not None:
            found.append(observations.of_model(ticker, change.model.session, change.model.model, now))
    if found:
        with database.begin() as connection:
            condition_store.take_standings(connection, found, now)


def written(told: "Mapping[str, Told]") -> str:
    """As the sensor's cursor, without what goes without saying."""
    return json.dumps({ticker: _row(one) for ticker, one in told.items()}, separators=(",", ":"))


def _row(one: "Told") -> dict[str, Any]:
    row = {
        "since": one.since.isoformat(timespec="seconds") if one.fresh is None else None,
        "fresh": str(one.fresh) if one.fresh else None,
        "late": [str(session) for session in one.late],
        "model": one.model.value if one.model else None,
    }
    return {name: value for name, value in row.items() if value}


def read(cursor: str | None) -> "dict[str, Told]":
    """What `written` wrote; nothing where there is no cursor yet."""
    from stock_assets.core import news
    from stock_assets.core.freshness import ModelState

    long_ago = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    return {
        ticker: news.Told(
            since=datetime.fromisoformat(row["since"]) if "since" in row else long_ago,
            fresh=date.fromisoformat(row["fresh"]) if "fresh" in row else None,
            late=tuple(map(date.fromisoformat, row.get("late", ()))),
            model=ModelState(row["model"]) if "model" in row else None,
        )
        for ticker, row in json.loads(cursor or "{}").items()
    }


def _summary(changes: "Mapping[str, Change]", n_tickers: int) -> str:
    news = [ticker for ticker, change in changes.items() if change.reports or change.model]
    late = [ticker for ticker, change in changes.items() if any(not there for _, there in change.reports)]
    if not news:
        return f"nothing new of {n_tickers} tickers"
    return f"told of {', '.join(news)}" + (f"; late: {', '.join(late)}" if late else "")


_DESCRIPTION = (
    "Looks every five minutes whether the newest closed session of each ticker has its report, and whether its model "
    "is still good; tells it without a run, as results of the checks latest_session_is_there and model_is_valid, and "
    "opens and closes alerts. Nothing is late on a weekend or a holiday."
)
