"""A local server that speaks as much of Yahoo Finance as yfinance needs for daily prices.

    histories = {"TSLA": frame}          # columns of core.schemas.RAW_PRICES, in the basis of the last row
    with YahooServer(histories) as yahoo:
        source = YahooSource(yahoo.url, cache_dir)
        yahoo.as_of = dt.date(2020, 8, 28)           # answer as on that evening
        yahoo.faults["TSLA"] = Fault(status=503)     # answer wrongly for a ticker's charts,
        yahoo.faults[CRUMB] = Fault(status=429)      # ... or at a path

It listens on 127.0.0.1 and serves from a thread, so other processes can use `url` while the test's process lives.
No test lives here. That its answers have the form of genuine ones is tested in sources/test_yahoo.py.
"""

import dataclasses
import datetime as dt
import json
import math
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

COOKIE = "/"
CRUMB = "/v1/test/getcrumb"
QUOTE = "/v10/finance/quoteSummary/"
"""Paths of the other requests that yfinance makes: keys of `YahooServer.faults`, like tickers."""

_NEW_YORK = ZoneInfo("America/New_York")
_CHART = "/v8/finance/chart/"
_SESSION_SECONDS = 23_400
_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_BARS_IN_RANGE = {"1d": 1, "5d": 5, "1mo": 21, "3mo": 63, "6mo": 126, "1y": 252, "2y": 504, "5y": 1260, "10y": 2520}


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it came: the Yahoo host that was meant, the path, the query."""

    host: str
    path: str
    query: dict[str, str]

    @property
    def is_history(self) -> bool:
        """Whether it asks for a chart from one moment to another, and not for the last session only."""
        return self.path.startswith(_CHART) and "period1" in self.query


@dataclasses.dataclass(frozen=True)
class Fault:
    """How to answer instead of rightly. What is not set stays right."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Besides or instead of the right ones; a wrong Content-Length and a redirect are made with them."""
    change: Callable[[Any], Any] | None = None
    """Takes the right payload of a chart, gives the one to send."""
    delay: float = 0.0
    """Seconds to wait before answering."""
    trickle: float = 0.0
    """Seconds between two bytes of a body that never ends."""
    endless: bool = False
    """Send blanks as fast as they are taken, without end."""
    drop: bool = False
    """Reset the connection instead of answering."""
    truncate: bool = False
    """Announce the whole body, send half of it, hang up."""
    history_only: bool = False
    """Leave the request for the last session alone, with which yfinance finds out a time zone that it does not know."""
    look_up_only: bool = False
    """Fault that request, and leave the one for the history alone."""
    times: int | None = None
    """How many requests to fault before answering rightly; None: all."""


