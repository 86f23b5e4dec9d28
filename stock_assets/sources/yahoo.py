"""Prices from Yahoo Finance, through yfinance.

What lives here: one fetch of the whole history, remembered while it may be, and the translation of everything that can
go wrong into three typed errors. What does not: what an answer must look like (yahoo_answers), undoing later splits
(core.adjusting), judging prices (core.cleaning), trying again (whoever calls: a failure is never remembered).
"""

import collections
import dataclasses
import datetime as dt
import functools
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from stock_assets.core import errors, sessions
from stock_assets.sources import base, throttle, yahoo_answers

if TYPE_CHECKING:
    from stock_assets.sources import yahoo_session

REMEMBERED_TICKERS = 32
"""Histories kept in memory, the longest unused given up first: at most 1.2 MB each (16,000 sessions)."""

_PROBE = "https://query2.finance.yahoo.com/v8/finance/chart/SPY"
# What yfinance raises, besides its own kind, over an answer or a stored cookie that it did not expect.
_READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_ALWAYS_THERE = set(base.YAHOO_HEADINGS) - {"Capital Gains"}
_EVENTS = {"dividends": "dividends", "capitalGains": "capital_gains", "splits": "stock_splits"}
_COOKIE = "curlCffi"  # yfinance's name of the stored cookie

# yfinance keeps one cookie, crumb and session a process, so fetches take turns.
_turn = threading.Lock()
_folder_is_set = threading.Event()


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass(frozen=True)
class _Remembered:
    """A history, and the moment just before it was asked for."""

    asked_at: dt.datetime
    history: base.PriceHistory


