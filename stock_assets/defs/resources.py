"""What assets are given from outside: the price source, the clock, the logs. Built from settings, swapped in tests."""

from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from stock_assets.settings import Settings

if TYPE_CHECKING:
    from stock_assets.core.modelling import ModelSettings
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


class DefaultModel:
    """The model's parameters, made when first used: their module imports pandas."""

    @property
    def value(self) -> "ModelSettings":
        from stock_assets.core.modelling import ModelSettings

        return ModelSettings()
