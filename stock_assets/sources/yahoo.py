"""Prices from Yahoo Finance, through yfinance.

What lives here: one fetch of the whole history, and the translation of everything that can go wrong into three typed
errors. What does not: undoing later splits (core.adjusting), judging prices (core.cleaning), trying again (whoever
calls: each `fetch` asks Yahoo anew).
"""

import datetime as dt
import functools
import json
import logging
import math
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stock_assets.core import errors, sessions
from stock_assets.sources import base

if TYPE_CHECKING:
    from curl_cffi import requests

    from stock_assets.sources import yahoo_session

_PROBE = "https://query2.finance.yahoo.com/v8/finance/chart/SPY"
# Codes with which Yahoo says that it has nothing, rather than that it can't answer.
_NOTHING_THERE = frozenset({"Not Found", "Bad Request", "Unprocessable Entity"})
# What yfinance raises, besides its own kind, over an answer that it did not expect.
_READING_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)
_SHOWN_CHARACTERS = 200
_ALWAYS_THERE = set(base.YAHOO_HEADINGS) - {"Capital Gains"}

# yfinance keeps one cookie, crumb and session a process, so fetches take turns.
_turn = threading.Lock()
_folder_is_set = threading.Event()


class YahooSource:
    """Daily bars, dividends and splits from Yahoo Finance.

    `base_url`, when given, receives every request instead of *.yahoo.com (a replay server, a proxy of one's own); the
    host that was meant is in the header X-Yahoo-Host. `cache_dir` keeps yfinance's cookie and the tickers' time zones;
    the first source that fetches in a process decides. `timeout`: seconds for each request, of which a fetch that goes
    well makes two to four.
    """

    name = "yahoo"

    def __init__(self, base_url: str | None, cache_dir: Path, timeout: float = 10) -> None:
        self.base_url = base_url
        self.cache_dir = cache_dir
        self.timeout = timeout

    def fetch(self, ticker: str, session: dt.date) -> base.PriceHistory:
        """Everything Yahoo has from 1960 through now.

        Through now, not through `session`: Yahoo's prices are adjusted for all splits to date, but its list of splits
        ends with the range asked for. Missing prices are NaN; missing volumes are 0, as yfinance makes them.

        Raises `SourceUnavailableError` (time-out, no connection, 401, 403, 429, 5xx, not JSON), `NoPricesError`
        (unknown or delisted ticker, first bar after `session`), `MalformedPricesError` (JSON, but not of a chart's
        form).
        """
        ticker = base.check_ticker(ticker)
        with _turn:
            return self._fetch(ticker, session)

    def is_reachable(self, timeout: float) -> bool:
        """Whether Yahoo's price service answers within `timeout` seconds, be it that it knows no such ticker."""
        from curl_cffi import requests

        from stock_assets.sources import yahoo_session

        try:
            with yahoo_session.YahooSession(self.base_url, timeout) as probe:
                response = probe.get(_PROBE, params={"range": "1d", "interval": "1d"})
        except requests.exceptions.RequestException:
            return False
        # A log-in page of the hotel's network answers 200 as well.
        return response.status_code in {200, 404} and _chart(response) is not None

    @functools.cached_property
    def _session(self) -> "yahoo_session.YahooSession":
        from stock_assets.sources import yahoo_session

        return yahoo_session.YahooSession(self.base_url, self.timeout)

    def _fetch(self, ticker: str, session: dt.date) -> base.PriceHistory:
        import peewee
        import yfinance
        from curl_cffi import requests
        from yfinance import data, exceptions, utils

        where = f"{ticker} {session}"
        if utils.is_isin(ticker):
            # yfinance would look up some ticker for it and give that one's prices.
            raise errors.NoPricesError(f"{where}: came an ISIN; expected Yahoo's ticker")
        self._prepare()
        # It remembers failures too, and would repeat them instead of asking again.
        data.YfData.cache_get.cache_clear()
        self._session.last_chart = None
        frame, failure = None, None
        try:
            frame = yfinance.Ticker(ticker, session=self._session).history(
                start=sessions.FIRST_SESSION,
                interval="1d",
                auto_adjust=False,
                back_adjust=False,
                repair=False,
                actions=True,
                timeout=self.timeout,
            )
        except peewee.PeeweeException as error:
            raise errors.SourceUnavailableError(
                f"{where}: yfinance can't use its files in {self.cache_dir}: {error}; they may be deleted"
            ) from error
        except (requests.exceptions.RequestException, exceptions.YFException, *_READING_ERRORS) as error:
            failure = error

        # yfinance's exceptions don't tell a missing ticker from a broken answer. The answer itself does.
        response = self._session.last_chart
        if response is None:
            raise errors.SourceUnavailableError(f"{where}: no answer from Yahoo: {_told(failure)}") from failure
        if problem := _problem(response, where):
            raise problem from failure
        if isinstance(failure, requests.exceptions.RequestException):
            raise errors.SourceUnavailableError(f"{where}: Yahoo broke off: {_told(failure)}") from failure
        if failure is not None or frame is None or not set(frame.columns) >= _ALWAYS_THERE:
            came = _told(failure) if frame is None else f"columns {', '.join(frame.columns)}"
            raise errors.MalformedPricesError(f"{where}: Yahoo's answer can't be read as prices: {came}") from failure

        # Midnights of the exchange: its dates are the sessions.
        midnights = pd.DatetimeIndex(frame.index).tz_localize(None)
        columns = {name: frame[column] for column, name in base.YAHOO_HEADINGS.items() if column in frame}
        bars = base.raw_frame(midnights, columns)
        if bars.empty:
            raise errors.NoPricesError(f"{where}: Yahoo knows the ticker, but has no bar with a number in it")
        if bars.index[0] > pd.Timestamp(session):
            raise errors.NoPricesError(
                f"{where}: no prices up to this session; Yahoo's first session is {bars.index[0]:%Y-%m-%d}"
            )
        currency = response.json()["chart"]["result"][0]["meta"].get("currency")
        return base.PriceHistory(ticker, bars, self.name, currency)

    def _prepare(self) -> None:
        """Set what yfinance keeps once a process."""
        import yfinance

        # Raise, don't log: all that it would say is in our errors.
        yfinance.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL + 1)
        # About pandas to come, in code that isn't ours. After the import, which puts filters of its own first.
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module="yfinance")
        if not _folder_is_set.is_set():
            yfinance.set_tz_cache_location(str(self.cache_dir))
            _folder_is_set.set()


