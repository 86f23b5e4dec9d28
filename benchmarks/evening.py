"""An evening as `stock-assets ui` starts and runs it, for benchmarks: its processes, and what they took.

    evening = Evening(tickers, sessions, folder, environment)
    evening.run()                                   # until all of it is told; ends the benchmark where that fails
    evening.seconds, evening.run_seconds, evening.seen.peaks, evening.run_files()

Everything is real but the date and the prices: web server, daemon and code server are started, the schedule asks for
the runs, the daemon queues them, two processes at a time make them. Linux only: reads /proc.

The processor's seconds are exact: the kernel adds those of a run that has ended to its parent's. Peaks of memory are as
of two looks a second, that of all processes of one in five seconds, as it takes its time.
"""

import contextlib
import datetime
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import measuring

_DAILY = "pipeline_name IN ('daily_job', 'evening_job')"
_PAGE = "pipeline_name = 'watchlist_job'"
_FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
_SECONDS_A_PARTITION = 120.0
_LOOKS_A_SECOND = 2
_LOOKS_AT_ALL = 10
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def require_linux() -> None:
    """Ends the benchmark where there is no /proc to read."""
    if not Path("/proc/self/smaps_rollup").exists():
        measuring.fail("this system has no /proc/<pid>/smaps_rollup; expected Linux")


@dataclass
class Seen:
    """What was seen of the processes while the evening went on."""

    peaks: dict[int, int] = field(default_factory=dict)
    """Run's process -> bytes."""
    most_at_once: int = 0
    """Bytes of all processes together, what they share counted once."""
    looks: int = 0


class Evening:
    """From the schedule's tick until every run is in the monitoring database, and the watchlist's page is made.

    `asked` are the sessions, the last one this evening's, that are missing of each ticker. The home may have seen
    other evenings: what is told is of this one's runs alone.
    """

    def __init__(
        self,
        tickers: Sequence[str],
        asked: Sequence[datetime.date],
        folder: Path,
        environment: dict[str, str],
    ) -> None:
        self.tickers, self.asked, self.folder = tickers, asked, folder
        self.n_partitions = len(tickers) * len(asked)
        self.n_runs = 0
        self.seen = Seen()
        self.seconds = self.run_seconds = self.service_seconds = 0.0
        self.n_pages = 0
        self.ticked_at = 0.0
        """Seconds since 1970: the tick that asked for the runs."""
        self.ended_at = 0.0
        """Seconds since 1970: the end of the last run."""
        self._home = Path(environment["DAGSTER_HOME"])
        self._monitoring_file = Path(environment["STOCK_ASSETS_DATA_DIR"]) / "monitoring.db"
        tick = datetime.datetime.combine(asked[-1], datetime.time(22, 10), datetime.UTC)
        behind = (datetime.datetime.now(datetime.UTC) - tick).total_seconds()
        self._environment = environment | {"STOCK_ASSETS_BENCHMARK_BEHIND": str(behind)}
        [(last_run,)] = self._ask(self.runs_file, "SELECT coalesce(max(id), 0) FROM runs") or [(0,)]
        self._mine = f"id > {last_run}"
        self._taken_before = self._count_taken()

    def run(self) -> None:
        """Ends the benchmark unless all runs succeed."""
        with self._services() as process:
            self._wait(process, self._count_runs, "the schedule has ticked")
            before = _processor_seconds(process.pid)
            self._wait(process, self._are_taken, "all partitions are in the monitoring database")
            self._wait(process, self._is_page_made, "the watchlist's page is made")
            after = _processor_seconds(process.pid)
        self.n_runs = self._count_runs()
        if (succeeded := self._count_runs("SUCCESS")) != self.n_runs:
            measuring.fail(f"of {self.n_runs} runs only {succeeded} succeeded")
        self.service_seconds, self.run_seconds = (now - then for now, then in zip(after, before, strict=True))
        [(began, ended)] = self._ask(
            self.runs_file, f"SELECT min(start_time), max(end_time) FROM runs WHERE {_DAILY} AND {self._mine}"
        )
        self.seconds, self.ended_at = ended - began, ended
        [(self.n_pages,)] = self._ask(self.runs_file, f"SELECT count(*) FROM runs WHERE {_PAGE} AND {self._mine}")
        self.ticked_at = self._tick()

    @property
    def runs_file(self) -> Path:
        return self._home / "history" / "runs.db"

    @property
    def index_file(self) -> Path:
        return self._home / "history" / "runs" / "index.db"

    def run_files(self) -> list[Path]:
        """The event log of each run that is in the home."""
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
        where = f"{_DAILY} AND {self._mine}"
        if statuses:
            where += f" AND status IN ({', '.join('?' * len(statuses))})"
        found = self._ask(self.runs_file, f"SELECT count(*) FROM runs WHERE {where}", *statuses)
        return sum(number for (number,) in found)

    def _are_taken(self) -> bool:
        taken = self._count_taken() - self._taken_before
        return taken >= self.n_partitions and self._count_runs(*_FINISHED) == self._count_runs()

    def _count_taken(self) -> int:
        # Those of a run for many are there one by one, as if each had one of its own.
        found = self._ask(self._monitoring_file, "SELECT count(*) FROM runs WHERE job = 'daily_job'")
        return sum(number for (number,) in found)

    def _is_page_made(self) -> bool:
        where = f"{_PAGE} AND {self._mine} AND status = 'SUCCESS' AND end_time IS NOT NULL"
        return bool(self._ask(self.runs_file, f"SELECT run_id FROM runs WHERE {where}"))

    def _tick(self) -> float:
        file = self._home / "schedules" / "schedules.db"
        [(first,)] = self._ask(
            self.runs_file, f"SELECT min(create_timestamp) FROM runs WHERE {_DAILY} AND {self._mine}"
        )
        # Schedules tick at full minutes, and make their runs within the same or the next one.
        [(moment,)] = self._ask(
            file,
            "SELECT max(timestamp) FROM job_ticks WHERE type = 'SCHEDULE' AND status = 'SUCCESS' AND timestamp <= ?",
            first,
        )
        return datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC).timestamp()

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
        """How many there are in a table of one of the history's files; none where it is not there yet."""
        return sum(number for (number,) in self._ask(file, f"SELECT count(*) FROM {table}"))


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


def _look(group: int, seen: Seen) -> None:
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
