"""What one machine carries: evenings in a row of few tickers and of hundreds, and what each further ticker takes.

    python -m benchmarks.scale --tickers 2 20 100 500 --evenings 5 --to FOLDER

Everything is real but the date, the prices and Yahoo: as in `daily_path`, schedule, daemon and code server run in a
home of their own for each number of tickers; prices come through the real client, within its limit of requests a
minute, from a server on this machine that speaks as Yahoo does, with the histories of a few simulated tickers under
all names. A few models, of the default settings but for a walk-forward that is fitted once, were trained and shared out
before; evenings don't train. The first evening stores whole histories, each later one what is new.

Each finished evening is a line of FOLDER/evenings.jsonl; those that are there aren't measured again, so it may be
stopped at any time. An evening that was cut off is finished first, and stands in no table. FOLDER/scale.png is the
picture, FOLDER/<number> what the evenings leave behind. Linux only: reads /proc.
"""

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import evening, measuring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stock_assets_tests.yahoo_server import YahooServer

_TAPES = 4
"""Different histories, and models trained: their drawing takes longer than answering."""
_MODEL = "model: {refit_every: 100000}\n"
_BACK = 30
"""Sessions before the latest of the first evening: room for evenings of another date to follow."""
_GRID = 100
"""Sessions of Dagster's grid before the first evening: with 500 tickers it is then as large as is advised."""
_MINUTES = 10
_GIB = 4


@dataclasses.dataclass(frozen=True)
class Record:
    """One evening of a number of tickers."""

    tickers: int
    evening: int
    """From 1 on."""
    session: str
    cut: bool
    """Whether part of it had been made before: of no use but to go on from."""
    forecast_seconds: float
    """From the schedule's tick until the last forecast is stored."""
    seconds: float
    """From the schedule's tick until the last run has ended."""
    run_seconds: float
    """Of the processor, in runs."""
    service_seconds: float
    """Of the processor, in web server, daemon and code server, from the first run that is asked for."""
    yahoo_seconds: float
    """Of the processor, in the server that stands for Yahoo, and this script."""
    load: float
    """The machine's, over the last five minutes of the evening."""
    run_peak: int
    """Bytes of the largest run."""
    all_peak: int
    """Bytes of all processes at once."""
    artefact_bytes: int
    """More on the disk: blocks, those that artefacts share counted once."""
    history_bytes: int
    """More on the disk: Dagster's home, monitoring database and logs."""
    event_rows: int
    """More in Dagster's event logs, those of runs and the index."""
    requests: int
    """That Yahoo got."""
    runs: int


def main() -> None:
    parser = argparse.ArgumentParser(description="What evenings of few tickers and of hundreds take on this machine.")
    parser.add_argument("--tickers", type=int, nargs="+", default=[2, 20, 100, 500], metavar="N")
    parser.add_argument("--evenings", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="for records, picture and homes")
    arguments = parser.parse_args()
    evening.require_linux()
    folder = arguments.to.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    measuring.print_header(
        "Evenings of few tickers and of hundreds, run by schedule, daemon and code server",
        "work      real client, Yahoo on this machine, 120 requests a minute; models made before, nothing is trained",
    )
    log = folder / "evenings.jsonl"
    for number in arguments.tickers:
        _measure(number, arguments.evenings, folder / str(number), log)
    records = read(log)
    show([record for record in records if record.tickers in arguments.tickers])
    (folder / "scale.png").write_bytes(draw(records))
    print(f"picture   {folder / 'scale.png'}")


