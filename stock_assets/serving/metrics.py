"""What the server counts, for Prometheus: summed over its workers, those that died included.

When prometheus_client finds a folder in PROMETHEUS_MULTIPROC_DIR at its import, which processes sets, each worker
counts in a file there; otherwise, as in tests, counts are this process's. Labels are bounded, whatever clients send: a
label takes another value only from what this program knows, and tickers beyond a limit are `other`.
"""

import datetime
from collections.abc import Iterator, Mapping

import prometheus_client
from prometheus_client import Counter, Histogram, multiprocess, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from stock_assets.serving.spool import Backlog

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

# A stored forecast is answered in a millisecond or two, one that is not cached yet in about a second, a batch in many.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MOST_TICKERS = 500
_OTHER = "other"
_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"))


class Metrics:
    """The counts of one server. Every method may be called from any thread."""

    def __init__(self) -> None:
        # In several processes each counts in its file, and whoever is asked reads all of them.
        self._shared = values.ValueClass is not values.MutexValue
        self._registry = CollectorRegistry()
        registry = None if self._shared else self._registry
        self._requests = Counter(
            "stock_assets_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "stock_assets_request_seconds",
            "From the request to the beginning of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._served = Counter("stock_assets_forecasts", "Forecasts that were told.", ("ticker",), registry=registry)
        self._dropped = Counter(
            "stock_assets_forecasts_dropped",
            "Forecasts that were told and could not be recorded.",
            registry=registry,
        )
        # Looking a child up by its labels costs more than counting. Tuples and names are bounded by what is allowed.
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}
        self._tickers: dict[str, Counter] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is a name of this program's own, never a path that a client sent."""
        key = (route, method, status)
        counter = self._answered.get(key)
        if counter is None:
            # A method is the client's own words.
            known = method if method in _METHODS else _OTHER
            counter = self._requests.labels(route, known, str(status))
            if known == method:
                self._answered[key] = counter
        counter.inc()
        histogram = self._timed.get(route)
        if histogram is None:
            histogram = self._timed[route] = self._seconds.labels(route)
        histogram.observe(seconds)

    def served(self, ticker: str, times: int = 1) -> None:
        """Count forecasts of a ticker that were told."""
        counter = self._tickers.get(ticker)
        if counter is None:
            if len(self._tickers) >= _MOST_TICKERS:
                counter = self._served.labels(_OTHER)
            else:
                counter = self._tickers[ticker] = self._served.labels(ticker)
        counter.inc(times)

    def dropped(self, times: int) -> None:
        """Count forecasts that were told and could not be recorded."""
        self._dropped.inc(times)

    def exposition(
        self, *, backlog: Backlog, newest: Mapping[str, datetime.date], troubles: int, now: datetime.datetime
    ) -> bytes:
        """Everything in Prometheus' text format (`CONTENT_TYPE`).

        Args:
            backlog: What waits to be recorded.
            newest: Ticker -> session of its newest forecast.
            troubles: How many tickers' newest snapshots can't be served.
            now: The moment, aware.
        """
        registry = CollectorRegistry()
        if self._shared:
            multiprocess.MultiProcessCollector(registry)
        registry.register(_Now(backlog, newest, troubles, now))
        mine = b"" if self._shared else prometheus_client.generate_latest(self._registry)
        return mine + prometheus_client.generate_latest(registry)


class _Now(Collector):
    """What is looked up when it is asked for."""

    def __init__(
        self, backlog: Backlog, newest: Mapping[str, datetime.date], troubles: int, now: datetime.datetime
    ) -> None:
        self._backlog, self._newest, self._troubles, self._now = backlog, newest, troubles, now

    def collect(self) -> Iterator[Metric]:
        yield _gauge("spool_files", "Files of answers that wait to be recorded.", self._backlog.files)
        yield _gauge("spool_bytes", "Their size.", self._backlog.size)
        yield _gauge("spool_oldest_seconds", "Age of the oldest of them.", self._backlog.oldest_seconds)
        yield _gauge("tickers", "Tickers with a forecast.", len(self._newest))
        yield _gauge("tickers_in_trouble", "Tickers whose newest snapshot can't be served.", self._troubles)
        ages = GaugeMetricFamily(
            "stock_assets_snapshot_age_days",
            "Days from the session of a ticker's newest forecast to today, in UTC.",
            labels=("ticker",),
        )
        today = self._now.astimezone(datetime.UTC).date()
        # The oldest are what somebody has to look at.
        for ticker, session in sorted(self._newest.items(), key=lambda item: item[1])[:_MOST_TICKERS]:
            ages.add_metric((ticker,), (today - session).days)
        yield ages


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"stock_assets_{name}", meaning, value=value)
