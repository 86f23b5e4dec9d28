"""What lies in the store, with its bytes, and taking artefacts out. What may go is for core.retention.

An artefact is taken out seal first, so a deletion that was killed leaves no artefact, but files that no seal speaks
for. They are listed here like artefacts, so that the next deletion finds them.
"""

import contextlib
import datetime
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stock_assets.core.errors import ArtefactError
from stock_assets.storage import artefacts, atomic
from stock_assets.storage.artefacts import SEAL_SUFFIX, ArtefactStore

if TYPE_CHECKING:
    from upath import UPath

# Of an artefact's files, of its folder's, and of what a killed writer left: the session stands first.
_NAME = re.compile(r"\.?(\d{4}-\d{2}-\d{2})[./].+")


class Stored(NamedTuple):
    """What lies there of one artefact: its files, seal included, and their bytes."""

    files: int
    bytes: int
    sealed: bool


def tickers(store: ArtefactStore, asset: str) -> list[str]:
    """Tickers of which `asset` has anything, in order. Raises `ArtefactError` when the store can't be listed."""
    folder = store.base / asset
    with _telling(folder):
        names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.startswith("."))


def contents(store: ArtefactStore, asset: str, ticker: str) -> dict[datetime.date, Stored]:
    """What lies there of `asset` for `ticker`, by session. Raises `ArtefactError` when the store can't be listed."""
    folder = store.base / asset / ticker
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with _telling(folder):
        for name, size in _sizes(folder):
            if match := _NAME.fullmatch(name):
                found[match[1]].append((name, size))
    return {
        datetime.date.fromisoformat(session): Stored(
            len(files), sum(size for _, size in files), f"{session}{SEAL_SUFFIX}" in dict(files)
        )
        for session, files in sorted(found.items())
    }


def delete(store: ArtefactStore, asset: str, ticker: str, session: datetime.date) -> None:
    """Take the artefact out: its seal first, then its files. One that is not there is no error.

    Raises `ArtefactError` when the disk or the network fails; the artefact is then whole, or none any more.
    """
    folder = store.base / asset / ticker
    with _telling(folder):
        if isinstance(folder, Path):
            _delete_local(folder, session)
        else:
            _delete_remote(folder, session)


def _delete_local(folder: Path, session: datetime.date) -> None:
    if not folder.is_dir():
        return
    # The lock of the store's writers, see artefacts.
    with atomic.alone(folder / ".lock"):
        (folder / f"{session}{SEAL_SUFFIX}").unlink(missing_ok=True)
        # On disk before a file goes: after a power cut, a seal without its files would be damage.
        atomic.sync_folder(folder)
        for name, _ in _sizes(folder, session):
            (folder / name).unlink(missing_ok=True)
        for below, _, _ in os.walk(folder / str(session), topdown=False):
            with contextlib.suppress(OSError):  # not empty
                Path(below).rmdir()
        atomic.sync_folder(folder)


def _delete_remote(folder: "UPath", session: datetime.date) -> None:
    files: Any = folder.fs
    with contextlib.suppress(FileNotFoundError):
        files.rm_file(f"{folder.path}/{session}{SEAL_SUFFIX}")
    for name, _ in _sizes(folder, session):
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(f"{folder.path}/{name}")


def _sizes(folder: "Path | UPath", session: datetime.date | None = None) -> Iterator[tuple[str, int]]:
    """(name relative to the folder, bytes) of all files of a session, or of all sessions."""
    if isinstance(folder, Path):
        names = list(_below(folder, "", session))
    else:
        folder.fs.invalidate_cache(folder.path)
        listed: Any = folder.fs.find(folder.path, detail=True)
        start = folder.path.rstrip("/") + "/"
        names = [(path.partition(start)[2], entry["size"]) for path, entry in listed.items()]
    for name, size in names:
        match = _NAME.fullmatch(name)
        if match and session in (None, datetime.date.fromisoformat(match[1])):
            yield name, size


def _below(folder: Path, prefix: str, session: datetime.date | None) -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if session is not None and not prefix and str(session) not in entry.name:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/", session)
        else:
            with contextlib.suppress(FileNotFoundError):  # a writer's temporary file that has just got its name
                yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=False).st_size


@contextlib.contextmanager
def _telling(folder: "Path | UPath") -> Iterator[None]:
    try:
        yield
    except artefacts.failures() as error:
        raise ArtefactError(f"{folder} can't be tidied: {artefacts.reason(error)}") from error