def read(log: Path) -> list[Record]:
    """The evenings on record, in order. A last line that was cut off by a kill is none."""
    if not log.exists():
        return []
    records = [Record(**json.loads(line)) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return sorted(records, key=lambda record: (record.tickers, record.evening))


def _append(log: Path, record: Record) -> None:
    # The whole file anew: a line that was cut off must not take the next one with it.
    beside = log.with_suffix(".new")
    beside.write_text("".join(f"{json.dumps(dataclasses.asdict(one))}\n" for one in (*read(log), record)))
    beside.replace(log)


def _measure(number: int, evenings: int, folder: Path, log: Path) -> None:
    """As many evenings of `number` tickers as are not on record yet."""
    from stock_assets.core import sessions

    done = [record for record in read(log) if record.tickers == number]
    if len(done) >= evenings:
        return
    tickers = tuple(f"T{n:03}" for n in range(number))
    if done:
        first = datetime.date.fromisoformat(done[0].session)
    else:
        first = sessions.previous_session(sessions.latest_available(datetime.datetime.now(datetime.UTC)), _BACK)
    asked = [sessions.next_session(first, n) if n else first for n in range(evenings)]
    before = sessions.previous_session(first)
    with _yahoo(tickers, asked[-1]) as yahoo:
        yahoo.as_of = before
        # A name of this machine, too, but the client keeps no cookie of a server that is not called Yahoo: it would ask
        # for a new one before each request.
        url = yahoo.url.replace("127.0.0.1", "yahoo.localhost")
        environment = _environment(tickers, sessions.previous_session(first, _GRID), folder, url)
        if not (folder / "prepared").exists():
            _prepare(tickers, before, environment)
            (folder / "prepared").touch()
        for place, session in enumerate(asked[len(done) :], len(done) + 1):
            yahoo.as_of = session
            _tell(f"{number} tickers, evening {place} of {evenings}, session {session}: under way")
            record = _evening(place, evening.Evening(tickers, [session], folder, environment), yahoo)
            _append(log, record)
            _tell(
                f"{number} tickers, evening {place} of {evenings}: {record.forecast_seconds:.0f} s to the last "
                f"forecast, {record.run_seconds + record.service_seconds:.0f} s of processor, load {record.load:.1f}"
            )


@contextmanager
def _yahoo(tickers: Sequence[str], last: datetime.date) -> "Iterator[YahooServer]":
    from stock_assets.sources import simulated
    from stock_assets_tests import yahoo_server

    tapes = [simulated.SimulatedSource().fetch(ticker, last).bars for ticker in tickers[:_TAPES]]
    histories = {ticker: tapes[place % len(tapes)] for place, ticker in enumerate(tickers)}
    with yahoo_server.YahooServer(histories) as server:
        yield server


def _environment(tickers: tuple[str, ...], grid: datetime.date, folder: Path, url: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    environment = measuring.Workload(tickers, grid, None).environment(folder) | {
        "STOCK_ASSETS_SOURCE": "yahoo",
        "STOCK_ASSETS_YAHOO_URL": url,
        "STOCK_ASSETS_FIRST_SESSION": str(grid),
        "STOCK_ASSETS_BENCHMARK_UNTRAINED": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(measuring.ROOT), os.environ.get("PYTHONPATH")))),
    }
    watchlist = Path(environment["STOCK_ASSETS_WATCHLIST"])
    watchlist.write_text(_MODEL + watchlist.read_text())
    return environment


def _prepare(tickers: Sequence[str], session: datetime.date, environment: dict[str, str]) -> None:
    trained = tickers[:_TAPES]
    for what, cost in (
        ("prepare", f"{len(trained)} models trained"),
        ("share", f"shared out among {len(tickers)} tickers"),
    ):
        took = measuring.run(
            measuring.python("-m", "benchmarks.daily_process", what, str(session), *trained), environment
        )
        _tell(f"{cost}: {took.seconds:.0f} s")


