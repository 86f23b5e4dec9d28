"""What a process does that starts cold beside others: see test_yahoo_processes.py. No test lives here."""

import datetime as dt
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from stock_assets.core import errors
from stock_assets.sources import yahoo
from stock_assets_tests.place import PATIENCE

PRELOADED = ["yfinance", "peewee", "curl_cffi", "stock_assets.sources.yahoo", __name__]
"""What a process has loaded when it starts, so that the processes meet in the files and not in imports."""


def fetch(
    url: str, folder: Path, ticker: str, together: Barrier, away: Event, told: "Queue[tuple[str, int | str]]"
) -> None:
    """Fetch `ticker` as soon as all are `together`, setting `away` before; tell (ticker, number of bars or error)."""
    source = yahoo.YahooSource(url, folder, timeout=PATIENCE, requests_per_minute=6000)
    together.wait()
    away.set()
    try:
        told.put((ticker, len(source.fetch(ticker, dt.date(2021, 7, 23)).bars)))
    except errors.SourceError as error:
        told.put((ticker, str(error)))
