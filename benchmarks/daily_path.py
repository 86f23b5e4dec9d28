"""What an evening costs: the daily path of many tickers, as `stock-assets ui` starts and runs it, and what dominates.

    python -m benchmarks.daily_path [--tickers N] [--sessions N] [--alone] [--quick]

Everything is real but the prices and the date: web server, daemon and code server are started, the schedule asks for
the runs, the daemon queues them, two processes at a time make them. Models, of the default settings but for a
walk-forward that is fitted once, were made before, and are not measured. With several sessions, as many evenings were
missed, and are caught up. Long watchlists go by groups of tickers, as `schedules` says; `--alone` makes it a run for
each all the same. Then some more runs are taken apart, each in a process of its own. Linux only: reads /proc.

The processor's seconds are exact: the kernel adds those of a run that has ended to its parent's. Peaks of memory are as
of two looks a second, that of all processes of one in five seconds, as it takes its time.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.daily_process import CHECKS, DRAW, EVENTS, IMPORTS, INPUTS, OURS, PAGE, PNG, REST, STORE, SYNC

# Thursdays: a Friday's schedule would train.
EVENING = datetime.date(2024, 3, 7)
QUICK_EVENING = datetime.date(2014, 6, 26)
MOST_SESSIONS = 4
_MODEL = "model: {refit_every: 100000}\n"
_DAILY = "pipeline_name IN ('daily_job', 'evening_job')"
_FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
_PAGE_MADE = f"SELECT run_id FROM runs WHERE NOT {_DAILY} AND status = 'SUCCESS' AND end_time IS NOT NULL"
_SECONDS_A_PARTITION = 120.0
_LOOKS_A_SECOND = 2
_LOOKS_AT_ALL = 10
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_TAKEN_APART = 3

_KINDS = {
    "start of processes, imports": (IMPORTS, OURS),
    "Dagster's bookkeeping": (EVENTS, REST),
    "storage": (INPUTS, STORE, SYNC),
    "report's pictures and page": (DRAW, PNG, PAGE),
    "checks": (CHECKS,),
}
_ASSETS = "computing assets"


def main() -> None:
    parser = argparse.ArgumentParser(description="What an evening of many tickers costs.")
    parser.add_argument("--tickers", type=int, default=None, metavar="N", help="default 50; 2 if quick")
    parser.add_argument(
        "--sessions", type=int, default=1, choices=range(1, MOST_SESSIONS + 1), metavar="N", help="default 1, at most 4"
    )
    parser.add_argument("--alone", action="store_true", help="a run for each ticker, however many there are")
    parser.add_argument("--quick", action="store_true", help="two tickers, a short history: does it run at all?")
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists():
        measuring.fail("this system has no /proc/<pid>/smaps_rollup; expected Linux")
    number = arguments.tickers or (2 if arguments.quick else 50)
    # Days before a Thursday are sessions: no holiday is near.
    last = QUICK_EVENING if arguments.quick else EVENING
    asked = [last - datetime.timedelta(days=n) for n in reversed(range(arguments.sessions))]
    before = asked[0] - datetime.timedelta(days=1)
    work = measuring.Workload(tuple(f"T{n:03}" for n in range(number)), before, None)
    measuring.print_header(
        "An evening of many tickers, run by schedule, daemon and code server",
        f"work      {number} tickers, sessions {asked[0]} to {asked[-1]}, source simulated; models made before",
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = _prepared(work, Path(folder))
        if arguments.alone:
            environment["STOCK_ASSETS_BENCHMARK_ALONE"] = str(number)
        evening = _Evening(work, asked, Path(folder), environment)
        evening.run()
        _show(evening)
        following = str(last + datetime.timedelta(days=1))
        taken_apart = [
            json.loads(measuring.run(_process("parts", following, ticker), environment).output)
            for ticker in work.tickers[:_TAKEN_APART]
        ]
    _show_parts(taken_apart, evening.run_seconds / evening.n_partitions)


def _prepared(work: measuring.Workload, folder: Path) -> dict[str, str]:
    """Settings for these tickers, of whose session everything is there, model included."""
    environment = work.environment(folder) | {
        "STOCK_ASSETS_SOURCE": work.source,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(measuring.ROOT), os.environ.get("PYTHONPATH")))),
    }
    watchlist = Path(environment["STOCK_ASSETS_WATCHLIST"])
    watchlist.write_text(_MODEL + watchlist.read_text())
    measuring.run(_process("prepare", str(work.session)), environment)
    return environment


def _process(*arguments: str) -> list[str]:
    return measuring.python("-m", "benchmarks.daily_process", *arguments)


@dataclass
class _Seen:
    """What was seen of the processes while the evening went on."""

    peaks: dict[int, int] = field(default_factory=dict)
    """Run's process -> bytes."""
    most_at_once: int = 0
    """Bytes of all processes together, what they share counted once."""
    looks: int = 0


