"""The grid of partitions: trading session x ticker. What a partition means is told in the README.

No pandas here: see core.closures for why the sessions come from a table.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from stock_assets.core import closures
from stock_assets.core.errors import SettingsError

SESSION = "date"
TICKER = "ticker"
# In the place of a ticker for what is about all of them: no ticker has an underscore (see core.tickers).
ALL_TICKERS = "ALL_TICKERS"
# Dagster's, of a run that is about one partition.
TAG = "dagster/partition"
SESSION_TAG = f"{TAG}/{SESSION}"
TICKER_TAG = f"{TAG}/{TICKER}"
# The op that makes many partitions in a run; its config lists them (see evening).
EVENING = "evening"

MOST_KEYS = 100_000
"""Partitions of a grid beyond which Dagster's pages, and what lists all partitions, become slow."""

_LAST_YEAR = 2050
# Midnight two hours east of Greenwich is 22:00 UTC: after the New York close on every session of the year, half-days
# included, so the partition of a session appears on its own evening, on Fridays too.
_TIMEZONE = "Etc/GMT-2"
_SATURDAY = 5


def grid(tickers: Sequence[str], first_session: date) -> dg.MultiPartitionsDefinition:
    """Partitions of every ticker and every XNYS session from `first_session` on.

    A session's partition exists from 22:00 UTC of that session.
    """
    if not 1960 <= first_session.year < _LAST_YEAR:
        raise SettingsError(
            f"STOCK_ASSETS_FIRST_SESSION is {first_session}; expected a date from 1960 to {_LAST_YEAR - 1}"
        )
    shut = closures.closed_weekdays(first_session, date(_LAST_YEAR, 12, 31))
    sessions = dg.DailyPartitionsDefinition(
        start_date=first_session.isoformat(),
        timezone=_TIMEZONE,
        exclusions=["0 0 * * 0", "0 0 * * 6", *(datetime(day.year, day.month, day.day) for day in shut)],  # noqa: DTZ001
    )
    return dg.MultiPartitionsDefinition({SESSION: sessions, TICKER: dg.StaticPartitionsDefinition(list(tickers))})


def too_many(tickers: int, first_session: date, today: date) -> str | None:
    """What to do about a grid of more than `MOST_KEYS` partitions by `today`; None when it has fewer.

    Advises a first session with which it has half as many, so that there is room for more sessions.
    """
    dates = (today - timedelta(days=n) for n in range(max(0, (today - first_session).days + 1)))
    shut = set(closures.closed_weekdays(first_session, today))
    sessions = [day for day in dates if day.weekday() < _SATURDAY and day not in shut]
    if tickers * len(sessions) <= MOST_KEYS:
        return None
    advised = sessions[max(1, MOST_KEYS // 2 // tickers) - 1]
    size = f"{tickers * len(sessions):,} partitions, {tickers:,} tickers x {len(sessions):,} sessions"
    return (
        f"The grid has {size}; beyond {MOST_KEYS:,} the UI becomes slow: set STOCK_ASSETS_FIRST_SESSION={advised} or "
        "later. It shortens no price history, and no file is deleted"
    )


def sessions_of(grid: dg.MultiPartitionsDefinition) -> dg.PartitionsDefinition:
    """Partitions of the sessions of `grid` alone, for what is about all tickers."""
    return grid.get_partitions_def_for_dimension(SESSION)


def key(ticker: str, session: date) -> dg.MultiPartitionKey:
    """The partition key of one ticker and session."""
    return dg.MultiPartitionKey({SESSION: session.isoformat(), TICKER: ticker})


def split(partition_key: str) -> tuple[str, date]:
    """(ticker, session) of a partition key such as `2026-11-20|TSLA`; of `2026-11-20`, that of all tickers."""
    session, _, ticker = partition_key.partition("|")
    return ticker or ALL_TICKERS, date.fromisoformat(session)


def of_run(run: dg.DagsterRun) -> list[str]:
    """Keys of the partitions that a run was asked for: the one of its tag, or those that an evening's config lists."""
    if tag := run.tags.get(TAG):
        return [tag]
    config: Any = run.run_config
    return list(config.get("ops", {}).get(EVENING, {}).get("config", {}).get("partitions", ()))


def most_recent() -> dg.AssetIn:
    """Input that takes the newest artefact of the last ten sessions of the same ticker (see storage.recent).

    To Dagster it is an ordinary dependency on the same partition. Told of all ten by a partition mapping, it takes
    the nine later sessions of `predictions` for downstream of a model: a backfill of one session then materialises
    those too, in runs of their own, and lets a failure of one session hold up the nine after it.
    """
    return dg.AssetIn(metadata={"most_recent": True})