def _evening(place: int, measured: evening.Evening, yahoo: "YahooServer") -> Record:
    [session] = measured.asked
    data, home = measured.folder / "data", measured.folder
    # What was stored of this evening already: it was stopped in the middle.
    cut = any((data / "raw_prices").glob(f"*/{session}.sha256"))
    before = _sizes(data, home), _rows(measured), time.process_time(), len(yahoo.requests)
    measured.run()
    sizes, rows = _sizes(data, home), _rows(measured)
    forecasts = [path.stat().st_mtime for path in (data / "predictions").glob(f"*/{session}.sha256")]
    if len(forecasts) != len(measured.tickers):
        measuring.fail(f"{session}: {len(forecasts)} forecasts; expected {len(measured.tickers)}")
    return Record(
        tickers=len(measured.tickers),
        evening=place,
        session=str(session),
        cut=cut,
        forecast_seconds=max(forecasts) - measured.ticked_at,
        seconds=measured.ended_at - measured.ticked_at,
        run_seconds=measured.run_seconds,
        service_seconds=measured.service_seconds,
        yahoo_seconds=time.process_time() - before[2],
        load=os.getloadavg()[1],
        run_peak=max(measured.seen.peaks.values()),
        all_peak=measured.seen.most_at_once,
        artefact_bytes=sizes[0] - before[0][0],
        history_bytes=sizes[1] - before[0][1],
        event_rows=rows - before[1],
        requests=len(yahoo.requests) - before[3],
        runs=measured.n_runs,
    )


def _sizes(data: Path, home: Path) -> tuple[int, int]:
    """Bytes on the disk of artefacts and of all else in the home, a file of several names counted once."""
    of_data, of_database = on_disk([data]), on_disk(data.glob("monitoring.db*"))
    return of_data - of_database, on_disk([home]) - of_data + of_database


def on_disk(paths: Iterable[Path]) -> int:
    """Bytes of the blocks that files, and all files in folders, take; folders themselves count too."""
    blocks: dict[tuple[int, int], int] = {}
    for path in paths:
        for one in (path, *path.rglob("*")):
            told = one.lstat()
            blocks[told.st_dev, told.st_ino] = told.st_blocks
    return 512 * sum(blocks.values())


def _rows(measured: evening.Evening) -> int:
    return sum(measured.rows(file, "event_logs") for file in (*measured.run_files(), measured.index_file))


class Line(NamedTuple):
    """A straight line through points."""

    slope: float
    start: float
    """At zero."""


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """The line of least squares; None unless there are points at two places."""
    mean_x, mean_y = (statistics.fmean(values) for values in zip(*points, strict=True)) if points else (0.0, 0.0)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return None
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return Line(slope, mean_y - slope * mean_x)


_COLUMNS: dict[str, Callable[[Record], str]] = {
    "forecast s": lambda one: f"{one.forecast_seconds:,.0f}",
    "end s": lambda one: f"{one.seconds:,.0f}",
    "runs CPU s": lambda one: f"{one.run_seconds:,.1f}",
    "services": lambda one: f"{one.service_seconds:,.1f}",
    "Yahoo": lambda one: f"{one.yahoo_seconds:,.1f}",
    "load": lambda one: f"{one.load:.1f}",
    "run MB": lambda one: f"{one.run_peak / 1e6:,.0f}",
    "all MB": lambda one: f"{one.all_peak / 1e6:,.0f}",
    "artefacts MB": lambda one: measuring.megabytes(one.artefact_bytes),
    "history MB": lambda one: measuring.megabytes(one.history_bytes),
    "events": lambda one: f"{one.event_rows:,}",
    "requests": lambda one: f"{one.requests:,}",
    "runs": lambda one: f"{one.runs:,}",
}

_SLOPES: dict[str, Callable[[Record], float]] = {
    "until the last forecast, s": lambda one: one.forecast_seconds,
    "processor, runs and services, s": lambda one: one.run_seconds + one.service_seconds,
    "memory of the largest run, MB": lambda one: one.run_peak / 1e6,
    "memory of everything, MB": lambda one: one.all_peak / 1e6,
    "artefacts of a first evening, MB": lambda one: one.artefact_bytes / 1e6,
    "artefacts of a later evening, MB": lambda one: one.artefact_bytes / 1e6,
    "history, MB": lambda one: one.history_bytes / 1e6,
    "events": lambda one: one.event_rows,
    "requests": lambda one: one.requests,
}


