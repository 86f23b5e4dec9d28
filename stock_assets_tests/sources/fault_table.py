"""What comes of each fault of Yahoo: one line a fault, through the real yfinance and HTTP client.

    python -m stock_assets_tests.sources.fault_table

prints the table. test_yahoo_faults.py holds every line to it.
"""

import contextlib
import copy
import dataclasses
import datetime as dt
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from curl_cffi import requests

from stock_assets.core import errors
from stock_assets.defs import retries
from stock_assets.sources import base, yahoo, yahoo_session
from stock_assets_tests.monitoring import servers
from stock_assets_tests.yahoo_server import COOKIE, CRUMB, QUOTE, Fault, YahooServer

TICKER = "NVDA"
FRIDAY = dt.date(2021, 7, 23)
TIMEOUT, PATIENT = 0.3, 120.0
"""Time-outs of requests, in seconds: of those that are never answered as a fault wants it, and of all others."""

PRICES = "prices"
UNAVAILABLE = errors.SourceUnavailableError
NOTHING = errors.NoPricesError
MALFORMED = errors.MalformedPricesError
Outcome = type[errors.SourceError] | str


def nvda() -> pd.DataFrame:
    """NVDA around its 4:1 split of 2021-07-20, with a dividend of 4 cents on the last session; made-up volume."""
    closes = [181.5, 187.75, 186.0, 194.0, 196.0, 195.5]
    return base.raw_frame(
        pd.DatetimeIndex(["2021-07-16", "2021-07-19", "2021-07-20", "2021-07-21", "2021-07-22", "2021-07-23"]),
        {
            "open": [close - 1 for close in closes],
            "high": [close + 2 for close in closes],
            "low": [close - 2 for close in closes],
            "close": closes,
            "adj_close": [close * (1 - 0.04 / 196.0) for close in closes[:-1]] + closes[-1:],
            "volume": [400, 800, 400, 300, 200, 100],
            "dividends": [0, 0, 0, 0, 0, 0.04],
            "stock_splits": [0, 0, 4, 0, 0, 0],
        },
    )


@dataclasses.dataclass(frozen=True)
class Line:
    """One fault: how it is made, what comes of it, and how many whole histories one fetch asks for meanwhile.

    `retry_after`: seconds that Yahoo asks to be left alone for.
    """

    fault: str
    made: Mapping[str, Fault]
    outcome: Outcome
    message: str
    histories: int
    retry_after: float | None


def line(
    fault: str,
    made: Fault | Mapping[str, Fault],
    outcome: Outcome,
    message: str = "",
    *,
    histories: int = 1,
    retry_after: float | None = None,
) -> Line:
    made = {TICKER: made} if isinstance(made, Fault) else made
    return Line(fault, made, outcome, message, histories, retry_after)


def answer(body: bytes, status: int = 200, **headers: str) -> Fault:
    return Fault(body=body, status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})


def reason(code: str, description: str, status: int = 200) -> Fault:
    return answer(
        json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}}).encode(), status
    )


