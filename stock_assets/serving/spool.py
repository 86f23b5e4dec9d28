"""Answers on their way to the monitoring database: lines in files that outlive the process that wrote them.

A process appends to a segment of its own, which it holds locked; when it is full, old or its process dead, the lock is
gone and anybody may read it. So a segment that can be locked is never written to again. What its lines mean, and where
they go, is in recorder. On a power cut the last seconds are lost: nothing waits for the disk.
"""

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

_ATTEMPTS = 5
_LOCK = ".lock"
_SUFFIX = ".jsonl"


class Backlog(NamedTuple):
    """What waits in the folder. `oldest_seconds`: since the oldest segment was begun; 0 when there is none."""

    files: int
    size: int
    oldest_seconds: float


@dataclass
class Segment:
    """A file that this process appends to; `defined` is what earlier lines of it have told already."""

    descriptor: int
    size: int = 0
    defined: set[str] = field(default_factory=set)

    def append(self, data: bytes) -> None:
        """In one system call. Raises `OSError`, also when the disk took only a part: then nothing more may follow."""
        written = os.write(self.descriptor, data)
        self.size += written
        if written != len(data):
            raise OSError(f"the disk took {written} of {len(data)} bytes")

    def close(self) -> None:
        """Let others read it."""
        os.close(self.descriptor)


def begin(folder: Path) -> Segment:
    """A new segment, locked by this process; the folder is made when absent. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        path = folder / f"{time.time_ns():016x}-{uuid.uuid4().hex[:16]}{_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A reader may have found it before it was locked, taken it for one of a dead process and removed it.
            if os.fstat(descriptor).st_nlink:
                return Segment(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(f"each of {_ATTEMPTS} new segments in {folder} was removed at once")


def backlog(folder: Path) -> Backlog:
    """What waits there, the segments that are still written to included."""
    sizes, begun = [], []
    for path in paths(folder):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            sizes.append(found.st_size)
            begun.append(int(path.name.partition("-")[0], 16) / 1e9)
    oldest = max(0.0, time.time() - min(begun)) if begun else 0.0
    return Backlog(len(sizes), sum(sizes), oldest)


def paths(folder: Path) -> list[Path]:
    """All segments, the oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


@contextlib.contextmanager
def closed(path: Path) -> Iterator[BinaryIO | None]:
    """The segment for reading, locked meanwhile; None while its process goes on writing, or when it is gone."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if _locked(file) else None


@contextlib.contextmanager
def alone(folder: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Whether this process is the only one that empties the folder now; it waits for that up to `patience` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience
    with (folder / _LOCK).open("ab") as file:
        while not (mine := _locked(file)) and time.monotonic() < end:
            time.sleep(0.02)
        yield mine


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