class _Evening:
    """From the schedule's tick until every run is in the monitoring database, and the watchlist's page is made."""

    def __init__(
        self, work: measuring.Workload, asked: list[datetime.date], folder: Path, environment: dict[str, str]
    ) -> None:
        self.work, self.asked, self.folder = work, asked, folder
        self.n_partitions = len(work.tickers) * len(asked)
        self.n_runs = 0
        self.seen = _Seen()
        self.seconds = self.run_seconds = self.service_seconds = 0.0
        self.n_pages = 0
        self._home = Path(environment["DAGSTER_HOME"])
        tick = datetime.datetime.combine(asked[-1], datetime.time(22, 10), datetime.UTC)
        behind = (datetime.datetime.now(datetime.UTC) - tick).total_seconds()
        self._environment = environment | {"STOCK_ASSETS_BENCHMARK_BEHIND": str(behind)}

    def run(self) -> None:
        with self._services() as process:
            self._wait(process, self._count_runs, "the schedule has ticked")
            before = _processor_seconds(process.pid)
            self._wait(process, self._are_taken, "all partitions are in the monitoring database")
            self._wait(process, lambda: self._ask(self.runs_file, _PAGE_MADE), "the watchlist's page is made")
            after = _processor_seconds(process.pid)
        self.n_runs = self._count_runs()
        if (succeeded := self._count_runs("SUCCESS")) != self.n_runs:
            measuring.fail(f"of {self.n_runs} runs only {succeeded} succeeded")
        self.service_seconds, self.run_seconds = (now - then for now, then in zip(after, before, strict=True))
        [(began, ended)] = self._ask(self.runs_file, f"SELECT min(start_time), max(end_time) FROM runs WHERE {_DAILY}")
        self.seconds = ended - began
        [(self.n_pages,)] = self._ask(self.runs_file, f"SELECT count(*) FROM runs WHERE NOT {_DAILY}")

    @property
    def runs_file(self) -> Path:
        return self._home / "history" / "runs.db"

    @property
    def index_file(self) -> Path:
        return self._home / "history" / "runs" / "index.db"

    def run_files(self) -> list[Path]:
        """The event log of each run."""
        return [path for path in self.index_file.parent.glob("*.db") if len(path.stem) == 36]

    @contextmanager
    def _services(self) -> Iterator[subprocess.Popen]:
        """What `stock-assets ui` becomes, with the definitions of this benchmark."""
        words = ("dev", "-m", "benchmarks.daily_definitions", "-d", str(measuring.ROOT), "-h", "127.0.0.1", "-p", "0")
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                measuring.python("-m", "dagster", *words),
                cwd=self._home,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                measuring.stop_group(process)

    def _wait(self, process: subprocess.Popen, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + _SECONDS_A_PARTITION * (self.n_partitions + 1)
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "output").read_text(errors="replace")[-3000:]
                measuring.fail(f"waited in vain until {what}:\n{told}")
            _look(process.pid, self.seen)
            time.sleep(1 / _LOOKS_A_SECOND)

    def _count_runs(self, *statuses: str) -> int:
        where = f"{_DAILY} AND status IN ({', '.join('?' * len(statuses))})" if statuses else _DAILY
        found = self._ask(self.runs_file, f"SELECT count(*) FROM runs WHERE {where}", *statuses)
        return sum(number for (number,) in found)

    def _are_taken(self) -> bool:
        file = Path(self._environment["STOCK_ASSETS_DATA_DIR"]) / "monitoring.db"
        # Those of a run for many are there one by one, as if each had one of its own.
        taken = sum(number for (number,) in self._ask(file, "SELECT count(*) FROM runs WHERE job = 'daily_job'"))
        return taken >= self.n_partitions and self._count_runs(*_FINISHED) == self._count_runs()

    @staticmethod
    def _ask(file: Path, query: str, *values: str) -> list[tuple]:
        """Nothing, while there is no such table yet."""
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
            try:
                return connection.execute(query, values).fetchall()
            except sqlite3.OperationalError:
                return []

    def rows(self, file: Path, table: str) -> int:
        [(number,)] = self._ask(file, f"SELECT count(*) FROM {table}")
        return number