def chart(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The right history, but for `change` to its `chart.result[0]`."""

    def apply(payload: Any) -> Any:
        payload = copy.deepcopy(payload)
        change(payload["chart"]["result"][0])
        return payload

    return Fault(change=apply, history_only=True)


def meta(**fields: object) -> Fault:
    return chart(lambda result: result["meta"].update(fields))


def quote(column: str, position: int, value: object) -> Fault:
    return chart(lambda result: result["indicators"]["quote"][0][column].__setitem__(position, value))


def events(kind: str, **fields: object) -> Fault:
    return chart(lambda result: [event.update(fields) for event in result["events"][kind].values()])


def columns(result: dict[str, Any]) -> list[list[Any]]:
    return [*result["indicators"]["quote"][0].values(), result["indicators"]["adjclose"][0]["adjclose"]]


def without_bars(result: dict[str, Any]) -> None:
    del result["timestamp"]
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}


def all_null(result: dict[str, Any]) -> None:
    del result["events"]
    for values in columns(result):
        values[:] = [None] * len(values)


def out_of_order(result: dict[str, Any]) -> None:
    for values in [result["timestamp"], *columns(result)]:
        values[1], values[4] = values[4], values[1]


def repeat(result: dict[str, Any], position: int, *, later: int = 0) -> None:
    """The bar at `position` once more, `later` seconds later."""
    result["timestamp"].insert(position + 1, result["timestamp"][position] + later)
    for values in columns(result):
        values.insert(position + 1, values[position])


def two_bars_of_a_session(result: dict[str, Any]) -> None:
    repeat(result, 2)
    result["indicators"]["quote"][0]["close"][3] += 1


def live_bar(result: dict[str, Any]) -> None:
    """The last bar at the moment of the last trade, where Yahoo has it as long as the exchange is the day's."""
    result["timestamp"][-1] = result["meta"]["regularMarketTime"]


def live_bar_beside(result: dict[str, Any]) -> None:
    """... and the day's own bar before it, with fewer shares."""
    repeat(result, 5, later=23_400)
    result["indicators"]["quote"][0]["volume"][5] -= 1


def raw_json(old: bytes, new: bytes) -> Fault:
    """The right history, with `old` in its JSON replaced: for what Python's own JSON would not write."""
    right = YahooServer({TICKER: nvda()})
    _, payload = right._chart(TICKER, {"period1": "0", "period2": "4000000000"})
    right._httpd.server_close()
    body = json.dumps(payload).encode()
    assert old in body
    return Fault(body=body.replace(old, new, 1), history_only=True)


GARBAGE = bytes(range(256))
TOO_MANY = b"Too Many Requests\r\n"
TABLE = [
    # Yahoo says no.
    line("429", answer(TOO_MANY, 429), UNAVAILABLE, "HTTP 429", histories=2),
    line(
        "429 with Retry-After",
        answer(TOO_MANY, 429, Retry_After="7"),
        UNAVAILABLE,
        "HTTP 429",
        histories=2,
        retry_after=7,
    ),
    line(
        "503 with Retry-After", answer(b"", 503, Retry_After="9"), UNAVAILABLE, "HTTP 503", histories=2, retry_after=9
    ),
    line("429, then well", Fault(429, TOO_MANY, times=1, history_only=True), PRICES, histories=2),
    line("500, page", answer(b"<html>oops</html>", 500), UNAVAILABLE, "HTTP 500.*<html>oops", histories=2),
    line("502, JSON", reason("Internal", "try later", 502), UNAVAILABLE, "HTTP 502", histories=2),
    line("504, empty", answer(b"", 504), UNAVAILABLE, "HTTP 504", histories=2),
    line("401, wrong crumb", reason("Unauthorized", "Invalid Crumb", 401), UNAVAILABLE, "Invalid Crumb", histories=2),
    line("403", answer(b"Access denied", 403), UNAVAILABLE, "HTTP 403", histories=2),
    line("error inside a 200", reason("Internal", "try later"), UNAVAILABLE, "try later"),
    # Something else answers.
    line(
        "will be right back", answer(b"<h1>Will be right back</h1>", Content_Type="text/html"), UNAVAILABLE, "HTTP 200"
    ),
    line("consent page", answer(b"<html>consent</html>", Content_Type="text/html"), UNAVAILABLE, "expected HTTP 200"),
    line("empty body", answer(b""), UNAVAILABLE, "HTTP 200, 0 characters"),
    line("204", answer(b"", 204), UNAVAILABLE, "HTTP 204"),
    line("garbage", answer(GARBAGE), UNAVAILABLE, "256 characters"),
    line("half the JSON", answer(b'{"chart":{"result":[{"meta":'), UNAVAILABLE, "28 characters"),
    line("JSON null", answer(b"null"), UNAVAILABLE, "'null'"),
    line("JSON {}", answer(b"{}"), UNAVAILABLE, "'{}'"),
    line("JSON []", answer(b"[]"), UNAVAILABLE, r"'\[\]'"),
    line("JSON 100,000 deep", answer(b"[" * 100_000), UNAVAILABLE, "100000 characters"),
    line("redirect loop", answer(b"", 302, Location="/v8/finance/chart/NVDA"), UNAVAILABLE, "TooManyRedirects"),
    line("redirect to nowhere", answer(b"", 302), UNAVAILABLE, "HTTP 302"),
    # The line breaks.
    line("time-out", Fault(delay=20), UNAVAILABLE, "no answer from Yahoo: Timeout"),
    line("trickle", Fault(trickle=0.05), UNAVAILABLE, "no answer from Yahoo: Timeout"),
    line("endless body", Fault(endless=True), UNAVAILABLE, "no answer from Yahoo"),
    line("connection dropped", Fault(drop=True), UNAVAILABLE, "no answer from Yahoo: ConnectionError"),
    line("body cut off", Fault(truncate=True), UNAVAILABLE, "no answer from Yahoo: IncompleteRead"),
    line("length too short", Fault(headers={"Content-Length": "100"}), UNAVAILABLE, "100 characters"),
    line("not gzip", Fault(headers={"Content-Encoding": "gzip"}), UNAVAILABLE, "no answer from Yahoo"),
    # Cookie, crumb and look-up of the time zone.
    line("crumb: 429", {CRUMB: answer(TOO_MANY, 429)}, PRICES),
    line("crumb: 401", {CRUMB: answer(b"{}", 401)}, PRICES),
    line("crumb: 500", {CRUMB: answer(b"<html>oops</html>", 500)}, PRICES),
    line("crumb: time-out", {CRUMB: Fault(delay=20)}, PRICES),
    line("cookie: dropped", {COOKIE: Fault(drop=True)}, PRICES),
    line("cookie: 503", {COOKIE: answer(b"", 503)}, PRICES),
    line(
        "crumb: 429, chart: dropped",
        {CRUMB: answer(TOO_MANY, 429, Retry_After="11"), TICKER: Fault(drop=True)},
        UNAVAILABLE,
        "no answer",
        retry_after=11,
    ),
    line("zone: 500", {"COLD1": Fault(500, b"", look_up_only=True)}, UNAVAILABLE, "HTTP 500", histories=0),
    line("zone: dropped", {"COLD2": Fault(drop=True, look_up_only=True)}, UNAVAILABLE, "no answer", histories=0),
    line("zone: page", {"COLD3": Fault(body=b"<html>", look_up_only=True)}, UNAVAILABLE, "<html>", histories=0),
    line("zone: 404", {"COLD4": reason("Not Found", "delisted", 404)}, NOTHING, "delisted", histories=0),
    line(
        "zone: error, quote: 429",
        {"COLD5": reason("Internal", "try later"), QUOTE: answer(TOO_MANY, 429, Retry_After="13")},
        UNAVAILABLE,
        "try later",
        histories=0,
        retry_after=13,
    ),
    # There is nothing.
    line("unknown ticker", {"NONE": Fault()}, NOTHING, "No data found, symbol may be delisted", histories=0),
    line("delisted", reason("Not Found", "symbol may be delisted", 404), NOTHING, "may be delisted", histories=2),
    line("no data in the range", reason("Bad Request", "Data doesn't exist", 400), NOTHING, "exist", histories=2),
    line("result null", answer(b'{"chart":{"result":null,"error":null}}'), NOTHING, "is empty"),
    line("result []", answer(b'{"chart":{"result":[],"error":null}}'), NOTHING, "is empty"),
    line("no bars", chart(without_bars), NOTHING, "knows the ticker, but has no bars"),
    line("all null", chart(all_null), NOTHING, "no bar with a number in it"),
    # JSON, but not of a chart's form.
    line("other ticker", meta(symbol="MSFT"), MALFORMED, "symbol 'MSFT'; expected 'NVDA'"),
    line("monthly bars", meta(dataGranularity="1mo"), MALFORMED, "dataGranularity '1mo'; expected '1d'"),
    line("no meta", chart(lambda result: result.update(meta={})), MALFORMED, "can't be read as prices"),
    line("no time zone", chart(lambda result: result["meta"].pop("exchangeTimezoneName")), MALFORMED, "exchangeTim"),
    line("unknown time zone", meta(exchangeTimezoneName="Mars/Phobos"), MALFORMED, "Mars/Phobos"),
    line("last trade as text", meta(regularMarketTime="16:00"), MALFORMED, "'16:00'; expected seconds"),
    line(
        "two results",
        Fault(change=lambda right: {"chart": {"result": right["chart"]["result"] * 2}}),
        MALFORMED,
        "2 re",
    ),
    line("result of null", answer(b'{"chart":{"result":[null],"error":null}}'), MALFORMED, "TypeError"),
    line("no timestamps", chart(lambda result: result.pop("timestamp")), MALFORMED, "no timestamp"),
    line(
        "text as timestamp", chart(lambda result: result["timestamp"].__setitem__(2, "x")), MALFORMED, "timestamp 'x'"
    ),
    line(
        "milliseconds", chart(lambda result: result["timestamp"].__setitem__(2, 1627047000000)), MALFORMED, "timestamp"
    ),
    line("ragged", chart(lambda result: columns(result)[1].pop()), MALFORMED, "5 values of high; expected 6"),
    line("no volume", chart(lambda result: result["indicators"]["quote"][0].pop("volume")), MALFORMED, "no volume"),
    line("no adjusted close", chart(lambda result: result["indicators"].pop("adjclose")), MALFORMED, "no adjclose"),
    line("no indicators", chart(lambda result: result.pop("indicators")), MALFORMED, "KeyError 'indicators'"),
    line("text as price", quote("low", 0, "185.5"), MALFORMED, "low '185.5'"),
    line("true as price", quote("low", 0, True), MALFORMED, "low True"),
    line("NaN in the JSON", quote("close", 1, float("nan")), MALFORMED, "close nan"),
    line("Infinity in the JSON", quote("close", 1, float("inf")), MALFORMED, "close inf"),
    line("price of 400 digits", raw_json(b"187.75", b"9" * 400), MALFORMED, "expected a number or null"),
    line("price 1e999", raw_json(b"187.75", b"1e999"), MALFORMED, "close inf"),
    line("volume 1e30", quote("volume", 1, 1e30), MALFORMED, "volume 1e\\+30"),
    line("two bars of a session", chart(two_bars_of_a_session), MALFORMED, "two different bars of 2021-07-20"),
    line("split by zero", events("splits", denominator=0), MALFORMED, "expected two numbers above 0"),
    line("split as text", events("splits", numerator="4"), MALFORMED, "expected two numbers above 0"),
    line("dividend of null", events("dividends", amount=None), MALFORMED, "expected an amount"),
    line("dividend in euros", events("dividends", currency="EUR"), MALFORMED, "expected the prices' currency, USD"),
    line("dividend without date", events("dividends", date=None), MALFORMED, "expected a date"),
    # What looks odd and is right.
    line("out of order", chart(out_of_order), PRICES),
    line("the same bar twice", chart(lambda result: repeat(result, 2)), PRICES),
    line("live last bar", chart(live_bar), PRICES),
    line("live bar beside the day's", chart(live_bar_beside), PRICES),
    line("text/html, but a chart", Fault(headers={"Content-Type": "text/html"}), PRICES),
    line("unknown charset", Fault(headers={"Content-Type": "text/plain;charset=klingon"}), PRICES),
]


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a line: prices or the error; histories asked for; requests that were given up; seconds."""

    came: base.PriceHistory | errors.SourceError
    histories: int
    given_up: int
    seconds: float


class HastySession(yahoo_session.YahooSession):
    """Gives up soon what `server` will not answer because of a fault, and has patience with all else."""

    def __init__(self, server: YahooServer) -> None:
        super().__init__(server.url, PATIENT)
        self._server = server
        self.asked = 0
        self.given_up = 0

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> requests.Response:
        path = urlsplit(url).path
        fault = self._server.faults.get(path.removeprefix(yahoo_session.CHART_PATH), Fault())
        self._longest = TIMEOUT if fault.delay or fault.trickle else PATIENT
        self.asked += 1
        try:
            return super().request(method, url, *args, **options)
        except requests.exceptions.Timeout:
            self.given_up += 1
            raise


def ticker_of(fault: Line) -> str:
    return next((key for key in fault.made if not key.startswith("/")), TICKER)


@contextlib.contextmanager
def faulty(fault: Line, cache_dir: Path) -> Iterator[tuple[YahooServer, yahoo.YahooSource]]:
    """A server with the fault and a source for it that has no cookie and no crumb, like one in a new process."""
    import yfinance.base
    import yfinance.data

    yfinance.data.SingletonMeta._instances.clear()
    yfinance.base._tz_info_fetch_ctr = 0
    known = [TICKER, *(ticker for ticker in fault.made if ticker.startswith("COLD"))]
    with YahooServer({ticker: nvda() for ticker in known}) as server:
        server.faults.update(fault.made)
        source = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT)
        source._session = HastySession(server)
        yield server, source


def run(fault: Line, cache_dir: Path, *, tries: int = 1) -> Result:
    """Fetch through the fault: once, or until something else than a passing fault comes, up to `tries` times."""
    with faulty(fault, cache_dir) as (server, source):
        return fetch(fault, server, source, tries=tries)


def fetch(fault: Line, server: YahooServer, source: yahoo.YahooSource, *, tries: int = 1) -> Result:
    """See `run`."""
    ticker, started, session = ticker_of(fault), time.perf_counter(), source._session
    assert isinstance(session, HastySession)
    before, given_up = server.histories_requested(ticker), session.given_up
    for _ in range(tries):
        try:
            came = source.fetch(ticker, FRIDAY)
        except errors.SourceError as error:
            came = error
        if not isinstance(came, errors.SourceUnavailableError):
            break
    seconds = time.perf_counter() - started
    # What was given up may not have been read yet.
    servers.until(lambda: len(server.requests) >= session.asked)
    return Result(came, server.histories_requested(ticker) - before, session.given_up - given_up, seconds)


def learn_time_zone(cache_dir: Path) -> None:
    """Let yfinance store the time zone of TICKER, as it is after any good day."""
    run(line("none", Fault(), PRICES), cache_dir)


def main() -> None:
    warnings.simplefilter("ignore")
    tries = retries.FETCH_RETRIES + 1
    print(f"| {'fault':26} | {'outcome':27} | histories asked for | in {tries} tries | seconds |")  # noqa: T201
    print(f"|{'-' * 28}|{'-' * 29}|{'-' * 21}|{'-' * 12}|{'-' * 9}|")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        cache_dir = Path(folder)
        learn_time_zone(cache_dir)
        for fault in TABLE:
            once, retried = run(fault, cache_dir), run(fault, cache_dir, tries=tries)
            outcome = PRICES if isinstance(once.came, base.PriceHistory) else type(once.came).__name__
            if isinstance(once.came, UNAVAILABLE) and once.came.retry_after is not None:
                outcome += f" {once.came.retry_after:.0f} s"
            counts = f"{once.histories:19} | {retried.histories:10} | {once.seconds:7.2f}"
            print(f"| {fault.fault:26} | {outcome:27} | {counts} |")  # noqa: T201


if __name__ == "__main__":
    main()
