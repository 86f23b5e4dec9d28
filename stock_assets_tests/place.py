"""A place of one's own: folders and settings that no other test sees, and the command line run there in new processes.

No test lives here.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stock_assets.sources import base
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

PROGRAM = Path(sys.executable).with_name("stock-assets")
# Nothing listens on the discard port of loopback.
NOBODY = "http://127.0.0.1:9"
PATIENCE = 1200
"""Seconds after which a test takes what it waits for to hang: no machine that works is so slow."""


@dataclass(frozen=True)
class Done:
    """What a finished command left on the screen."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines that begin with `error:`."""
        return [line for line in self.err.splitlines() if line.startswith("error:")]


@dataclass(frozen=True)
class Place:
    """A folder with data, logs, Dagster's home and a watchlist of TSLA and STX; `settings` come on top."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.watchlist.exists():
            self.watchlist.write_text("tickers: [TSLA, STX]\n")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def watchlist(self) -> Path:
        return self.folder / "watchlist.yaml"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "STOCK_ASSETS_DATA_DIR": str(self.data),
            "STOCK_ASSETS_LOG_DIR": str(self.folder / "logs"),
            "STOCK_ASSETS_WATCHLIST": str(self.watchlist),
            "STOCK_ASSETS_YAHOO_URL": NOBODY,
            "STOCK_ASSETS_RETRY_DELAY": "0.01",
            "STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE": "6000",
            "DAGSTER_HOME": str(self.folder / "home"),
        } | self.settings

    def environment(self, **more: str) -> dict[str, str]:
        return clean_environment() | self.variables | more

    def run(self, *words: str, **more: str) -> Done:
        """`stock-assets` with `words` and the variables `more`, in a new process whose output is a pipe."""
        done = subprocess.run(
            [str(PROGRAM), *words],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def log(self, asset: str) -> str:
        return (self.folder / "logs" / f"{asset}.log").read_text()

    def snapshot(self, ticker: str, session: str) -> Snapshot:
        return Snapshot(ArtefactStore(self.data), ticker, pd.Timestamp(session).date())

    def files(self) -> dict[str, bytes]:
        return files(self.data)


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that a setting or a colour could come from."""
    ours = ("STOCK_ASSETS_", "DAGSTER_", "FORCE_COLOR", "NO_COLOR", "PYTEST_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def files(folder: Path) -> dict[str, bytes]:
    """Content by relative path of everything under `folder`, the writers' lock files left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
    }


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_csv(bars: pd.DataFrame, path: Path) -> None:
    """`bars`, columns as in core.schemas.RAW_PRICES, in the form of Yahoo's download."""
    path.parent.mkdir(parents=True, exist_ok=True)
    headings = {column: heading for heading, column in base.YAHOO_HEADINGS.items()}
    bars.rename(columns=headings).rename_axis("Date").to_csv(path)


def at_once(*commands: Callable[[], Done]) -> list[Done]:
    """The commands' results; two at a time keep two cores busy."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda command: command(), commands))
