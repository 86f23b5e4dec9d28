"""The real yfinance and the real HTTP client against a server on this machine."""

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from curl_cffi import requests

from stock_assets.core import adjusting, errors, provisional, schemas
from stock_assets.sources import csv_files, yahoo, yahoo_session
from stock_assets_tests.sources import fault_table
from stock_assets_tests.sources.fault_table import FRIDAY, PATIENT, TIMEOUT, nvda
from stock_assets_tests.yahoo_server import Fault, YahooServer


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with YahooServer({"NVDA": nvda()}) as running:
        yield running


@pytest.fixture
def source(server: YahooServer, cache_dir: Path) -> yahoo.YahooSource:
    return yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT)


def test_bars_dividends_and_splits_arrive_as_served(source: yahoo.YahooSource) -> None:
    history = source.fetch("nvda", FRIDAY)

    assert (history.ticker, history.source, history.currency) == ("NVDA", "yahoo", "USD")
    schemas.validate(history.bars, schemas.RAW_PRICES, ticker="NVDA", as_of=FRIDAY)
    pd.testing.assert_frame_equal(history.bars, nvda(), check_exact=True)


def test_later_bars_come_too_for_the_sake_of_their_splits(source: yahoo.YahooSource, server: YahooServer) -> None:
    bars = source.fetch("NVDA", dt.date(2021, 7, 19)).bars

    assert bars.index[-1] == pd.Timestamp(FRIDAY)
    # Before the split a share was four times as dear: 4 x 187.75.
    assert adjusting.as_served_on(bars, dt.date(2021, 7, 19))["close"].iloc[-1] == 751.0


def test_it_asks_from_1960_through_now(source: yahoo.YahooSource, server: YahooServer) -> None:
    before = int(time.time())
    source.fetch("NVDA", dt.date(2021, 7, 19))

    query = next(request.query for request in server.requests if request.is_history)
    assert dt.datetime.fromtimestamp(int(query["period1"]), dt.UTC).date() == dt.date(1960, 1, 4)
    assert before <= int(query["period2"]) <= time.time()
    assert query["interval"] == "1d"


def test_every_request_meant_for_yahoo_comes_to_the_base_url(source: yahoo.YahooSource, server: YahooServer) -> None:
    source.fetch("NVDA", FRIDAY)
    with pytest.raises(errors.NoPricesError):
        source.fetch("UNKNOWN1", FRIDAY)  # goes through the consent pages as well

    hosts = {request.host for request in server.requests}
    assert "query2.finance.yahoo.com" in hosts
    assert all(host.endswith(".yahoo.com") for host in hosts)


@pytest.mark.parametrize("url", ["https://example.com/", "https://notyahoo.com/", "https://yahoo.com.example.org/"])
def test_a_request_for_anybody_else_is_refused(url: str) -> None:
    with yahoo_session.YahooSession("http://127.0.0.1:9", 1) as session, pytest.raises(requests.exceptions.InvalidURL):
        session.get(url)


def test_a_base_url_may_have_a_path(source: yahoo.YahooSource, server: YahooServer, cache_dir: Path) -> None:
    proxied = yahoo.YahooSource(f"{server.url}/proxy/", cache_dir, timeout=PATIENT)

    with pytest.raises(errors.SourceUnavailableError, match="HTTP 404"):
        proxied.fetch("NVDA", FRIDAY)

    assert all(request.path.startswith("/proxy/") for request in server.requests)


