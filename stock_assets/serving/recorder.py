"""Every served forecast, on its way to the monitoring database: first a line in a spool, then a count in `served`.

The line is written before the answer is sent, so that nothing that a client has seen can be lost with the process. A
thread of each process, begun with its first answer, empties the spools, also those of processes that died. How far one
was read stands in the database and changes in the transaction that stores what was read: each answer counts once.

While the database is down the spool grows up to a bound; answers beyond it are sent all the same, counted as dropped.
"""

import contextlib
import datetime
import json
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stock_assets.core.errors import SettingsError, StockAssetsError
from stock_assets.monitoring import database as databases
from stock_assets.monitoring import forecasts, intake, served, tables
from stock_assets.monitoring.database import Database
from stock_assets.monitoring.records import ForecastRecord
from stock_assets.serving import spool
from stock_assets.serving.spool import Backlog, Segment

if TYPE_CHECKING:
    from stock_assets.serving.forecasts import Forecast

_LOG = logging.getLogger(__name__)

# Lines, and forecasts among them, in one transaction: others wait meanwhile.
_LINES_AT_ONCE = 20_000
_FORECASTS_AT_ONCE = 500
_LONGEST_LINE = 65_536
_REMEMBERED = 10_000
_LONGEST_PAUSE = 60.0
_TELL_AGAIN_SECONDS = 60.0
_FULL_SECONDS = 1.0


