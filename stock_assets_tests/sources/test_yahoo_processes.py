"""yfinance's files when several processes start cold in one folder, and when a stored cookie is no good."""

import multiprocessing
import multiprocessing.context
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import peewee
import pytest

from stock_assets.sources import yahoo
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.sources import cold_fetch
from stock_assets_tests.sources.fault_table import FRIDAY, nvda
from stock_assets_tests.yahoo_server import COOKIE, Fault, YahooServer

TICKERS = [f"T{n}" for n in range(6)]


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with YahooServer({ticker: nvda() for ticker in [*TICKERS, "NVDA"]}) as running:
        yield running


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


def url_of(server: YahooServer) -> str:
    """The server under a name with "yahoo" in it: yfinance stores cookies of no other."""
    return server.url.replace("127.0.0.1", "yahoo.localhost")


@pytest.fixture
def context() -> multiprocessing.context.ForkServerContext:
    """Processes that share nothing: forked from one without threads that has done nothing but import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(cold_fetch.PRELOADED)
    return context


class ColdFetches:
    """One process a ticker, each to fetch into `folder` at the same moment."""

    def __init__(
        self, context: multiprocessing.context.ForkServerContext, server: YahooServer, folder: Path, tickers: list[str]
    ) -> None:
        self._told, self.away = context.Queue(), context.Event()
        # Kept until the processes have it, too: nothing else holds it in being.
        self._together = context.Barrier(len(tickers))
        self._processes = [
            context.Process(
                target=cold_fetch.fetch, args=(url_of(server), folder, ticker, self._together, self.away, self._told)
            )
            for ticker in tickers
        ]
        for process in self._processes:
            process.start()

    def told(self) -> dict[str, int | str]:
        """Number of bars, or the error, of each ticker."""
        told = dict(self._told.get(timeout=PATIENCE) for _ in self._processes)
        for process in self._processes:
            process.join()
        return told


def test_six_processes_that_start_cold_at_the_same_moment_all_get_prices(
    context: multiprocessing.context.ForkServerContext, server: YahooServer, tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there" / "yet"

    assert ColdFetches(context, server, folder, TICKERS).told() == dict.fromkeys(TICKERS, 6)
    assert [server.histories_requested(ticker) for ticker in TICKERS] == [1] * 6
    assert {"tkr-tz.db", "cookies.db", "requests"} <= {path.name for path in folder.iterdir()}


def test_a_process_waits_while_another_one_makes_the_files(
    context: multiprocessing.context.ForkServerContext, server: YahooServer, tmp_path: Path
) -> None:
    with filelock.FileLock(tmp_path / "first-use.lock"):
        fetches = ColdFetches(context, server, tmp_path, ["T0"])
        fetches.away.wait()
        time.sleep(0.3)
        assert list(tmp_path.glob("*.db")) == []
        assert server.requests == []

    assert fetches.told() == {"T0": 6}


@pytest.fixture
def source(server: YahooServer, cache_dir: Path) -> Iterator[yahoo.YahooSource]:
    import yfinance.data
    from yfinance import cache

    yfinance.data.SingletonMeta._instances.clear()  # without a cookie, as in a new process
    yield yahoo.YahooSource(url_of(server), cache_dir, timeout=PATIENCE)
    if (cookies := cache.get_cookie_cache()) is not None:
        cookies.dummy = False


def test_a_cookie_stored_by_another_process_at_the_same_moment(
    source: yahoo.YahooSource, server: YahooServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yfinance import cache

    store, calls = cache._CookieCache.store, []

    def beaten(self: object, strategy: str, cookie: object) -> None:
        calls.append(cookie)
        if len(calls) == 1:
            raise peewee.IntegrityError("UNIQUE constraint failed: _cookieschema.strategy")
        store(self, strategy, cookie)

    monkeypatch.setattr(cache._CookieCache, "store", beaten)

    assert len(source.fetch("NVDA", FRIDAY).bars) == 6
    assert server.histories_requested("NVDA") == 1


@pytest.mark.parametrize("cookie", ["B=other; Max-Age=31557600; Path=/", "A3=d=AQABBA; Path=/"], ids=["name", "expiry"])
def test_a_stored_cookie_that_yfinance_can_not_use_is_thrown_away(
    source: yahoo.YahooSource, server: YahooServer, cookie: str
) -> None:
    """yfinance stores whatever cookie it is given, and expects an A3 with an expiry of what it has stored."""
    import yfinance.data

    server.faults[COOKIE] = Fault(status=404, headers={"Set-Cookie": cookie})
    assert len(source.fetch("NVDA", FRIDAY).bars) == 6

    # ... and the next process.
    yfinance.data.SingletonMeta._instances.clear()
    yfinance.cache.get_cookie_cache().dummy = False
    later = yahoo.YahooSource(source.base_url, source.cache_dir, timeout=PATIENCE)
    assert len(later.fetch("NVDA", FRIDAY).bars) == 6