def test_a_gap_in_yahoos_bars_stays_a_gap(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.histories["NVDA"].loc["2021-07-21", ["open", "high", "low", "close", "adj_close"]] = np.nan

    bars = source.fetch("NVDA", FRIDAY).bars

    assert bars.loc["2021-07-21", ["open", "high", "low", "close", "adj_close"]].isna().all()
    assert bars.loc["2021-07-21", "volume"] == 300


def test_the_last_trade_comes_along(source: yahoo.YahooSource) -> None:
    # 16:00 in New York, in summer.
    assert source.fetch("NVDA", FRIDAY).last_trade == dt.datetime(2021, 7, 23, 20, 0, tzinfo=dt.UTC)


def test_a_source_may_not_know_the_last_trade(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.faults["NVDA"] = fault_table.chart(lambda result: result["meta"].pop("regularMarketTime"))

    assert source.fetch("NVDA", FRIDAY).last_trade is None


def test_a_missing_volume_is_zero_but_on_the_last_bar(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.histories["NVDA"].loc[["2021-07-20", "2021-07-23"], "volume"] = np.nan

    assert source.fetch("NVDA", FRIDAY).bars["volume"].tolist() == pytest.approx(
        [400, 800, 0, 300, 200, np.nan], nan_ok=True
    )


def test_no_trade_on_the_last_session_is_zero(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.faults["NVDA"] = fault_table.quote("volume", 5, 0)

    assert source.fetch("NVDA", FRIDAY).bars["volume"].iloc[-1] == 0


def test_a_last_bar_without_any_number_is_not_there_and_so_not_final(
    source: yahoo.YahooSource, server: YahooServer
) -> None:
    server.histories["NVDA"].loc["2021-07-23"] = [np.nan] * 6 + [0, 0, 0]
    history = source.fetch("NVDA", FRIDAY)

    assert history.bars.index[-1] == pd.Timestamp("2021-07-22")
    with pytest.raises(errors.ProvisionalPricesError, match="NVDA 2021-07-23: prices end on 2021-07-22"):
        provisional.require_final(
            history.bars,
            ticker="NVDA",
            session=FRIDAY,
            last_trade=history.last_trade,
            now=dt.datetime(2021, 7, 23, 22, 1, tzinfo=dt.UTC),
        )


def without_bar(position: int) -> Fault:
    def change(result: dict[str, Any]) -> None:
        for values in [result["timestamp"], *fault_table.columns(result)]:
            values.pop(position)

    return fault_table.chart(change)


def test_a_split_on_a_session_without_a_bar_does_not_come_a_session_early(
    source: yahoo.YahooSource, server: YahooServer
) -> None:
    server.faults["NVDA"] = without_bar(2)

    bars = source.fetch("NVDA", FRIDAY).bars
    schemas.validate(bars, schemas.RAW_PRICES, ticker="NVDA", as_of=FRIDAY)
    expected = nvda()
    expected.loc["2021-07-20", ["open", "high", "low", "close", "adj_close", "volume"]] = np.nan
    pd.testing.assert_frame_equal(bars, expected)
    # The evening before, a share was four times as dear: 4 x 187.75, and of a split nothing was known.
    evening_before = adjusting.as_served_on(bars, dt.date(2021, 7, 19))
    assert evening_before["close"].iloc[-1] == 751.0
    assert not evening_before["stock_splits"].any()


def test_events_of_one_session_are_taken_together_whether_it_has_a_bar_or_not(
    source: yahoo.YahooSource, server: YahooServer
) -> None:
    def change(result: dict[str, Any]) -> None:
        events, moments = result["events"], result["timestamp"]
        for n, moment in enumerate((moments[3], moments[5])):
            events["dividends"][f"extra {n}"] = {"amount": 0.25, "date": moment + 1}
            events["dividends"][f"another {n}"] = {"amount": 0.5, "date": moment + 2}
        for values in [moments, *fault_table.columns(result)]:
            values.pop(3)

    server.faults["NVDA"] = fault_table.chart(change)

    bars = source.fetch("NVDA", FRIDAY).bars
    assert bars["dividends"].tolist() == pytest.approx([0, 0, 0, 0.75, 0, 0.79])
    assert bars["stock_splits"].tolist() == [0, 0, 4, 0, 0, 0]
    assert bars["close"].isna().tolist() == [False, False, False, True, False, False]


def test_an_infinite_adjusted_close_is_unknown(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.faults["NVDA"] = fault_table.chart(
        lambda result: result["indicators"]["adjclose"][0]["adjclose"].__setitem__(1, float("inf"))
    )

    bars = source.fetch("NVDA", FRIDAY).bars
    assert np.isnan(bars["adj_close"].iloc[1])
    pd.testing.assert_frame_equal(bars.drop(columns="adj_close"), nvda().drop(columns="adj_close"))


def test_the_live_bar_wins_over_the_days(source: yahoo.YahooSource, server: YahooServer) -> None:
    def live(result: dict[str, Any]) -> None:
        fault_table.live_bar_beside(result)
        result["indicators"]["quote"][0]["close"][5] -= 0.5  # what the day's own bar had some minutes ago

    server.faults["NVDA"] = fault_table.chart(live)

    bars = source.fetch("NVDA", FRIDAY).bars
    # With its dividend, which is dated at the opening.
    pd.testing.assert_frame_equal(bars, nvda())


@pytest.mark.parametrize("ticker", ["TSLA", "STX", "NVDA"])
def test_real_prices_through_yahoos_format_equal_the_files(real_prices_dir: Path, cache_dir: Path, ticker: str) -> None:
    session = dt.date(2024, 3, 8)
    expected = csv_files.CsvSource(real_prices_dir / "as_of_2024-03-08").fetch(ticker, session).bars

    with YahooServer({ticker: expected}) as server:
        bars = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT).fetch(ticker, session).bars

    pd.testing.assert_frame_equal(bars, expected, rtol=0, atol=1e-9)


def test_a_snapshot_is_the_same_that_evening_and_years_later(real_prices_dir: Path, cache_dir: Path) -> None:
    # Last session before TSLA's 5:1 split; the close on the screen was 2,213.40. A 3:1 split followed in 2022.
    session = dt.date(2020, 8, 28)
    history = csv_files.CsvSource(real_prices_dir / "as_of_2024-03-08").fetch("TSLA", session).bars
    with YahooServer({"TSLA": history}, as_of=session) as server:
        source = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT)
        that_evening = adjusting.as_served_on(source.fetch("TSLA", session).bars, session)
        server.as_of = None
        source.forget("TSLA")
        years_later = adjusting.as_served_on(source.fetch("TSLA", session).bars, session)

    assert that_evening["close"].iloc[-1] == pytest.approx(2213.40, abs=0.005)
    pd.testing.assert_frame_equal(years_later, that_evening, rtol=1e-12)


def test_before_the_listing_there_are_no_prices(source: yahoo.YahooSource) -> None:
    with pytest.raises(errors.NoPricesError, match=r"NVDA 2021-07-15: .* Yahoo's first session is 2021-07-16"):
        source.fetch("NVDA", dt.date(2021, 7, 15))


def test_a_ticker_not_yet_listed_that_evening_has_no_prices(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.as_of = dt.date(2021, 7, 15)

    with pytest.raises(errors.NoPricesError, match="NVDA 2021-07-15: Yahoo has no prices"):
        source.fetch("NVDA", dt.date(2021, 7, 15))


def test_an_unknown_ticker_has_no_prices_however_often_one_asks(source: yahoo.YahooSource) -> None:
    # yfinance takes other ways from the third unknown ticker of a process on.
    for ticker in ("NONE1", "NONE2", "NONE3", "NONE3"):
        with pytest.raises(errors.NoPricesError, match=f"{ticker} 2021-07-23: .*No data found, symbol may be delisted"):
            source.fetch(ticker, FRIDAY)


def test_an_isin_is_not_quietly_taken_for_a_ticker(source: yahoo.YahooSource, server: YahooServer) -> None:
    with pytest.raises(errors.NoPricesError, match="ISIN"):
        source.fetch("US67066G1040", FRIDAY)

    assert server.requests == []


def test_a_failed_look_up_of_a_time_zone_is_not_remembered(source: yahoo.YahooSource, server: YahooServer) -> None:
    """That request goes through yfinance's memory, which keeps answers like this one."""
    server.histories["FRESH"] = nvda()
    server.faults["FRESH"] = Fault(status=404, body=b'{"chart":{"result":null,"error":{"code":"Not Found"}}}')
    with pytest.raises(errors.NoPricesError):
        source.fetch("FRESH", FRIDAY)
    assert server.histories_requested("FRESH") == 0

    server.faults.clear()

    assert len(source.fetch("FRESH", FRIDAY).bars) == 6


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_a_server_that_is_not_there_is_unavailable(cache_dir: Path, url: str) -> None:
    source = yahoo.YahooSource(url, cache_dir, timeout=2)

    assert not source.is_reachable(2)
    with pytest.raises(
        errors.SourceUnavailableError, match=r"no answer from Yahoo: \w+Error: .*curl: \(\d+\)(?!.*https)"
    ):
        source.fetch("NVDA", FRIDAY)


def test_yahoo_is_reachable_whatever_tickers_it_has(source: yahoo.YahooSource, server: YahooServer) -> None:
    assert source.is_reachable(PATIENT)  # answered "no such ticker"

    server.histories["SPY"] = nvda()

    assert source.is_reachable(PATIENT)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=503),
        Fault(body=b"<html>Log in to the hotel</html>"),
        Fault(drop=True),
        Fault(delay=20),
    ],
    ids=["429", "503", "log-in page", "dropped", "slow"],
)
def test_yahoo_is_not_reachable_when_something_else_answers(
    source: yahoo.YahooSource, server: YahooServer, fault: Fault
) -> None:
    server.faults["SPY"] = fault

    assert not source.is_reachable(TIMEOUT if fault.delay else PATIENT)


def test_a_new_process_says_nothing_and_loads_yfinance_only_to_fetch(server: YahooServer, tmp_path: Path) -> None:
    """Unknown ticker, time-out, then a good fetch: all that yfinance would print is in the errors."""
    server.faults["SLOW"] = Fault(delay=20)
    code = f"""
import datetime, pathlib, sys
from stock_assets.core import errors
from stock_assets.sources import yahoo
heavy = {{"yfinance", "curl_cffi", "peewee"}} & set(sys.modules)
assert not heavy, heavy
source, hasty = (
    yahoo.YahooSource({server.url!r}, pathlib.Path({str(tmp_path)!r}), timeout=timeout)
    for timeout in ({PATIENT}, {TIMEOUT})
)
for asked, ticker in ((source, "NONE"), (hasty, "SLOW")):
    try:
        asked.fetch(ticker, datetime.date(2021, 7, 23))
    except errors.SourceError as error:
        print(type(error).__name__)
print(len(source.fetch("NVDA", datetime.date(2021, 7, 23)).bars))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout.split(), done.stderr) == (["NoPricesError", "SourceUnavailableError", "6"], "")
    assert (tmp_path / "tkr-tz.db").exists()


def test_a_broken_cache_folder_is_named(server: YahooServer, tmp_path: Path) -> None:
    (tmp_path / "tkr-tz.db").write_text("not a database, but long enough to be mistaken for one" * 20)
    code = f"""
import datetime, pathlib
from stock_assets.core import errors
from stock_assets.sources import yahoo
try:
    yahoo.YahooSource({server.url!r}, pathlib.Path({str(tmp_path)!r})).fetch("NVDA", datetime.date(2021, 7, 23))
except errors.SourceUnavailableError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert f"NVDA 2021-07-23: yfinance can't use its files in {tmp_path}" in done.stdout, done.stderr


def forms(value: object, path: str = "") -> set[tuple[str, str]]:
    """Every place of a JSON value with the type found there; moments as keys are one place."""
    if isinstance(value, dict):
        return {
            found
            for key, inner in value.items()
            for found in forms(inner, f"{path}.{'<moment>' if key.isdigit() else key}")
        }
    if isinstance(value, list):
        return {found for inner in value for found in forms(inner, f"{path}[]")}
    return {(path, type(value).__name__)}


def test_the_server_answers_in_the_form_of_genuine_answers(shared_dir: Path, server: YahooServer) -> None:
    recorded = [path for path in (shared_dir / "yahoo_wire" / "recorded").glob("*.json") if ".fake." not in path.name]
    assert len(recorded) == 4
    genuine = set()
    for path in recorded:
        genuine |= forms(json.loads(path.read_text())["response"]["bodyJson"])

    with yahoo_session.YahooSession(server.url, PATIENT) as session:
        address = "https://query2.finance.yahoo.com/v8/finance/chart/NVDA"
        answer = session.get(address, params={"period1": 0, "period2": 1_800_000_000, "interval": "1d"}).json()

    assert forms(answer) - genuine == set()
    # ... and nothing that yfinance reads is left out.
    left_out = {path for path, _ in genuine - forms(answer)} - {path for path, _ in forms(answer)}
    assert left_out == {".chart.result[].meta.fiftyTwoWeekHigh", ".chart.result[].meta.fiftyTwoWeekLow"}


def test_the_server_serves_ranges_and_windows(server: YahooServer) -> None:
    def moments(**query: Any) -> list[str]:
        with yahoo_session.YahooSession(server.url, PATIENT) as session:
            answer = session.get("https://query2.finance.yahoo.com/v8/finance/chart/NVDA", params=query).json()
        found = answer["chart"]["result"][0].get("timestamp", [])
        return [f"{pd.Timestamp(moment, unit='s', tz='America/New_York'):%m-%d %H:%M}" for moment in found]

    def second(text: str) -> int:
        return int(pd.Timestamp(text, tz="America/New_York").timestamp())

    assert moments(range="1d") == ["07-23 09:30"]
    assert len(moments(range="max")) == 6
    window = {"period1": second("2021-07-19"), "period2": second("2021-07-21")}
    assert moments(**window) == ["07-19 09:30", "07-20 09:30"]
    weekend = {"period1": second("2021-07-17"), "period2": second("2021-07-19")}
    assert moments(**weekend) == []
