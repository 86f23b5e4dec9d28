"""What the store and Dagster's event log know of every ticker on the watchlist after one session, for the page of all.

A ticker without results, or with damaged ones, is told as such and holds up no other.
"""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError, SchemaError
from stock_assets.defs import standings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets.watchlist import Watchlist

if TYPE_CHECKING:
    from stock_assets.reporting.watchlist_page import Followed, Results


def read(store: ArtefactStore, instance: dg.DagsterInstance, listed: Watchlist, session: date) -> "list[Followed]":
    """The tickers in the watchlist's order, each with its newest report up to `session`.

    Raises `ArtefactError` when the store itself can't be read.
    """
    from stock_assets.reporting.watchlist_page import Followed

    standing = standings.of_session(instance, listed.tickers, session)
    found = []
    for entry in listed.entries:
        reported = _newest_report(store, entry.ticker, session)
        results, unreadable = None, ""
        if reported is not None:
            try:
                results = _results(Snapshot(store, entry.ticker, reported))
            except (MissingArtefactError, DamagedArtefactError, SchemaError) as error:
                unreadable = str(error)
        found.append(Followed(entry.ticker, entry.name, standing[entry.ticker], reported, results, unreadable))
    return found


def _newest_report(store: ArtefactStore, ticker: str, session: date) -> date | None:
    # Mostly it is there: a bucket is not asked to list years of reports.
    return session if store.has("report", ticker, session) else store.latest("report", ticker, not_after=session)


def _results(snapshot: Snapshot) -> "Results":
    from stock_assets.reporting.watchlist_page import LINE_SESSIONS, Results

    forecasts = snapshot.table("predictions")
    if len(forecasts) != 1:
        raise SchemaError(f"{snapshot.ticker} {snapshot.session}: predictions has {len(forecasts)} rows; expected one")
    row = forecasts.iloc[0].to_dict()
    return Results(
        metrics=snapshot.document("price_metrics"),
        prediction={name: f"{value:%Y-%m-%d}" if isinstance(value, date) else value for name, value in row.items()},
        closes=snapshot.table("clean_prices")["close"].iloc[-LINE_SESSIONS:],
    )