class Recorder:
    """Records what was served, for one process and those forked from it, which each go on by themselves.

    Args:
        folder: Of the spools, shared by all processes that serve; made when absent.
        database_url: Of the monitoring database; None when there is none, so that spools only grow up to the bound.
        max_bytes: The bound on the folder; each process may exceed it by up to `segment_bytes`.
        segment_bytes: When to begin another file.
        seconds: Between two looks of the thread.
        dropped: Called with the number of answers that could not be recorded, from any thread.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        segment_bytes: int = 1024 * 1024,
        seconds: float = 5.0,
        dropped: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.dropped = 0
        """Answers of this process that could not be recorded."""
        self._url = database_url
        self._max_bytes, self._segment_bytes, self._seconds = max_bytes, segment_bytes, seconds
        self._on_dropped, self._clock = dropped, clock
        self._starts: dict[tuple[str, str], bytes] = {}
        self._begin_process()
        mine = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forked(mine()))

    def served(self, forecast: "Forecast", route: str, times: int = 1) -> None:
        """Record that `forecast` is about to be sent `times` times by `route`, a short name. Never raises `OSError`.

        Takes a few microseconds: one append to a file, which survives the end of this process, however it ends.
        """
        if self._thread is None:
            self.start()
        key = (forecast.forecast_checksum, route)
        line = (self._starts.get(key) or self._start(forecast, key)) + b"%d,%d]\n" % (self._clock() // 60, times)
        with self._lock:
            try:
                segment = self._segment or self._next_segment()
                if segment is not None:
                    if forecast.forecast_checksum not in segment.defined:
                        line = _definition(forecast, self._clock()) + line
                    segment.append(line)
                    segment.defined.add(forecast.forecast_checksum)
                    if segment.size >= self._segment_bytes:
                        self._close_segment()
                    return
                reason = self._full
            except OSError as error:
                self._close_segment()
                self._full_until = time.monotonic() + _FULL_SECONDS
                reason = self._full = f"the spool {self.folder} can't be written: {error.strerror or error}"
            self._drop(times, reason)

    def start(self) -> None:
        """Begin the thread of this process that empties the spools; nothing when it is at work."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._empty_again_and_again, name="recorder", daemon=True)
                self._thread.start()

    def drain(self, database: Database, *, patience: float = 0.0) -> int:
        """Store what this process and dead ones have recorded; how many answers that were.

        0 when another process is at it and is not done within `patience` seconds. Raises `MonitoringError`, and
        `OSError` when a spool can't be read; what was not stored waits for the next time.
        """
        with self._lock:
            self._close_segment()
        with spool.alone(self.folder, patience=patience) as mine:
            if not mine:
                return 0
            emptied: list[str] = []
            stored = 0
            for path in spool.paths(self.folder):
                with spool.closed(path) as file:
                    if file is None:
                        continue
                    if os.fstat(file.fileno()).st_size:
                        stored += _store(database, file, path)
                        emptied.append(_cursor(path))
                    path.unlink()
            if emptied:
                with database.begin() as connection:
                    cursors = tables.cursors
                    connection.execute(cursors.delete().where(cursors.c.name.in_(emptied)))
            return stored

    def backlog(self) -> Backlog:
        """What waits in the spools of all processes."""
        return spool.backlog(self.folder)

    def close(self, *, patience: float = 5.0) -> None:
        """End the thread and store what is there, if that can be done now; what can't be stays in the spool."""
        self._stopping.set()
        with self._lock:
            thread, self._thread = self._thread, None
            self._close_segment()
        if thread is not None:
            thread.join(patience)
        if self._url is not None and any(path.stat().st_size for path in spool.paths(self.folder)):
            try:
                self.drain(self._opened(), patience=patience)
            except (StockAssetsError, OSError) as error:
                _LOG.warning("served forecasts wait in %s: %s", self.folder, error)
        if self._database is not None:
            self._database.close()
            self._database = None

    def _begin_process(self) -> None:
        """What each process has for itself."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._segment: Segment | None = None
        self._thread: threading.Thread | None = None
        self._database: Database | None = None
        self._full_until = self._told = -math.inf
        self._full = ""
        self.dropped = 0

    def _start(self, forecast: "Forecast", key: tuple[str, str]) -> bytes:
        """A line of this forecast and route but for its minute and count, which begin at the next digit."""
        if len(self._starts) >= _REMEMBERED:
            self._starts.clear()
        words = [forecast.ticker, forecast.as_of.isoformat(), *key]
        start = self._starts[key] = json.dumps(words, separators=(",", ":")).removesuffix("]").encode() + b","
        return start

    def _next_segment(self) -> Segment | None:
        """None when the folder is full, or could not be written a moment ago. The caller holds the lock."""
        if time.monotonic() < self._full_until:
            return None
        if spool.backlog(self.folder).size >= self._max_bytes:
            self._full_until = time.monotonic() + _FULL_SECONDS
            self._full = f"the spool {self.folder} has reached its bound of {self._max_bytes:,} bytes"
            return None
        self._segment = spool.begin(self.folder)
        return self._segment

    def _close_segment(self) -> None:
        if self._segment is not None:
            segment, self._segment = self._segment, None
            with contextlib.suppress(OSError):  # a disk over a network may tell only now; the lines were told before
                segment.close()

    def _drop(self, times: int, reason: str) -> None:
        self.dropped += times
        if self._on_dropped is not None:
            self._on_dropped(times)
        if time.monotonic() >= self._told + _TELL_AGAIN_SECONDS:
            self._told = time.monotonic()
            _LOG.error("%d served forecasts of this process are not recorded: %s", self.dropped, reason)

    def _opened(self) -> Database:
        if self._database is None:
            self._database = databases.open_database(self._url)
        return self._database

    def _empty_again_and_again(self) -> None:
        stopping, pause, told = self._stopping, self._seconds, ""
        if self._url is None:
            _LOG.warning("there is no monitoring database: served forecasts wait in %s", self.folder)
            return
        while not stopping.wait(pause):
            try:
                if spool.paths(self.folder):
                    self.drain(self._opened())
            except (StockAssetsError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    _LOG.warning("served forecasts wait in %s: %s", self.folder, error)
                # It is asked again soon, and then less and less often.
                pause = min(2 * pause, max(_LONGEST_PAUSE, self._seconds))
                if isinstance(error, SettingsError):
                    return
            else:
                if told:
                    _LOG.info("served forecasts are recorded again")
                pause, told = self._seconds, ""


def _forked(recorder: Recorder | None) -> None:
    """Let go, in a process that was just forked, of what belongs to the one it was forked from."""
    if recorder is None:
        return
    segment, database = recorder._segment, recorder._database
    if segment is not None:
        segment.close()
    if database is not None:
        database.engine.dispose(close=False)
    recorder._begin_process()


def _definition(forecast: "Forecast", made: float) -> bytes:
    """The line that tells what the forecast says: once in each segment, before it is counted there."""
    content = {"checksum": forecast.forecast_checksum, "made": made, "row": dict(forecast.row)}
    return json.dumps(content, default=datetime.date.isoformat, separators=(",", ":")).encode() + b"\n"


@dataclass
class _Part:
    """Lines of a spool as what they mean; `end` is the position after them."""

    end: int
    records: dict[tuple[str, datetime.date, str], ForecastRecord] = field(default_factory=dict)
    answers: list[served.Served] = field(default_factory=list)
    damaged: int = 0


def _store(database: Database, file: BinaryIO, path: Path) -> int:
    """Store what is in a spool after the position that the database knows, and the new position with it."""
    stored, size = 0, os.fstat(file.fileno()).st_size
    while True:
        with database.begin() as connection:
            position = int(intake.cursor(connection, _cursor(path)) or 0)
            if position >= size:
                return stored
            part = _read(file, position)
            for record in part.records.values():
                forecasts.store(connection, record)
            stored += served.add(connection, part.answers)
            intake.advance(connection, _cursor(path), str(part.end))
        if part.damaged:
            _LOG.warning("%s: %d lines up to byte %d can't be read, and are left out", path, part.damaged, part.end)


def _cursor(path: Path) -> str:
    return f"served/{path.stem}"


def _read(file: BinaryIO, position: int) -> _Part:
    """Some lines from `position` on, at least one."""
    file.seek(position)
    part = _Part(position)
    for line in _lines(file):
        part.end += len(line)
        try:
            content = json.loads(line)
            if isinstance(content, dict):
                record = _record(content)
                part.records.setdefault((record.ticker, record.session, record.checksum), record)
            else:
                part.answers.append(_answer(content))
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            # Half a line, where its process was killed or the disk was full: its answer was never sent, or dropped.
            part.damaged += 1
        if len(part.records) >= _FORECASTS_AT_ONCE:
            break
    return part


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for _ in range(_LINES_AT_ONCE):
        line = file.readline(_LONGEST_LINE)
        if not line:
            return
        yield line


def _answer(content: list) -> served.Served:
    ticker, session, checksum, route, minute, times = content
    if type(times) is not int or times < 1:
        raise ValueError(f"served {times!r} times; expected a whole number of at least 1")
    return served.Served(
        _text(ticker, 32),
        datetime.date.fromisoformat(session),
        _text(checksum, 128),
        _text(route, 32),
        datetime.datetime.fromtimestamp(minute * 60, datetime.UTC),
        times,
    )


def _record(content: Mapping[str, Any]) -> ForecastRecord:
    """Raises `KeyError`, `ValueError` or `TypeError` for anything that the database would refuse."""
    row = dict(content["row"])
    row |= {name: datetime.date.fromisoformat(row[name]) for name in forecasts.DATES}
    row |= {"ticker": _text(row["ticker"], 32), "source": _text(row["source"], 64)}
    made = datetime.datetime.fromtimestamp(content["made"], datetime.UTC)
    record = forecasts.of_row(row, checksum=_text(content["checksum"], 128), made=made, origin=forecasts.SERVED)
    for one in fields(record):
        value = getattr(record, one.name)
        if one.type in (float, "float") and not math.isfinite(value):
            raise ValueError(f"{one.name} is {value!r}; expected a finite number")
    return record


def _text(value: str, longest: int) -> str:
    if not value.isprintable() or not 0 < len(value) <= longest:
        raise ValueError(f"{value[:200]!r}; expected up to {longest} printable characters")
    return value
