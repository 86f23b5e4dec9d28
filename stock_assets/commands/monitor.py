"""`monitor`: what the monitoring database knows, as a page."""

import datetime
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa

from stock_assets import watchlist as watchlists
from stock_assets.core import freshness, track_record
from stock_assets.core.errors import SettingsError
from stock_assets.defs import assets, on_hand
from stock_assets.monitoring import condition_store, outbox, queries
from stock_assets.monitoring.database import Database, open_database
from stock_assets.reporting import monitor_page
from stock_assets.settings import Settings
from stock_assets.storage import atomic
from stock_assets.storage.artefacts import ArtefactStore

LATEST_ALERTS = 20
_PAGE = "monitor.html"
_COUNTED = {
    "runs": "Runs on record",
    "check_results": "Check results",
    "forecasts": "Forecasts",
    "outcomes": "Outcomes of forecasts",
    "conditions": "Conditions so far",
    "messages": "Alerts so far",
}


class Page(NamedTuple):
    """The page that was written: what it says in a line, and where it is."""

    summary: str
    path: Path


def write(settings: Settings, to: Path | None, now: datetime.datetime) -> Page:
    """Write the page, by default as `monitor.html` into the data folder, or the current one when that is a URL.

    Raises `SettingsError` for a bad watchlist or a file that can't be written, `MonitoringError` when the database
    can't be used.
    """
    listed = watchlists.read(settings.watchlist)
    default = Path.cwd() if "://" in settings.data_dir else Path(settings.data_dir)
    path = to or default / _PAGE
    database = open_database(settings.database_url)
    try:
        found = _read(database, settings, listed, now)
    finally:
        database.close()
    try:
        atomic.write_bytes(path, monitor_page.render(found))
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}; expected a file that can be") from error
    return Page(monitor_page.summary(found), path)


def _read(
    database: Database, settings: Settings, listed: watchlists.Watchlist, now: datetime.datetime
) -> monitor_page.Monitor:
    names = [asset.key.to_user_string() for asset in assets.ALL]
    with database.reading() as connection:
        lasted = queries.durations(connection, names, latest=monitor_page.MOST_POINTS)
        return monitor_page.Monitor(
            now=now,
            problems=tuple(_problems(connection)),
            tickers=tuple(_tickers(connection, settings, listed, now)),
            durations=tuple(monitor_page.Durations(name, tuple(lasted[name])) for name in names if name in lasted),
            alerts=tuple(_alert(one) for one in queries.told(connection, latest=LATEST_ALERTS)),
            facts=tuple(_facts(connection, database, settings)),
        )


def _problems(connection: sa.Connection) -> Iterator[monitor_page.Problem]:
    for one in condition_store.open_conditions(connection):
        yield monitor_page.Problem(
            **one.subject._asdict(),
            severity="error" if one.severity == "error" else "warn",
            session=one.session,
            last_session=one.last_session,
            opened=one.opened,
            told=one.told,
            observed=one.observed or "",
            expected=one.expected or "",
        )


def _tickers(
    connection: sa.Connection, settings: Settings, listed: watchlists.Watchlist, now: datetime.datetime
) -> Iterator[monitor_page.Ticker]:
    runs, sources = queries.last_runs(connection), queries.sources(connection)
    store = ArtefactStore(settings.data_dir)
    deadline = datetime.timedelta(hours=settings.deadline_hours)
    for entry in listed.entries:
        run = runs.get(entry.ticker)
        # Of the store, as the freshness sensor asks it: no run makes a report fresh, only the report does.
        reports = on_hand.reports(store, entry.ticker)
        forecast, record = _forecasts(connection, entry.ticker, sources)
        yield monitor_page.Ticker(
            ticker=entry.ticker,
            name=entry.name,
            fresh=freshness.freshness(now, reports[-1] if reports else None, deadline=deadline),
            run=run and monitor_page.Run(run.job, run.status, run.session, run.ended, run.seconds, run.error or ""),
            forecast=forecast,
            record=record,
        )


def _forecasts(
    connection: sa.Connection, ticker: str, sources: Mapping[str, str]
) -> tuple[monitor_page.Forecast | None, monitor_page.Record | None]:
    """The newest forecast, and how those did, of the latest, that were made for as many sessions ahead."""
    if ticker not in sources:
        return None, None
    made = queries.forecasts(connection, ticker, sources[ticker], latest=monitor_page.MOST_FORECASTS)
    last = made.iloc[-1]
    session, target = made.index[-1].date(), last["target_session"].date()
    ahead = track_record.sessions_ahead(pd.DatetimeIndex(made.index), pd.DatetimeIndex(made["target_session"]))
    known = made["realised_return"].notna() & made["naive_probability_up"].notna()
    scores = track_record.scores(made.loc[known & (ahead == ahead[-1])], int(ahead[-1]), "", {})
    return (
        monitor_page.Forecast(
            session=session,
            target_session=target,
            source=last["source"],
            **{
                name: float(last[name])
                for name in ("predicted_close", "interval_low", "interval_high", "interval_level", "probability_up")
            },
        ),
        monitor_page.Record(
            made=len(made),
            **{name: scores[name] for name in ("n", "right", "inside", "brier", "brier_naive", "interval_level")},
        ),
    )


def _alert(told: queries.Told) -> monitor_page.Alert:
    return monitor_page.Alert(
        created=told.created,
        event=told.event,
        severity=told.severity,
        title=told.title,
        deliveries=tuple(
            monitor_page.Delivery(
                receiver=one.receiver,
                attempts=one.attempts,
                delivered=one.delivered,
                error=one.error or "",
                given_up=one.delivered is None and one.next_attempt >= outbox.NEVER,
            )
            for one in told.deliveries
        ),
    )


def _facts(connection: sa.Connection, database: Database, settings: Settings) -> Iterator[monitor_page.Fact]:
    yield monitor_page.Fact("Database", str(database))
    if database.file:
        yield monitor_page.Fact("Size of the database", _bytes_under(database.file), "bytes")
    first = queries.first_run(connection)
    if first:
        yield monitor_page.Fact("On record since", f"{first:%Y-%m-%d}")
    for table, n in queries.counts(connection, list(_COUNTED)).items():
        yield monitor_page.Fact(_COUNTED[table], n)
    yield monitor_page.Fact("Data folder", settings.data_dir)
    if "://" not in settings.data_dir:
        folder = Path(settings.data_dir)
        yield monitor_page.Fact("Size of the data folder", _bytes_under(folder), "bytes")
        if folder.is_dir():
            yield monitor_page.Fact("Free space there", shutil.disk_usage(folder).free, "bytes")
    yield monitor_page.Fact("Dagster's own folder", str(settings.dagster_home))
    yield monitor_page.Fact("Size of Dagster's folder", _bytes_under(settings.dagster_home), "bytes")


def _bytes_under(path: Path) -> int:
    """Of a file, or of all files in a folder and below; 0 when there is none, or it vanishes meanwhile.

    A file with several names, as parts of tables have, counts once.
    """
    if path.is_file():
        return path.stat().st_size
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                found = (Path(folder) / name).lstat()
            except FileNotFoundError:
                continue
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())
