"""Whole runs of the command line in processes of their own, shared by the tests: they are what takes time here."""

import datetime as dt
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from stock_assets import cli
from stock_assets.sources import csv_files, simulated
from stock_assets_tests.conftest import SHARED
from stock_assets_tests.place import NOBODY, Done, Place, at_once, clean_environment, files, write_csv
from stock_assets_tests.yahoo_server import Fault, YahooServer

# TSLA split 5:1 two months later and 3:1 in 2022: the prices of this evening have to be made again from later ones.
SESSION = "2020-06-30"
FIRST_BAR = "2016-01-04"
LAST_SESSION = dt.date(2024, 3, 8)
# The simulation begins in 2010: four years of it are enough for a model, and quick.
EARLY_SESSION = "2014-06-30"


@pytest.fixture(scope="session")
def histories() -> dict[str, pd.DataFrame]:
    """Bars of TSLA and STX, 2016-01-04 to 2024-03-08: real where ../shared is there, otherwise simulated."""
    real = SHARED / "prices" / "as_of_2024-03-08"
    source = csv_files.CsvSource(real) if real.is_dir() else simulated.SimulatedSource()
    return {ticker: source.fetch(ticker, LAST_SESSION).bars.loc[FIRST_BAR:] for ticker in ("TSLA", "STX")}


@pytest.fixture(scope="session")
def prices_dir(histories: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bars as CSV files."""
    folder = tmp_path_factory.mktemp("prices")
    for ticker, bars in histories.items():
        write_csv(bars, folder / f"{ticker}.csv")
    return folder


class PassingFaults(dict[str, Fault]):
    """Faults for `YahooServer.faults`: besides lasting ones, `ticker` fails for the first two fetches.

    That is four requests: yfinance answers an HTTP error by asking once more, with another cookie.
    """

    def __init__(self, server: YahooServer, ticker: str, fault: Fault, lasting: dict[str, Fault]) -> None:
        super().__init__(lasting)
        self._server, self._ticker, self._fault = server, ticker, fault

    def get(self, ticker: str, otherwise: Fault) -> Fault:  # type: ignore[override]
        if ticker == self._ticker and self._server.histories_requested(ticker) <= 4:
            return self._fault
        return super().get(ticker, otherwise)


@dataclass(frozen=True)
class Run:
    """A command that is done, where it ran, and how often Yahoo was asked for each history."""

    place: Place
    done: Done
    histories_requested: dict[str, int]


@pytest.fixture(scope="session")
def runs(
    histories: dict[str, pd.DataFrame], prices_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Run]]:
    """Runs by name.

    csv: both tickers from files. yahoo: TSLA from Yahoo, with `auto`. troubled: from Yahoo, which answers 503 for TSLA
    for ever, does not know ZZZZ, and answers 429 for STX twice. fallback: `auto` with nobody listening.
    """
    folder = tmp_path_factory.mktemp("runs")
    with YahooServer(histories) as good, YahooServer(histories) as troubled:
        unavailable = {"TSLA": Fault(status=503, body=b"upstream connect error", history_only=True)}
        too_many = Fault(status=429, body=b"Too Many Requests\r\n", history_only=True)
        troubled.faults = PassingFaults(troubled, "STX", too_many, unavailable)
        csv = Place(folder / "csv", {"STOCK_ASSETS_PRICES_DIR": str(prices_dir)})
        yahoo = Place(folder / "yahoo", {"STOCK_ASSETS_YAHOO_URL": good.url})
        trouble = Place(folder / "troubled", {"STOCK_ASSETS_YAHOO_URL": troubled.url})
        trouble.watchlist.write_text("tickers: [TSLA, ZZZZ, STX]\n")
        fallback = Place(
            folder / "fallback", {"STOCK_ASSETS_YAHOO_URL": NOBODY, "STOCK_ASSETS_FIRST_SESSION": "2014-01-02"}
        )
        done = at_once(
            lambda: csv.run("run", "--source", "csv", "--as-of", SESSION),
            lambda: trouble.run("run", "--source", "yahoo", "--as-of", SESSION),
            lambda: yahoo.run("run", "TSLA", "--source", "auto", "--as-of", SESSION),
            lambda: fallback.run("run", "STX", "--as-of", EARLY_SESSION),
        )
        asked = [
            {ticker: server.histories_requested(ticker) for ticker in ("TSLA", "STX", "ZZZZ")}
            for server in (good, troubled)
        ]
        yield {
            "csv": Run(csv, done[0], {}),
            "troubled": Run(trouble, done[1], asked[1]),
            "yahoo": Run(yahoo, done[2], asked[0]),
            "fallback": Run(fallback, done[3], {}),
        }


@pytest.fixture(scope="session")
def csv_run(runs: dict[str, Run]) -> Run:
    """The run from files, which must have gone well: other tests build upon it."""
    run = runs["csv"]
    assert run.done.code == 0, run.done.err
    return run


class Here:
    """The command line in this process, in the place of the shared run with copies of its watchlist and prices."""

    def __init__(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.data = run.place.data
        self._before = self._files()
        self.prices = folder / "prices"
        self.watchlist = folder / "watchlist.yaml"
        shutil.copytree(run.place.settings["STOCK_ASSETS_PRICES_DIR"], self.prices)
        shutil.copy(run.place.watchlist, self.watchlist)
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for name in set(os.environ) - set(clean_environment()):
            if not name.startswith("PYTEST_"):
                monkeypatch.delenv(name)
        more = {"STOCK_ASSETS_PRICES_DIR": str(self.prices), "STOCK_ASSETS_WATCHLIST": str(self.watchlist)}
        for name, value in (run.place.variables | more).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)

    def __call__(self, *words: str, **settings: str) -> Done:
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["stock-assets", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = self._capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    @property
    def stx(self) -> Path:
        return self.prices / "STX.csv"

    def nothing_was_touched(self) -> bool:
        """Whether the artefacts of the shared run are what they were."""
        return self._files() == self._before

    def _files(self) -> dict[str, bytes]:
        return {name: content for name, content in files(self.data).items() if SESSION in name}


@pytest.fixture
def here(
    csv_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Iterator[Here]:
    place = Here(csv_run, tmp_path, monkeypatch, capsys)
    yield place
    assert place.nothing_was_touched()
