"""Writing one plain file whole or not at all. Artefacts, which are sealed, have their own way (see artefacts)."""

import contextlib
import os
import uuid
from pathlib import Path


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by a file with `data`; its folder is made when absent.

    Written under a temporary name in the same folder, synced and renamed: a reader, or a kill at any moment, finds the
    old file or the new one. Raises `OSError` as the file system does; nothing half-written stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        write_synced(temporary, data)
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


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
