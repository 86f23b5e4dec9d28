"""What `daily_path` and `scale` do in processes of their own: make what an evening finds, and take one run of it apart.

    python -m benchmarks.daily_process prepare DATE [TICKER ...]
    python -m benchmarks.daily_process share DATE TICKER ...
    python -m benchmarks.daily_process parts DATE TICKER

The environment names the folders. `prepare` makes everything of a session, of all tickers if none is named. `share`
gives what was trained of those named to the other tickers in turn, under their own names, and takes all else away: so
each has a model of its own, and evenings can be measured without hours of training. `parts` prints JSON: each part of
a run of `daily_job` with its seconds, by the processor's time and by the clock. Parts don't overlap: what is spent in a
part within another is told of the inner one.
"""

import argparse
import dataclasses
import datetime
import functools
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import phases

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.modelling import Model

IMPORTS = "start of Python, imports of libraries"
OURS = "imports of Dagster and of the definitions"
EVENTS = "Dagster: events written"
REST = "Dagster: the rest of its run"
INPUTS = "inputs read back from the store"
SYNC = "storage: waiting for the disk"
STORE = "storage: the rest"
DRAW = "report: drawing"
PNG = "report: pictures encoded"
PAGE = "report: page"
CHECKS = "checks"


class Parts:
    """Seconds by part, of the processor and by the clock; the part entered last counts."""

    def __init__(self, first: str) -> None:
        self.seconds: dict[str, list[float]] = {}
        # The processor's time began with the process, the clock's just now.
        self._last = (0.0, time.perf_counter())
        self._within = [first]

    def enter(self, part: str) -> None:
        self._charge()
        self._within.append(part)

    def leave(self) -> None:
        self._charge()
        self._within.pop()

    def follow(self, part: str) -> None:
        """`part` begins where the present one ends."""
        self.leave()
        self._within.append(part)

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        self.enter(part)
        try:
            yield
        finally:
            self.leave()

    def around(self, owner: Any, name: str, part: str) -> None:
        """From now on, what a function of a module or class takes belongs to `part`."""
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            with self.within(part):
                return function(*given, **named)

        setattr(owner, name, timed)

    def _charge(self) -> None:
        now = (time.process_time(), time.perf_counter())
        sums = self.seconds.setdefault(self._within[-1], [0.0, 0.0])
        sums[0] += now[0] - self._last[0]
        sums[1] += now[1] - self._last[1]
        self._last = now


def main() -> None:
    parts = Parts(IMPORTS)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("prepare", "share", "parts"))
    parser.add_argument("session", type=datetime.date.fromisoformat)
    parser.add_argument("tickers", nargs="*")
    arguments = parser.parse_args()
    phases.import_libraries()
    if arguments.what == "prepare":
        _prepare(arguments.session, arguments.tickers)
    elif arguments.what == "share":
        _share(arguments.session, arguments.tickers)
    else:
        [ticker] = arguments.tickers
        print(json.dumps(_taken_apart(ticker, arguments.session, parts)))


def _prepare(session: datetime.date, tickers: Sequence[str]) -> None:
    """Folders, and everything of each ticker's `session`, model included, without a trace in Dagster's history."""
    import dagster as dg

    from stock_assets import watchlist
    from stock_assets.commands import home
    from stock_assets.definitions import build_defs
    from stock_assets.defs import partitions
    from stock_assets.settings import Settings

    settings = Settings.from_environment()
    home.prepare_logs(settings.log_dir)
    home.instance(settings.dagster_home).dispose()
    job = build_defs(settings).resolve_job_def("whole_graph_job")
    for ticker in tickers or watchlist.read(settings.watchlist).tickers:
        with dg.DagsterInstance.ephemeral() as instance:
            job.execute_in_process(partition_key=partitions.key(ticker, session), instance=instance, run_config=_QUIET)