def show(records: Sequence[Record]) -> None:
    """Prints what each evening took, and what each further ticker takes."""
    whole = [record for record in records if not record.cut]
    heading = ("tickers", "evening", *_COLUMNS)
    measuring.print_table(
        heading, [(str(one.tickers), str(one.evening), *(tell(one) for tell in _COLUMNS.values())) for one in whole]
    )
    rows = [(what, f"{line.slope:,.3f}", f"{line.start:,.1f}") for what, line in slopes(whole).items()]
    if rows:
        measuring.print_table(("least squares, evenings by groups of tickers", "a ticker", "and"), rows)
    if not whole:
        return
    mine = [record for record in whole if record.tickers == max(one.tickers for one in whole)]
    slowest, largest = max(one.forecast_seconds for one in mine), max(one.all_peak for one in mine)
    kept = slowest <= 60 * _MINUTES and largest <= _GIB * 2**30
    print(
        f"target    {mine[0].tickers} tickers in {_MINUTES} minutes and {_GIB} GiB: of {len(mine)} evenings "
        f"the slowest took {slowest / 60:.1f} minutes, the largest {largest / 2**30:.1f} GiB: {measuring.verdict(kept)}"
    )


def slopes(records: Sequence[Record]) -> dict[str, Line]:
    """What -> its line over the number of tickers, of evenings that go by groups; shorter watchlists go otherwise."""
    from stock_assets.defs import schedules

    together = [record for record in records if record.tickers > schedules.MOST_ALONE]
    found = {}
    for what, of in _SLOPES.items():
        fits = [one for one in together if ("first" not in what or one.evening == 1)]
        fits = [one for one in fits if ("later" not in what or one.evening > 1)]
        if line := fit([(one.tickers, of(one)) for one in fits]):
            found[what] = line
    return found


def draw(records: Sequence[Record]) -> bytes:
    """Time, memory and disk over the number of tickers, as PNG: a point an evening."""
    from matplotlib.figure import Figure

    from stock_assets.reporting import figures

    whole = [record for record in records if not record.cut]
    first = [record for record in whole if record.evening == 1]
    later = [record for record in whole if record.evening > 1]

    def points(axes: "Axes", some: Sequence[Record], of: Callable[[Record], float], colour: str, label: str) -> None:
        axes.scatter([one.tickers for one in some], [of(one) for one in some], s=18, color=colour, label=label)

    with figures.style():
        figure = Figure(figsize=(11, 3.6), dpi=figures.DPI, layout="constrained")
        time_axes, memory_axes, disk_axes = figure.subplots(1, 3)
        time_axes.set_title("Minutes from the tick to the last forecast")
        points(time_axes, whole, lambda one: one.forecast_seconds / 60, figures.BLUE, "an evening")
        time_axes.axhline(_MINUTES, color=figures.RED, linewidth=1, label="target")
        memory_axes.set_title("Peak of memory, GiB")
        points(memory_axes, whole, lambda one: one.all_peak / 2**30, figures.BLUE, "everything")
        points(memory_axes, whole, lambda one: one.run_peak / 2**30, figures.ORANGE, "the largest run")
        memory_axes.axhline(_GIB, color=figures.RED, linewidth=1, label="target")
        disk_axes.set_title("MB of artefacts on the disk")
        points(disk_axes, first, lambda one: one.artefact_bytes / 1e6, figures.ORANGE, "first evening")
        points(disk_axes, later, lambda one: one.artefact_bytes / 1e6, figures.BLUE, "each later one")
        for axes in (time_axes, memory_axes, disk_axes):
            axes.set_xlabel("tickers")
            axes.set_xlim(0, None)
            axes.set_ylim(0, None)
            axes.legend(loc="best")
        return figures.png(figure, simulated=False)


def _tell(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
