"""Writing one plain file whole or not at all; one process at a time. Artefacts, sealed, are written by artefacts."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by a file with `data`. All else as `replacement`."""
    with replacement(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """A new file to write into, by which `path` is replaced when the block ends; its folder is made when absent.

    Written under a temporary name in the same folder, synced and renamed: a reader, or a kill at any moment, finds the
    old file or the new one. Raises `OSError` as the file system does; where the block raises, nothing half-written
    stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def write_synced(path: Path, data: bytes) -> None:
    """A new file with `data`, on the disk when this returns."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time among those that name the same file, which is made when absent; its folder must be there.

    The kernel lets go of the lock when its holder dies, however it dies. Raises `OSError` as the file system does.
    """
    import fcntl

    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