def _share(session: datetime.date, trained: Sequence[str]) -> None:
    """See the module."""
    from stock_assets import watchlist
    from stock_assets.defs import jobs
    from stock_assets.settings import Settings
    from stock_assets.storage import ledger

    settings = Settings.from_environment()
    others = [ticker for ticker in watchlist.read(settings.watchlist).tickers if ticker not in trained]
    share = functools.partial(_share_with, settings.data_dir, session)
    with futures.ProcessPoolExecutor() as pool:
        list(pool.map(share, others, itertools.cycle(trained)))
    for folder in Path(settings.data_dir).iterdir():
        if folder.is_dir() and folder.name not in (*jobs.TRAINING_ASSETS, ledger.ASSET):
            shutil.rmtree(folder)


def _share_with(data_dir: str, session: datetime.date, ticker: str, trained: str) -> None:
    from stock_assets.storage import formats, ledger, models, tables
    from stock_assets.storage.artefacts import ArtefactStore

    store = ArtefactStore(data_dir)
    model, backtest, scores = _trained(data_dir, session, trained)
    model = dataclasses.replace(model, card=model.card | {"ticker": ticker})
    source = backtest.attrs["source"]
    table = tables.encode(backtest, asset="backtest", ticker=ticker, as_of=session, source=source)
    store.write("model", ticker, session, models.encode_model(model))
    store.write("backtest", ticker, session, table)
    store.write("evaluation", ticker, session, {".json": formats.encode_json(scores | {"ticker": ticker})})
    ledger.record(store, ticker, session, ledger.tried(store, trained, session))


@functools.cache
def _trained(data_dir: str, session: datetime.date, ticker: str) -> "tuple[Model, pd.DataFrame, dict[str, Any]]":
    """Model, backtest and evaluation."""
    from stock_assets.storage import formats, models, tables
    from stock_assets.storage.artefacts import ArtefactStore

    def read(asset: str) -> dict[str, bytes]:
        return ArtefactStore(data_dir).read(asset, ticker, session)

    return (
        models.decode_model(read("model"), ticker=ticker, as_of=session),
        tables.decode(read("backtest"), asset="backtest", ticker=ticker, as_of=session),
        formats.decode_json(read("evaluation")[".json"], asset="evaluation", ticker=ticker, as_of=session),
    )


def _taken_apart(ticker: str, session: datetime.date, parts: Parts) -> dict[str, list[float]]:
    parts.follow(OURS)
    from PIL import Image

    from stock_assets.commands import home
    from stock_assets.definitions import build_defs
    from stock_assets.defs import jobs, partitions
    from stock_assets.defs.io_managers import ArtefactIOManager
    from stock_assets.reporting import html, pictures
    from stock_assets.settings import Settings
    from stock_assets.storage.artefacts import ArtefactStore

    settings = Settings.from_environment()
    instance = home.instance(settings.dagster_home)
    job = build_defs(settings).resolve_job_def("daily_job")
    parts.follow(REST)

    parts.around(ArtefactIOManager, "load", INPUTS)
    parts.around(ArtefactStore, "write", STORE)
    parts.around(os, "fsync", SYNC)
    parts.around(pictures, "draw", DRAW)
    parts.around(Image.Image, "quantize", PNG)
    parts.around(Image.Image, "save", PNG)
    parts.around(html, "render_page", PAGE)
    told = instance.handle_new_event

    def handle(entry: Any, **how: Any) -> None:
        event = entry.dagster_event
        kind = event.event_type_value if event else None
        if kind == "STEP_SUCCESS":
            parts.leave()
        with parts.within(EVENTS):
            told(entry, **how)
        if kind == "STEP_START":
            parts.enter(f"asset {event.step_key}" if event.step_key in jobs.DAILY_ASSETS else CHECKS)

    setattr(instance, "handle_new_event", handle)  # noqa: B010  (by name: it is no part of Dagster's declared interface)
    job.execute_in_process(partition_key=partitions.key(ticker, session), instance=instance, run_config=_QUIET)
    instance.dispose()
    parts.leave()
    return parts.seconds


_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


if __name__ == "__main__":
    main()
