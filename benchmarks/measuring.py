"""What every benchmark shares: new processes and what they cost, temporary folders, options, the table on the screen.

Kept light: no pandas, no Dagster. On Linux a child process inherits its parent's peak of memory until it has a higher
one of its own, so whoever measures must be small.
"""

import argparse
import contextlib
import datetime
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("dagster", "pandas", "numpy", "scikit-learn", "matplotlib", "pyarrow", "skops")

SESSION = datetime.date(2024, 3, 8)
# Just enough history for one fit and an evaluation: everything runs, in a few seconds.
QUICK_SESSION = datetime.date(2014, 6, 30)
_FIRST_SESSION_OF_THE_GRID = datetime.date(2020, 1, 2)

_MEGABYTE = 1e6


@dataclass(frozen=True)
class Cost:
    """What one process took: wall clock, processor time of all its threads, most memory resident at once."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    output: str


@dataclass(frozen=True)
class Workload:
    """Whose prices, of which session, from where. `prices` is a folder for the source csv, None for simulated ones."""

    tickers: tuple[str, ...]
    session: datetime.date
    prices: Path | None

    @property
    def source(self) -> str:
        return "simulated" if self.prices is None else "csv"

    def environment(self, folder: Path) -> dict[str, str]:
        """Settings that keep a run of these tickers inside `folder`, whatever the user's own settings are."""
        watchlist = folder / "watchlist.yaml"
        watchlist.write_text("tickers:\n" + "".join(f"  - ticker: {ticker}\n" for ticker in self.tickers))
        mine = {
            "STOCK_ASSETS_DATA_DIR": str(folder / "data"),
            "STOCK_ASSETS_LOG_DIR": str(folder / "logs"),
            "STOCK_ASSETS_WATCHLIST": str(watchlist),
            "STOCK_ASSETS_FIRST_SESSION": str(min(self.session, _FIRST_SESSION_OF_THE_GRID)),
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        if self.prices is not None:
            mine["STOCK_ASSETS_PRICES_DIR"] = str(self.prices)
        others = {name: value for name, value in os.environ.items() if not name.startswith("STOCK_ASSETS_")}
        return others | mine

    def run_command(self) -> list[str]:
        """`stock-assets run` of the whole graph for all tickers."""
        command = Path(sys.executable).with_name("stock-assets")
        return [str(command), "run", *self.tickers, "--as-of", str(self.session), "--source", self.source]

    def module_command(self, module: str, *arguments: str) -> list[str]:
        """`python -m benchmarks.<module>` for the first ticker; `arguments` begin with the data folder."""
        prices = () if self.prices is None else ("--prices", str(self.prices))
        return [*python("-m", f"benchmarks.{module}"), self.tickers[0], str(self.session), *arguments, *prices]


def options(description: str, *, repeats: int, quick_repeats: int) -> argparse.ArgumentParser:
    """A parser with `--repeats` and `--quick`, which every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--repeats", type=_at_least_one, metavar="N", help=f"default {repeats}; {quick_repeats} if quick"
    )
    parser.add_argument("--quick", action="store_true", help="few repeats on a short history: does it run at all?")
    parser.set_defaults(usual=(repeats, quick_repeats))
    return parser


def add_workload_options(parser: argparse.ArgumentParser, *tickers: str) -> None:
    """Adds `--tickers`, `--session` and `--prices`."""
    parser.add_argument(
        "--tickers", nargs="+", default=list(tickers), metavar="TICKER", help=f"default {' '.join(tickers)}"
    )
    parser.add_argument(
        "--session",
        type=datetime.date.fromisoformat,
        metavar="DATE",
        help=f"default {SESSION}; {QUICK_SESSION}, a short history, if quick",
    )
    parser.add_argument(
        "--prices", type=Path, metavar="DIR", help="folder of <TICKER>.csv files; default: simulated prices"
    )


def repeats(arguments: argparse.Namespace) -> int:
    """How often to measure."""
    return arguments.repeats or arguments.usual[arguments.quick]


def workload(arguments: argparse.Namespace) -> Workload:
    """What `add_workload_options` read."""
    session = arguments.session or (QUICK_SESSION if arguments.quick else SESSION)
    return Workload(tuple(arguments.tickers), session, arguments.prices and arguments.prices.absolute())


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few; expected 1 or more")
    return number


def python(*arguments: str) -> list[str]:
    """The command line of this very Python."""
    return [sys.executable, *arguments]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` in a new process in the project's folder to its end; exits with its messages if it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            fail(f"{' '.join(command)} ended with {process.returncode}:\n{(output.read() + errors.read()).decode()}")
        # Linux tells kilobytes, macOS bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, output.read().decode())


def stop_group(process: subprocess.Popen) -> None:
    """End a process that leads a group of its own, and whatever of that group is left after 20 seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def fail(message: str) -> NoReturn:
    """End the benchmark: what it measured is worth nothing."""
    sys.exit(f"error: {message}")


def pairs(times: int, first: Callable[[], Cost], second: Callable[[], Cost]) -> Iterator[tuple[Cost, Cost]]:
    """Measure both in turn, so that a machine that is busy for a while is busy for both."""
    for _ in range(times):
        yield first(), second()


def artefacts(data_dir: Path, ticker: str) -> dict[str, bytes]:
    """Every file of `ticker` in a data folder, seals included, by its path there."""
    return {
        path.relative_to(data_dir).as_posix(): path.read_bytes()
        for path in sorted(data_dir.glob(f"*/{ticker}/**/*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def require_equal_bytes(one: Mapping[str, bytes], other: Mapping[str, bytes], who: str, whom: str) -> None:
    """Fails unless both hold the same files with the same bytes: otherwise they did not do the same work."""
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if differing or not one:
        fail(f"{who} ({len(one)} files) and {whom} ({len(other)} files) don't hold the same: {', '.join(differing)}")


def print_header(title: str, *facts: str) -> None:
    """What was measured, where, with what."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    print(f"# {title}")
    print(f"machine   {_processor()}, {os.cpu_count()} cores, {_memory()}; load before: {os.getloadavg()[0]:.2f}")
    print(f"software  {platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}")
    for fact in facts:
        print(fact)
    print(flush=True)


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns under their heading: the first to the left, the others, numbers, to the right."""
    lines = [list(heading), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    lines.insert(1, ["-" * width for width in widths])
    for first, *others in lines:
        numbers = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    print(flush=True)


SPREAD = ("min", "median", "max")


def spread(values: Sequence[float], form: str = "{:.2f}") -> list[str]:
    """Minimum, median and maximum as text."""
    return [form.format(value) for value in (min(values), statistics.median(values), max(values))]


def megabytes(size: float) -> str:
    return f"{size / _MEGABYTE:,.1f}"


def verdict(kept: bool) -> str:
    return "kept" if kept else "MISSED"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