class YahooSource:
    """Daily bars, dividends and splits from Yahoo Finance.

    `base_url`, when given, receives every request instead of *.yahoo.com (a replay server, a proxy of one's own); the
    host that was meant is in the header X-Yahoo-Host. `cache_dir` keeps yfinance's cookie and the tickers' time zones,
    and the count of requests, for all processes; the first source that fetches in a process decides about the former.
    `timeout`: seconds for each request, of which a fetch that goes well makes one to four. `requests_per_minute`: of
    all processes together, without limit when None. `now`: the current moment, aware.
    """

    name = "yahoo"

    def __init__(
        self,
        base_url: str | None,
        cache_dir: Path,
        timeout: float = 10,
        *,
        requests_per_minute: float | None = None,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        self.base_url = base_url
        self.cache_dir = cache_dir
        self.timeout = timeout
        self._tokens = throttle.Throttle(cache_dir / "requests", requests_per_minute) if requests_per_minute else None
        self._now = now
        self._remembered: collections.OrderedDict[str, _Remembered] = collections.OrderedDict()

    def fetch(self, ticker: str, session: dt.date) -> base.PriceHistory:
        """Everything Yahoo has from 1960 through now.

        Through now, not through `session`: Yahoo's prices are adjusted for all splits to date, but its list of splits
        ends with the range asked for. So one answer serves every session that was over when it was asked for
        (`sessions.available_from`), and is remembered for them; failures are not.

        Missing prices are NaN. Missing volumes are 0, as yfinance makes them, but NaN on the last bar, which may not
        be final (see core.provisional). Bars without any number are not there; an event on a session without a bar has
        a row without prices. An adjusted close that is infinite is NaN.

        Raises `SourceUnavailableError` (time-out, no connection, 401, 403, 429, 5xx, not JSON), `NoPricesError`
        (unknown or delisted ticker, first bar after `session`), `MalformedPricesError` (JSON, but not of a chart's
        form).
        """
        ticker = base.check_ticker(ticker)
        with _turn:
            history = self._history(ticker, session)
        if history.bars.index[0] > pd.Timestamp(session):
            first = f"{history.bars.index[0]:%Y-%m-%d}"
            raise errors.NoPricesError(
                f"{ticker} {session}: no prices up to this session; Yahoo's first session is {first}"
            )
        # A copy, so that nobody changes what others will be given.
        return dataclasses.replace(history, bars=history.bars.copy())

    def forget(self, ticker: str) -> None:
        """Make the next fetch of `ticker` ask Yahoo anew."""
        with _turn:
            self._remembered.pop(base.check_ticker(ticker), None)

    def is_reachable(self, timeout: float) -> bool:
        """Whether Yahoo's price service answers within `timeout` seconds, be it that it knows no such ticker."""
        from curl_cffi import requests

        from stock_assets.sources import yahoo_session

        try:
            with yahoo_session.YahooSession(self.base_url, timeout, self._tokens) as probe:
                response = probe.get(_PROBE, params={"range": "1d", "interval": "1d"})
        except (requests.exceptions.RequestException, throttle.NoTokenError):
            return False
        # A log-in page of the hotel's network answers 200 as well.
        return response.status_code in {200, 404} and yahoo_answers.chart(response.content) is not None

    @functools.cached_property
    def _session(self) -> "yahoo_session.YahooSession":
        from stock_assets.sources import yahoo_session

        return yahoo_session.YahooSession(self.base_url, self.timeout, self._tokens)

    def _history(self, ticker: str, session: dt.date) -> base.PriceHistory:
        known = self._remembered.get(ticker)
        if known is None or known.asked_at < sessions.available_from(session):
            known = _Remembered(self._now(), self._ask(ticker, f"{ticker} {session}"))
            self._remembered[ticker] = known
        self._remembered.move_to_end(ticker)
        if len(self._remembered) > REMEMBERED_TICKERS:
            self._remembered.popitem(last=False)
        return known.history

    def _ask(self, ticker: str, where: str) -> base.PriceHistory:
        from curl_cffi import requests
        from yfinance import exceptions, utils

        if utils.is_isin(ticker):
            # yfinance would look up some ticker for it and give that one's prices.
            raise errors.NoPricesError(f"{where}: came an ISIN; expected Yahoo's ticker")
        self._session.start()
        frame, failure = None, None
        try:
            frame = self._frame(ticker, where)
        except (
            requests.exceptions.RequestException,
            throttle.NoTokenError,
            exceptions.YFException,
            *_READING_ERRORS,
        ) as error:
            failure = error

        # yfinance's exceptions don't tell a missing ticker from a broken answer. The answer itself does.
        response, hung = self._session.last_chart, isinstance(failure, requests.exceptions.Timeout)
        if response is None:
            raise self._unavailable(f"{where}: no answer from Yahoo: {_told(failure)}", timed_out=hung) from failure
        try:
            result = yahoo_answers.result(response.status_code, response.content, ticker=ticker, where=where)
        except errors.SourceError as problem:
            if isinstance(problem, errors.SourceUnavailableError):
                problem.retry_after = self._session.retry_after
            raise problem from failure
        if isinstance(failure, OSError):
            raise self._unavailable(f"{where}: Yahoo broke off: {_told(failure)}", timed_out=hung) from failure
        if failure is not None or frame is None or not set(frame.columns) >= _ALWAYS_THERE:
            came = _told(failure) if frame is None else f"columns {', '.join(frame.columns)}"
            raise yahoo_answers.malformed(
                f"{where}: Yahoo's answer can't be read as prices: {came}", response.content
            ) from failure

        bars = _bars(frame, result)
        if bars.empty:
            raise errors.NoPricesError(f"{where}: Yahoo knows the ticker, but has no bar with a number in it")
        return base.PriceHistory(
            ticker, bars, self.name, result["meta"].get("currency"), last_trade=yahoo_answers.last_trade(result)
        )

    def _frame(self, ticker: str, where: str) -> pd.DataFrame:
        """What yfinance makes of Yahoo's answers."""
        import peewee

        try:
            self._prepare()
            try:
                return self._asked(ticker)
            except (peewee.IntegrityError, *_READING_ERRORS):
                if self._session.last_chart is not None:
                    raise
                # It stumbled over the stored cookie, before it asked for prices: two processes stored theirs at the
                # same moment, or Yahoo gave one of a kind that it stores, but can't load.
                _store_no_cookie()
                return self._asked(ticker)
        except (peewee.PeeweeException, PermissionError, NotADirectoryError, FileExistsError) as error:
            raise self._unavailable(
                f"{where}: yfinance can't use its files in {self.cache_dir}: {error}; they may be deleted"
            ) from error

    def _asked(self, ticker: str) -> pd.DataFrame:
        import yfinance
        from yfinance import data

        # It remembers failures too, and would repeat them instead of asking again.
        data.YfData.cache_get.cache_clear()
        return yfinance.Ticker(ticker, session=self._session).history(
            start=sessions.FIRST_SESSION,
            interval="1d",
            auto_adjust=False,
            back_adjust=False,
            repair=False,
            actions=True,
            timeout=self.timeout,
        )

    def _unavailable(self, message: str, *, timed_out: bool = False) -> errors.SourceUnavailableError:
        """The error, with how long Yahoo asked to be left alone in any answer to this fetch."""
        if self._session.waited >= 1:
            message += f" (after waiting {self._session.waited:.0f} s for its turn among all processes' requests)"
        return errors.SourceUnavailableError(message, retry_after=self._session.retry_after, timed_out=timed_out)

    def _prepare(self) -> None:
        """Set what yfinance keeps once a process."""
        import filelock
        import yfinance
        from yfinance import cache

        # Raise, don't log: all that it would say is in our errors.
        yfinance.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL + 1)
        # About pandas to come, in code that isn't ours. After the import, which puts filters of its own first.
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module="yfinance")
        if not _folder_is_set.is_set():
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            yfinance.set_tz_cache_location(str(self.cache_dir))
            # Its two SQLite files are made when first used; processes that start together would find them locked.
            with filelock.FileLock(self.cache_dir / "first-use.lock"):
                for store in (cache.get_tz_cache(), cache.get_cookie_cache()):
                    if store is not None:
                        store.lookup("")
            _folder_is_set.set()