def _members(group: int) -> Iterator[Path]:
    """Folders in /proc of the processes in a group."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(folder.name)) == group:
                yield folder


def _processor_seconds(group: int) -> tuple[float, float]:
    """Of the processes in a group themselves, and of the runs that they started and that have ended."""
    own = ended = 0
    for folder in _members(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # After the name, which may hold anything: state is field 3, the times are 14 to 17.
            told = (folder / "stat").read_text().rpartition(")")[2].split()
            times = [int(field) for field in told[11:15]]
            if not _is_run(folder):
                own += times[0] + times[1]
                ended += times[2] + times[3]
    return own / _TICKS_A_SECOND, ended / _TICKS_A_SECOND


def _is_run(folder: Path) -> bool:
    return b"multiprocessing.spawn" in (folder / "cmdline").read_bytes()


def _look(group: int, seen: _Seen) -> None:
    together = 0
    for folder in _members(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if _is_run(folder) and (peak := re.search(r"^VmHWM:\s+(\d+) kB", (folder / "status").read_text(), re.M)):
                seen.peaks[int(folder.name)] = int(peak[1]) * 1024
            if seen.looks % _LOOKS_AT_ALL == 0:
                told = (folder / "smaps_rollup").read_text()
                together += int(re.search(r"^Pss: +(\d+) kB", told, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    seen.looks += 1
    seen.most_at_once = max(seen.most_at_once, together)


def _show(evening: _Evening) -> None:
    number = evening.n_partitions
    print(f"runs      {evening.n_runs} for {number} partitions, {evening.n_pages} for the watchlist's page\n")
    rows = [
        (name, "s", f"{seconds:,.1f}", f"{seconds / number:,.2f}")
        for name, seconds in (
            ("wall clock, first run's start to last one's end", evening.seconds),
            ("processor, runs", evening.run_seconds),
            ("processor, web server, daemon, code server", evening.service_seconds),
        )
    ]
    days = {str(session) for session in evening.asked}
    data_dir = evening.folder / "data"
    files = [
        data
        for ticker in evening.work.tickers
        for name, data in measuring.artefacts(data_dir, ticker).items()
        if name.split("/")[2][: len("2024-03-07")] in days
    ]
    logs = evening.run_files()
    events = sum(evening.rows(log, "event_logs") for log in logs)
    sizes = {
        "runs' own event logs": sum(log.stat().st_size for log in logs),
        "index of events, checks' results": evening.index_file.stat().st_size,
        "list of runs": evening.runs_file.stat().st_size,
    }
    rows += [
        ("artefacts, files", "", f"{len(files):,}", f"{len(files) / number:,.1f}"),
        ("artefacts", "MB", measuring.megabytes(sum(map(len, files))), f"{sum(map(len, files)) / number / 1e6:.2f}"),
        ("events in runs' own logs", "rows", f"{events:,}", f"{events / number:,.0f}"),
        *(
            (f"events in the index, {table}", "rows", f"{rows:,}", f"{rows / number:,.0f}")
            for table in ("event_logs", "asset_check_executions")
            for rows in (evening.rows(evening.index_file, table),)
        ),
        *((name, "MB", measuring.megabytes(size), f"{size / number / 1e6:.2f}") for name, size in sizes.items()),
    ]
    measuring.print_table(("an evening", "unit", "all", "a partition"), rows)
    peaks = [size / 1e6 for size in evening.seen.peaks.values()]
    measuring.print_table(
        ("peak memory", "unit", *measuring.SPREAD),
        [
            ("a run's process", "MB", *measuring.spread(peaks, "{:,.0f}")),
            ("all processes at once", "MB", "", "", f"{evening.seen.most_at_once / 1e6:,.0f}"),
        ],
    )


def _show_parts(taken_apart: list[dict[str, list[float]]], processor_seconds_a_run: float) -> None:
    def median(part: str, place: int) -> float:
        return statistics.median(run.get(part, [0.0, 0.0])[place] for run in taken_apart)

    parts = {part: (median(part, 0), median(part, 1)) for part in taken_apart[0]}
    named = {part for members in _KINDS.values() for part in members}
    kinds = {kind: sum(parts[part][0] for part in members) for kind, members in _KINDS.items()}
    kinds[_ASSETS] = sum(seconds for part, (seconds, _) in parts.items() if part not in named)
    whole = sum(kinds.values())
    print(f"A run of daily_job taken apart, seconds: medians of {len(taken_apart)}, each in a new process")
    measuring.print_table(
        ("part", "processor", "share", "wall clock"),
        [
            *(
                (part, f"{processor:.3f}", f"{processor / whole:.0%}", f"{clock:.3f}")
                for part, (processor, clock) in sorted(parts.items(), key=lambda item: -item[1][0])
            ),
            ("all", f"{whole:.2f}", "", f"{sum(clock for _, clock in parts.values()):.2f}"),
            ("a partition of the evening", f"{processor_seconds_a_run:.2f}", "", ""),
        ],
    )
    ranked = sorted(kinds.items(), key=lambda item: -item[1])
    print("dominates " + ", ".join(f"{kind} {seconds / whole:.0%}" for kind, seconds in ranked))


if __name__ == "__main__":
    main()