def _told(error: Exception | None) -> str:
    # curl ends every message with the address of its manual.
    return f"{type(error).__name__}: {error}".partition(" See https://curl.se")[0]


def _chart(response: "requests.Response") -> dict[str, Any] | None:
    """The `chart` object of an answer of Yahoo's price service, None when the answer is of another kind."""
    try:
        payload = json.loads(response.content)
    except ValueError:
        return None
    chart = payload.get("chart") if isinstance(payload, dict) else None
    return chart if isinstance(chart, dict) else None


def _problem(response: "requests.Response", where: str) -> errors.SourceError | None:
    """What is wrong with Yahoo's answer, in the order in which one would look; None when it has the form of a chart."""
    chart = _chart(response)
    reason = chart.get("error") if chart else None
    if (
        isinstance(reason, dict)
        and reason.get("code") in _NOTHING_THERE
        and response.status_code in {200, 400, 404, 422}
    ):
        return errors.NoPricesError(f"{where}: Yahoo has no prices: {reason.get('description') or reason['code']}")
    if response.status_code != 200 or chart is None or reason:
        body = response.text
        shown = repr(body[:_SHOWN_CHARACTERS]) + (" ..." if len(body) > _SHOWN_CHARACTERS else "")
        return errors.SourceUnavailableError(
            f"{where}: Yahoo answered HTTP {response.status_code}, {len(body)} characters: {shown}; "
            "expected HTTP 200 with a chart in JSON"
        )
    if not chart.get("result"):
        return errors.NoPricesError(f"{where}: Yahoo has no prices: its answer is empty")
    try:
        result = chart["result"][0]
        quote = result["indicators"]["quote"][0]
        if "timestamp" not in result and not quote:
            return errors.NoPricesError(f"{where}: Yahoo knows the ticker, but has no bars")
        complaint = _complaint(result)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        complaint = f"{type(error).__name__} {error}"
    if complaint:
        return errors.MalformedPricesError(f"{where}: Yahoo's answer is not a chart: {complaint}")
    return None


def _complaint(result: dict[str, Any]) -> str | None:
    """What differs in `chart.result[0]` from the form in which yfinance reads it without inventing anything.

    Left to itself, yfinance takes the close for a missing adjusted close, drops a split without a
    ratio, and ignores the currency of dividends.
    """
    quote = result["indicators"]["quote"][0]
    if "timestamp" not in result:
        return "no timestamp beside the quotes"
    moments = result["timestamp"]
    if not all(isinstance(moment, int) for moment in moments):
        return "a timestamp that is not a whole number"
    columns = {name: quote.get(name) for name in ("open", "high", "low", "close", "volume")}
    columns["adjclose"] = (result["indicators"].get("adjclose") or [{}])[0].get("adjclose")
    for name, values in columns.items():
        if values is None:
            return f"no {name}"
        if len(values) != len(moments):
            return f"{len(values)} values of {name}; expected {len(moments)}, as many as timestamps"
        for value in values:
            if value is not None and not _is_number(value):
                return f"{name} {value!r}; expected a number or null"
    events = result.get("events", {})
    for split in events.get("splits", {}).values():
        ratio = split.get("numerator"), split.get("denominator")
        if not all(_is_number(part) and part > 0 for part in ratio):
            return f"split {split!r}; expected two numbers above 0"
    for dividend in events.get("dividends", {}).values():
        if not _is_number(dividend.get("amount")):
            return f"dividend {dividend!r}; expected an amount"
        if dividend.get("currency") and dividend["currency"] != result["meta"].get("currency"):
            return f"dividend {dividend!r}; expected the prices' currency, {result['meta'].get('currency')}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