class YahooServer:
    """Serves `histories`; see the module. `requests` is the log; `as_of` and `faults` may be changed while it runs."""

    def __init__(self, histories: Mapping[str, pd.DataFrame], *, as_of: dt.date | None = None) -> None:
        self.histories = dict(histories)
        self.as_of = as_of
        self.faults: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self._faulted: dict[str, int] = {}
        self._stopping = threading.Event()
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._httpd.daemon_threads = True
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._httpd.server_address[1]}"

    def __enter__(self) -> "YahooServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def histories_requested(self, ticker: str) -> int:
        """How often a whole history of `ticker` was asked for."""
        return sum(request.is_history and request.path == _CHART + ticker for request in self.requests)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go in two writes; the second would wait 40 ms for the first one's receipt.
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: `requests` is the log."""

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                path, query = unquote(address.path), dict(parse_qsl(address.query))
                server.requests.append(Request(self.headers.get("X-Yahoo-Host", ""), path, query))
                try:
                    server._answer(self, path, query)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client lost patience, as the test wants

            do_POST = do_GET

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        kind, headers = "application/json;charset=utf-8", {}
        if path.startswith(_CHART):
            key = path.removeprefix(_CHART)
            status, payload = self._chart(key, query)
        elif path == CRUMB:
            key, status, payload, kind = path, 200, b"5zhGvP0Rq3e", "text/plain;charset=utf-8"
        elif path == COOKIE:  # fc.yahoo.com: a page that isn't there, for the sake of its cookie
            key, status, payload, kind = path, 404, b"", "text/html"
            headers = {"Set-Cookie": "A3=d=AQABBA; Max-Age=31557600; Path=/"}
        elif path.startswith(QUOTE):
            reason = f"Quote not found for symbol: {path.rsplit('/', 1)[1]}"
            key, status, payload = QUOTE, 404, {"quoteSummary": {"result": None, "error": _reason("Not Found", reason)}}
        else:
            key, status, payload = path, 404, {"finance": {"result": None, "error": _reason("Not Found", path)}}

        fault = self._fault(key, query)
        if fault.delay:
            self._stopping.wait(fault.delay)
        if fault.drop:
            # Lingering for 0 seconds: a reset, not a polite end.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        if fault.change is not None:
            payload = fault.change(payload)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        body = body if fault.body is None else fault.body
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **headers, **fault.headers}
        if fault.trickle or fault.endless:
            del headers["Content-Length"]  # the body ends with the connection
            handler.close_connection = True
        if any(other.drop for other in self.faults.values()):
            # On a kept connection curl itself asks again when it is reset, or not: its releases differ.
            headers["Connection"] = "close"
            handler.close_connection = True
        handler.send_response(fault.status if fault.status != 200 else status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if fault.truncate or "Content-Length" in fault.headers:
            handler.close_connection = True
        if fault.truncate:
            body = body[: len(body) // 2]
        handler.wfile.write(body)
        while fault.trickle or fault.endless:
            handler.wfile.write(b" " if fault.trickle else b" " * 2**16)
            if self._stopping.wait(fault.trickle):
                return

    def _fault(self, key: str, query: Mapping[str, str]) -> Fault:
        fault = self.faults.get(key, Fault())
        is_look_up = "period1" not in query
        if (fault.history_only and is_look_up) or (fault.look_up_only and not is_look_up):
            return Fault()
        self._faulted[key] = self._faulted.get(key, 0) + 1
        return fault if fault.times is None or self._faulted[key] <= fault.times else Fault()

    def _chart(self, ticker: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        bars = self.histories.get(ticker)
        if bars is not None and self.as_of is not None:
            bars = as_served_on(bars, self.as_of)
        if bars is None or bars.empty:
            return 404, _no_chart("Not Found", "No data found, symbol may be delisted")
        opens = bars.index.tz_localize(_NEW_YORK) + pd.Timedelta(hours=9, minutes=30)
        moments = opens.as_unit("s").asi8
        if "period1" in query:
            first, last = int(query["period1"]), int(query["period2"])
            if last <= moments[0]:
                reason = f"Data doesn't exist for startDate = {first}, endDate = {last}"
                return 400, _no_chart("Bad Request", reason)
            wanted = (moments >= first) & (moments < last)
        else:
            wanted = np.arange(len(bars)) >= len(bars) - _BARS_IN_RANGE.get(query.get("range", "max"), len(bars))
        return 200, chart(ticker, bars, moments, wanted, query.get("range", ""))


def as_served_on(bars: pd.DataFrame, session: dt.date) -> pd.DataFrame:
    """`bars` as Yahoo had them on the evening of `session`: nothing later, and no later split taken out of the prices.

    Written apart from core.adjusting, so that a test comparing the two compares something.
    """
    is_later = bars.index > pd.Timestamp(session)
    shares = 1.0
    for ratio in bars["stock_splits"][is_later]:
        shares *= ratio or 1.0
    served = bars[~is_later].copy()
    if served.empty:
        return served
    prices = ["open", "high", "low", "close", "adj_close", "dividends"]
    served[prices] = served[prices] * shares
    served["volume"] = (served["volume"] / shares).round()
    # Dividends to come are not in the adjusted close yet.
    served["adj_close"] *= served["close"].iloc[-1] / served["adj_close"].iloc[-1]
    return served


def chart(
    ticker: str, bars: pd.DataFrame, moments: np.ndarray, wanted: np.ndarray, range_asked: str = ""
) -> dict[str, Any]:
    """Yahoo's answer with the `wanted` rows of `bars`, whose sessions open at `moments` (seconds since 1970)."""
    last = bars.iloc[-1]
    opened = int(moments[-1])
    offset = int(dt.datetime.fromtimestamp(opened, _NEW_YORK).utcoffset().total_seconds())
    zone = "EST" if offset == -18_000 else "EDT"

    def period(start: int, end: int) -> dict[str, Any]:
        return {"timezone": zone, "start": start, "end": end, "gmtoffset": offset}

    closes = bars["close"].to_numpy()
    before = closes[moments < moments[wanted][0]] if wanted.any() else closes
    meta: dict[str, Any] = {
        "currency": "USD",
        "symbol": ticker,
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "firstTradeDate": int(moments[0]),
        "regularMarketTime": opened + _SESSION_SECONDS,
        "hasPrePostMarketData": True,
        "gmtoffset": offset,
        "timezone": zone,
        "exchangeTimezoneName": _NEW_YORK.key,
        "regularMarketPrice": _number(last["close"]),
        "regularMarketDayHigh": _number(last["high"]),
        "regularMarketDayLow": _number(last["low"]),
        "regularMarketVolume": _whole(last["volume"]),
        "longName": f"{ticker} Inc.",
        "shortName": f"{ticker} Inc.",
        "chartPreviousClose": _number(before[-1] if len(before) else closes[0]),
        "priceHint": 2,
        "currentTradingPeriod": {
            "pre": period(opened - 19_800, opened),
            "regular": period(opened, opened + _SESSION_SECONDS),
            "post": period(opened + _SESSION_SECONDS, opened + _SESSION_SECONDS + 14_400),
        },
        "dataGranularity": "1d",
        "range": range_asked,
        "validRanges": _RANGES,
    }
    if not wanted.any():
        return _chart_of({"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}})

    result: dict[str, Any] = {"meta": meta, "timestamp": moments[wanted].tolist()}
    rows = bars[wanted]
    events = {
        "dividends": {
            str(moment): {"amount": float(amount), "date": int(moment)}
            for moment, amount in zip(moments[wanted], rows["dividends"], strict=True)
            if amount > 0
        },
        "splits": {
            str(moment): _split(int(moment), float(ratio))
            for moment, ratio in zip(moments[wanted], rows["stock_splits"], strict=True)
            if ratio > 0
        },
    }
    if events := {kind: found for kind, found in events.items() if found}:
        result["events"] = events
    quote = {name: [_number(value) for value in rows[name]] for name in ("open", "high", "low", "close")}
    quote["volume"] = [_whole(value) for value in rows["volume"]]
    adjusted = [_number(value) for value in rows["adj_close"]]
    result["indicators"] = {"quote": [quote], "adjclose": [{"adjclose": adjusted}]}
    return _chart_of(result)


def _split(moment: int, ratio: float) -> dict[str, Any]:
    # 3:2 and 1:10 in whole numbers where there are any; spin-offs come as fractions: 1.323:1.
    new, old = next(((ratio * n, n) for n in range(1, 101) if (ratio * n).is_integer()), (ratio, 1))
    new = int(new) if float(new).is_integer() else new
    return {"date": moment, "numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else int(value)


def _chart_of(result: dict[str, Any]) -> dict[str, Any]:
    return {"chart": {"result": [result], "error": None}}


def _no_chart(code: str, description: str) -> dict[str, Any]:
    return {"chart": {"result": None, "error": _reason(code, description)}}


def _reason(code: str, description: str) -> dict[str, str]:
    return {"code": code, "description": description}