def _store_no_cookie() -> None:
    """Throw yfinance's stored cookie away and store none again in this process; each process then asks for its own."""
    from yfinance import cache

    if (cookies := cache.get_cookie_cache()) is not None:
        cookies.store(_COOKIE, None)
        cookies.dummy = True


def _bars(frame: pd.DataFrame, result: dict[str, Any]) -> pd.DataFrame:
    """Raw prices from yfinance's frame, corrected by the answer that it was made from."""
    exchange = ZoneInfo(result["meta"]["exchangeTimezoneName"])
    # Midnights of the exchange: its dates are the sessions.
    midnights = pd.DatetimeIndex(frame.index).tz_localize(None)
    columns = {name: frame[column] for column, name in base.YAHOO_HEADINGS.items() if column in frame}
    bars = base.raw_frame(midnights, columns)
    bars["adj_close"] = bars["adj_close"].where(np.isfinite(bars["adj_close"]))
    latest = max(range(len(result["timestamp"])), key=result["timestamp"].__getitem__)
    date = _date(result["timestamp"][latest], exchange)
    if result["indicators"]["quote"][0]["volume"][latest] is None and date in bars.index:
        bars.loc[date, "volume"] = np.nan
    return _with_events_on_their_sessions(bars, result, exchange)


def _with_events_on_their_sessions(bars: pd.DataFrame, result: dict[str, Any], exchange: ZoneInfo) -> pd.DataFrame:
    """`bars` with a row of its own, without prices, for an event on a session without a bar.

    yfinance puts such an event on the bar before: there it would be known too early, in prices that don't have it yet.
    """
    found: dict[dt.datetime, dict[str, float]] = {}
    for kind, column in _EVENTS.items():
        for event in ((result.get("events") or {}).get(kind) or {}).values():
            day = found.setdefault(_date(event["date"], exchange), {})
            if column == "stock_splits":
                day[column] = day.get(column, 1.0) * event["numerator"] / event["denominator"]
            else:
                day[column] = day.get(column, 0.0) + event["amount"]
    astray = [date for date in found if len(bars) and date > bars.index[0] and date not in bars.index]
    if not astray:
        return bars
    whole = bars.reindex(bars.index.union(pd.DatetimeIndex(astray)))
    events = {column: [found.get(date, {}).get(column, 0.0) for date in whole.index] for column in _EVENTS.values()}
    return base.raw_frame(pd.DatetimeIndex(whole.index), {name: whole[name] for name in whole} | events)


def _date(moment: int, exchange: ZoneInfo) -> dt.datetime:
    """The date on which `moment` was in the exchange's city, as a naive midnight."""
    return dt.datetime.combine(dt.datetime.fromtimestamp(moment, exchange), dt.time())


def _told(error: Exception | None) -> str:
    # curl ends every message with the address of its manual.
    return f"{type(error).__name__}: {error}".partition(" See https://curl.se")[0]
