"""What assets are given from outside: the price source, the clock, each ticker's configuration. Built from settings and
watchlist, swapped in tests."""

from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from stock_assets.core import configuration
from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings
from stock_assets.watchlist import Watchlist

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import sqlalchemy as sa

    from stock_assets.monitoring.database import Database
    from stock_assets.monitoring.outbox import Sent
    from stock_assets.monitoring.receivers import Receiver
    from stock_assets.sources.base import PriceHistory, PriceSource
    from stock_assets.sources.yahoo import YahooSource


class Clock(Protocol):
    """Tells the time; tests pass one that stands still."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class LazySource:
    """The price source that the settings name, made when first used: definitions load without pandas or yfinance."""

    def __init__(self, settings: Settings):
        self.name = settings.source
        self._settings = settings

    @cached_property
    def _source(self) -> "PriceSource":
        return price_source(self._settings)

    def fetch(self, ticker: str, session: date) -> "PriceHistory":
        """See `sources.base.PriceSource.fetch`."""
        return self._source.fetch(ticker, session)

    def forget(self, ticker: str) -> None:
        """See `sources.base.forget`."""
        from stock_assets.sources import base

        base.forget(self._source, ticker)


def price_source(settings: Settings) -> "PriceSource":
    """The price source that the settings name."""
    if settings.source == "yahoo":
        return yahoo(settings)
    if settings.source == "csv":
        from stock_assets.sources.csv_files import CsvSource

        return CsvSource(settings.prices_dir)
    from stock_assets.sources.simulated import SimulatedSource

    return SimulatedSource()


def yahoo(settings: Settings) -> "YahooSource":
    """The client of Yahoo Finance, or of the server that STOCK_ASSETS_YAHOO_URL names."""
    from stock_assets.sources.yahoo import YahooSource

    return YahooSource(
        base_url=settings.yahoo_url,
        cache_dir=settings.dagster_home / "yfinance",
        requests_per_minute=settings.yahoo_requests_per_minute,
    )


class LazyDatabase:
    """The monitoring database that the settings name, opened when first used; see `monitoring.database.Database`."""

    def __init__(self, settings: Settings):
        self._url = settings.database_url

    @cached_property
    def opened(self) -> "Database":
        """Raises `SettingsError` or `MonitoringError` when it can't be used."""
        from stock_assets.monitoring import database

        return database.open_database(self._url)

    def begin(self) -> "AbstractContextManager[sa.Connection]":
        """A transaction that may write; see `Database.begin`."""
        return self.opened.begin()

    def reading(self) -> "AbstractContextManager[sa.Connection]":
        """A transaction that only reads; see `Database.reading`."""
        return self.opened.reading()


class Alerts:
    """Tells people what is wrong, by the receivers that the settings name."""

    def __init__(self, settings: Settings):
        self._settings = settings

    @cached_property
    def _receivers(self) -> "list[Receiver]":
        from stock_assets.monitoring import outbox

        return outbox.receivers_of(
            log_dir=self._settings.log_dir,
            webhook=self._settings.alert_webhook,
            smtp_url=self._settings.smtp_url,
            email_to=self._settings.alert_email_to,
            email_from=self._settings.alert_email_from,
        )

    def send(self, database: LazyDatabase, tickers: "Sequence[str]", now: datetime) -> "Sent":
        """Let go of what is wrong with tickers that are followed no longer, then send what is due."""
        from stock_assets.monitoring import condition_store, outbox

        with database.begin() as connection:
            condition_store.let_go(connection, tickers, now)
        return outbox.send_due(database.opened, self._receivers, now, ui_url=self._settings.ui_url)


class Configurations:
    """The configuration of each ticker: the defaults, the watchlist over them, what the run says over both."""

    def __init__(self, listed: Watchlist, of_run: configuration.Overrides):
        self._listed = listed
        self._of_run = of_run

    def of(self, ticker: str) -> configuration.Configuration:
        """Raises `SettingsError` when what the run says can't be, or not with what the watchlist says."""
        try:
            return configuration.combine(*self._listed.overrides(ticker), self._of_run)
        except SettingsError as error:
            raise SettingsError(f"{ticker}: resources > model_settings > config of the run: {error}") from error


def model_settings(listed: Watchlist) -> dg.ResourceDefinition:
    """The resource `model_settings`, whose config in the Launchpad holds for every asset of a run."""

    @dg.resource(
        config_schema={
            key: dg.Field(_CONFIG_TYPES.get(key, int), is_required=False, description=meaning)
            for key, meaning in configuration.KEYS.items()
        },
        description="What models are made of and how they are judged: the defaults, the watchlist's `model` over them, "
        "and this run's config over both. What is left out stays as it is.",
    )
    def configurations(context: dg.InitResourceContext) -> Configurations:
        return Configurations(listed, dict(context.resource_config))

    return configurations


# Whole numbers where nothing is said; values are judged by core.model_settings.
_CONFIG_TYPES: dict[str, Any] = {
    "estimator": str,
    "parameters": dg.Permissive(),
    "window": dg.Noneable(int),
    "calibration": str,
    "cost_bps": float,
    "execution": str,
    "short": bool,
}


_MEANINGS = {
    "prices": "Where bars, dividends and splits come from: Yahoo Finance, a folder of CSV files or a simulation.",
    "clock": "Tells the time, in UTC: no session is fetched before it has closed.",
    "retry_delay": "Seconds before the first retry of a price fetch; doubles each time.",
    "log_dir": "Folder with one log file an asset.",
    "database": "What runs did and what is wrong now, kept beside Dagster's own history: SQLite or PostgreSQL.",
    "alerts": "Tells people what is wrong: the log, and a webhook or e-mail where one is set.",
    "store": "All artefacts as sealed bytes, in a folder or a bucket: <asset>/<ticker>/<session>.",
    "watchlist": "The stocks to follow, in order, and each one's settings.",
    "tables": "Frames as Parquet files.",
    "documents": "Results as JSON files.",
    "illustrated": "A result as a JSON file, and a figure of it as PNG beside it.",
    "records": "Forecasts and what became of them as Parquet files, with what they come to as a JSON file beside them.",
    "models": "Fitted models as skops files, never pickle, with their card as a JSON file beside them.",
    "reports": "Folders of files: a page and its figures.",
    "pdfs": "Summaries as PDF files.",
}


def described(name: str, value: Any) -> dg.ResourceDefinition:
    """`value` as a resource that says in the UI what it is for, and takes no config."""
    if isinstance(value, dg.ResourceDefinition):
        return value
    make = dg.IOManagerDefinition if isinstance(value, dg.IOManager) else dg.ResourceDefinition
    return make(resource_fn=lambda _: value, config_schema={}, description=_MEANINGS.get(name))
