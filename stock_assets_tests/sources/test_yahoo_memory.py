"""One request a ticker and process; what is remembered, for whom, and how long."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stock_assets.core import errors, sessions
from stock_assets.sources import base, simulated, throttle, yahoo
from stock_assets_tests.sources.fault_table import FRIDAY, PATIENT, nvda
from stock_assets_tests.yahoo_server import CRUMB, Fault, YahooServer

THURSDAY = dt.date(2021, 7, 22)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with YahooServer({"NVDA": nvda(), "OTHER": nvda(), "THIRD": nvda()}) as running:
        yield running


@pytest.fixture
def source(server: YahooServer, cache_dir: Path) -> yahoo.YahooSource:
    return yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT)


def test_all_sessions_of_a_ticker_cost_one_request(source: yahoo.YahooSource, server: YahooServer) -> None:
    for session in sessions.sessions_between(dt.date(2021, 7, 16), FRIDAY):
        assert len(source.fetch("nvda", session.date()).bars) == 6

    assert server.histories_requested("NVDA") == 1


def test_an_answer_serves_only_sessions_that_were_over_when_it_was_asked_for(
    server: YahooServer, cache_dir: Path
) -> None:
    thursday_evening, friday_evening = (sessions.available_from(session) for session in (THURSDAY, FRIDAY))
    clock = [thursday_evening]
    source = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT, now=lambda: clock[0])
    server.as_of = THURSDAY
    assert len(source.fetch("NVDA", THURSDAY).bars) == 5

    server.as_of = FRIDAY
    clock[0] = friday_evening - dt.timedelta(seconds=1)
    assert len(source.fetch("NVDA", THURSDAY).bars) == 5
    assert server.histories_requested("NVDA") == 1
    # Somebody asked a second too early; that answer is of no use a second later.
    source.fetch("NVDA", FRIDAY)
    assert server.histories_requested("NVDA") == 2
    clock[0] = friday_evening
    assert len(source.fetch("NVDA", FRIDAY).bars) == 6
    source.fetch("NVDA", FRIDAY)
    assert server.histories_requested("NVDA") == 3


def test_what_is_forgotten_is_asked_for_anew(source: yahoo.YahooSource, server: YahooServer) -> None:
    source.fetch("NVDA", FRIDAY)
    source.fetch("OTHER", FRIDAY)

    base.forget(source, "nvda")
    source.fetch("NVDA", FRIDAY)
    source.fetch("OTHER", FRIDAY)

    assert (server.histories_requested("NVDA"), server.histories_requested("OTHER")) == (2, 1)


def test_a_source_that_remembers_nothing_has_nothing_to_forget(source: yahoo.YahooSource) -> None:
    base.forget(simulated.SimulatedSource(), "NVDA")
    base.forget(source, "NEVER")


def test_a_failure_leaves_what_is_remembered_alone(source: yahoo.YahooSource, server: YahooServer) -> None:
    source.fetch("NVDA", FRIDAY)
    server.faults["NVDA"] = Fault(status=503)

    assert len(source.fetch("NVDA", FRIDAY).bars) == 6
    source.forget("NVDA")
    with pytest.raises(errors.SourceUnavailableError):
        source.fetch("NVDA", FRIDAY)


def test_a_session_before_the_listing_does_not_cost_another_request(
    source: yahoo.YahooSource, server: YahooServer
) -> None:
    for _ in range(2):
        with pytest.raises(errors.NoPricesError, match="no prices up to this session"):
            source.fetch("NVDA", dt.date(2021, 7, 15))

    assert len(source.fetch("NVDA", FRIDAY).bars) == 6
    assert server.histories_requested("NVDA") == 1


def test_nobody_changes_what_others_are_given(source: yahoo.YahooSource) -> None:
    bars = source.fetch("NVDA", FRIDAY).bars
    bars.loc[:, "close"] = -1.0

    pd.testing.assert_frame_equal(source.fetch("NVDA", FRIDAY).bars, nvda())


def test_the_longest_unused_is_given_up_first(
    source: yahoo.YahooSource, server: YahooServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yahoo, "REMEMBERED_TICKERS", 2)
    for ticker in ("NVDA", "OTHER", "NVDA", "THIRD", "NVDA", "OTHER"):
        source.fetch(ticker, FRIDAY)

    assert [server.histories_requested(ticker) for ticker in ("NVDA", "OTHER", "THIRD")] == [1, 2, 1]


def test_threads_that_ask_together_cost_one_request(source: yahoo.YahooSource, server: YahooServer) -> None:
    server.faults["NVDA"] = Fault(delay=0.1)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(source.fetch("NVDA", FRIDAY).bars))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [6] * 6
    assert server.histories_requested("NVDA") == 1


def test_how_many_requests_a_good_fetch_makes(server: YahooServer, cache_dir: Path) -> None:
    import yfinance.data

    yfinance.data.SingletonMeta._instances.clear()  # as in a new process
    server.histories["FIRST"] = nvda()
    # yfinance keeps no cookie of a host without "yahoo" in its name.
    source = yahoo.YahooSource(server.url.replace("127.0.0.1", "yahoo.localhost"), cache_dir, timeout=PATIENT)
    source.fetch("FIRST", FRIDAY)
    assert [request.path for request in server.requests] == [
        "/",  # cookie
        CRUMB,
        "/v8/finance/chart/FIRST",  # time zone
        "/v8/finance/chart/FIRST",
    ]

    yfinance.data.SingletonMeta._instances.clear()
    server.requests.clear()
    source.forget("FIRST")
    source.fetch("FIRST", FRIDAY)
    assert [request.path for request in server.requests] == [CRUMB, "/v8/finance/chart/FIRST"]

    server.requests.clear()
    source.forget("FIRST")
    source.fetch("FIRST", FRIDAY)
    assert [request.path for request in server.requests] == ["/v8/finance/chart/FIRST"]


def test_each_request_takes_a_token(server: YahooServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(throttle.Throttle, "take", lambda tokens: taken.append(len(server.requests)) or 0.0)
    source = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT, requests_per_minute=120)

    assert source.is_reachable(PATIENT)
    source.fetch("NVDA", FRIDAY)
    with pytest.raises(errors.NoPricesError):
        source.fetch("UNKNOWN", FRIDAY)

    # One before each request.
    assert taken == list(range(len(server.requests)))


def without_tokens(
    server: YahooServer, cache_dir: Path, per_minute: float, *, wait: float
) -> tuple[yahoo.YahooSource, list[float]]:
    """A source whose next token is `wait` seconds away by a clock that only moves when it sleeps, and that clock."""
    clock = [1_700_000_000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    file = cache_dir / f"requests of {clock[0] + wait}"
    source = yahoo.YahooSource(server.url, cache_dir, timeout=PATIENT)
    source._tokens = throttle.Throttle(file, per_minute, clock=lambda: clock[0], sleep=sleep)
    others = throttle.Throttle(file, per_minute, clock=lambda: clock[0], sleep=lambda seconds: None)
    while others.take() < wait - 60 / per_minute:
        pass
    return source, clock


def test_waiting_for_a_token_is_not_part_of_the_time_out(
    server: YahooServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over before the time-out of the request, which is whole, begins."""
    from curl_cffi import requests

    source, clock = without_tokens(server, cache_dir, 120, wait=60)
    before, request, begun = clock[0], requests.Session.request, []

    def noted(session: requests.Session, *args: Any, **options: Any) -> requests.Response:
        begun.append((clock[0] - before, options["timeout"]))
        return request(session, *args, **options)

    monkeypatch.setattr(requests.Session, "request", noted)
    assert len(source.fetch("NVDA", FRIDAY).bars) == 6
    assert begun[0] == pytest.approx((60, PATIENT), abs=1e-5)


def test_no_token_in_sight_is_a_passing_fault_that_says_when(server: YahooServer, cache_dir: Path) -> None:
    source, _ = without_tokens(server, cache_dir, 60, wait=121)
    with pytest.raises(
        errors.SourceUnavailableError,
        match=r"NVDA 2021-07-23: no answer from Yahoo: .*not sent: the next of 60 requests a minute is 121 s away",
    ) as raised:
        source.fetch("NVDA", FRIDAY)

    assert raised.value.retry_after == pytest.approx(121, abs=1e-5)
    assert server.requests == []
