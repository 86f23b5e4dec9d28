"""`logs/serving.log`: a line for each answer, and whatever the server has to tell. Several workers share the file.

    2024-03-11T21:05:03.123+00:00 INFO 127.0.0.1 GET /predict 200 512 B 1.8 ms TSLA

A line begins at the left margin with its moment; further lines of the same message are indented. Whatever a client sent
is escaped: it can't begin a line, nor move a terminal's cursor. Queries and headers may hold secrets and are left out.
"""

import contextlib
import datetime
import fcntl
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

FILE = "serving.log"

_MAX_BYTES = 5_000_000
_KEPT_FILES = 3
_LONGEST = 200
_LONGEST_MESSAGE = 20_000
_LOOK_SECONDS = 1.0
_TELL_AGAIN_SECONDS = 60.0

_SUSPICIOUS = frozenset((400, 401, 408, 413, 414, 431))
_FLOOD = 30
_FLOOD_SECONDS = 60.0

_PLAIN = re.compile(r"[!-\[\]-~]+")
_NOT_PLAIN = re.compile(r"[^!-\[\]-~]")


class AccessLog:
    """The log of one server, in `folder`; each process and thread may write to it.

    Lines are appended whole. Once the file has `max_bytes` it becomes `serving.log.1`, and so on up to `kept` files. A
    disk that is full, or a folder that is gone, is told on the terminal once a minute, and the work goes on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = _MAX_BYTES,
        kept: int = _KEPT_FILES,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.path = folder / FILE
        self._max_bytes, self._kept, self._clock = max_bytes, kept, clock
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._look_at = self._tell_at = 0.0
        self._windows: dict[int, tuple[float, int]] = {}

    def answered(
        self, client: str, method: str, path: str, status: int, size: int, seconds: float, ticker: str = ""
    ) -> None:
        """A request that was answered, `size` bytes in `seconds`; and a warning when there are too many of a kind."""
        who = shown(client) or "-"
        level = "ERROR" if status >= 500 else "WARNING" if status in _SUSPICIOUS else "INFO"
        self._write(
            f"{level} {who} {shown(method, 20)} {shown(path)} {status} {size} B {seconds * 1e3:.1f} ms "
            f"{shown(ticker, 32) or '-'}"
        )
        if status in _SUSPICIOUS and self._is_flood(status):
            self._write(
                f"WARNING {_FLOOD} answers {status} of this process within {_FLOOD_SECONDS:.0f} s, the last to {who}"
            )

    def told(self, level: str, message: str) -> None:
        """Anything else, of one line or more."""
        lines = message[:_LONGEST_MESSAGE].splitlines() or [""]
        self._write(f"{level} " + "\n    ".join(map(_without_controls, lines)))

    def _is_flood(self, status: int) -> bool:
        """Whether this answer is the one too many; true once in each window."""
        now = time.monotonic()
        with self._lock:
            began, count = self._windows.get(status, (now, 0))
            if now - began >= _FLOOD_SECONDS:
                began, count = now, 0
            self._windows[status] = began, count + 1
        return count + 1 == _FLOOD

    def _write(self, text: str) -> None:
        moment = self._clock().isoformat(timespec="milliseconds")
        line = f"{moment} {text}\n".encode(errors="backslashreplace")
        with self._lock:
            try:
                descriptor = self._opened()
                os.write(descriptor, line)
                # After an append, the position is the file's size.
                if os.lseek(descriptor, 0, os.SEEK_CUR) >= self._max_bytes:
                    self._rotate()
            except OSError as error:
                self._close()
                self._complain(error)

    def _opened(self) -> int:
        now = time.monotonic()
        if self._descriptor is not None and now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            if not self._is_current(self._descriptor):
                self._close()
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._look_at = now + _LOOK_SECONDS
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the file that is open is still the one of that name: another process may have moved it away."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        """Move the full file away, unless another process has: it is recognised by its size again and again."""
        with self.path.with_name(f".{FILE}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._descriptor is not None and self._is_current(self._descriptor):
                for n in range(self._kept, 0, -1):
                    older = self.path.with_name(f"{FILE}.{n}")
                    newer = self.path.with_name(f"{FILE}.{n - 1}") if n > 1 else self.path
                    with contextlib.suppress(FileNotFoundError):
                        newer.replace(older)
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with contextlib.suppress(OSError):  # what a disk over a network could not take is lost
                os.close(descriptor)

    def _complain(self, error: OSError) -> None:
        if time.monotonic() >= self._tell_at and sys.stderr is not None:
            self._tell_at = time.monotonic() + _TELL_AGAIN_SECONDS
            sys.stderr.write(f"{self.path} can't be written: {error.strerror or error}\n")


class Handler(logging.Handler):
    """What Python's loggers tell, into an `AccessLog`."""

    def __init__(self, log: AccessLog, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._log.told(record.levelname, self.format(record))


def shown(text: str, longest: int = _LONGEST) -> str:
    r"""`text` as one word of printable ASCII: anything else, blanks and backslashes too, as \xhh or \uhhhh.

    Cut off after `longest` characters of the text, which three dots show.
    """
    more = "..." if len(text) > longest else ""
    text = text[:longest]
    return (text if _PLAIN.fullmatch(text) else _NOT_PLAIN.sub(_escape, text)) + more


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _without_controls(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in line)
