"""What lies in the store, with its bytes, and taking artefacts out. What may go is for core.retention.

An artefact is taken out seal first, so a deletion that was killed leaves no artefact, but files that no seal speaks
for. They are listed here like artefacts, so that the next deletion finds them.

Parts of tables that several sessions share (see folders) lie on the disk once. The file system counts the names of a
file, so taking one out needs to know nothing of the others; only adding up bytes has to.
"""

import contextlib
import datetime
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stock_assets.core.errors import ArtefactError
from stock_assets.storage import artefacts, atomic, folders
from stock_assets.storage.artefacts import SEAL_SUFFIX, ArtefactStore

if TYPE_CHECKING:
    from upath import UPath

# Of an artefact's files, of its folder's, and of what a killed writer left: the session stands first.
_NAME = re.compile(r"\.?(\d{4}-\d{2}-\d{2})[./].+")


class Shared(NamedTuple):
    """A file that has other names too, as the file system tells them apart."""

    inode: tuple[int, int]
    bytes: int
    names: int


class Stored(NamedTuple):
    """What lies there of one artefact: its files, seal included, and the bytes that are its alone."""

    files: int
    bytes: int
    sealed: bool
    shared: tuple[Shared, ...] = ()


class _Found(NamedTuple):
    """A file, by its name relative to the folder of the ticker."""

    name: str
    bytes: int
    shared: Shared | None = None


def size(stored: Iterable[Stored]) -> int:
    """Bytes of all these together, what they share counted once."""
    everything = list(stored)
    shared = {one.inode: one.bytes for each in everything for one in each.shared}
    return sum(each.bytes for each in everything) + sum(shared.values())


def freed(stored: Iterable[Stored]) -> int:
    """Bytes that deleting all these gives back: of what they share, what nothing else has a name of."""
    everything = list(stored)
    going = Counter(one for each in everything for one in each.shared)
    return sum(each.bytes for each in everything) + sum(one.bytes for one, n in going.items() if n == one.names)


def tickers(store: ArtefactStore, asset: str) -> list[str]:
    """Tickers of which `asset` has anything, in order. Raises `ArtefactError` when the store can't be listed."""
    folder = store.base / asset
    with _telling(folder):
        names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.startswith("."))


def contents(store: ArtefactStore, asset: str, ticker: str) -> dict[datetime.date, Stored]:
    """What lies there of `asset` for `ticker`, by session. Raises `ArtefactError` when the store can't be listed."""
    folder = store.base / asset / ticker
    found: dict[str, list[_Found]] = defaultdict(list)
    with _telling(folder):
        for file in _files(folder):
            if match := _NAME.fullmatch(file.name):
                found[match[1]].append(file)
    return {
        datetime.date.fromisoformat(session): Stored(
            len(files),
            sum(file.bytes for file in files if file.shared is None),
            any(file.name == f"{session}{SEAL_SUFFIX}" for file in files),
            tuple(file.shared for file in files if file.shared is not None),
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
        for file in _files(folder, session):
            (folder / file.name).unlink(missing_ok=True)
        for own in folders.own_entries(folder, session):
            for below, _, _ in os.walk(folder / own, topdown=False):
                with contextlib.suppress(OSError):  # not empty
                    Path(below).rmdir()
        atomic.sync_folder(folder)


def _delete_remote(folder: "UPath", session: datetime.date) -> None:
    files: Any = folder.fs
    with contextlib.suppress(FileNotFoundError):
        files.rm_file(f"{folder.path}/{session}{SEAL_SUFFIX}")
    for file in _files(folder, session):
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(f"{folder.path}/{file.name}")


def _files(folder: "Path | UPath", session: datetime.date | None = None) -> Iterator[_Found]:
    """All files of a session, or of all sessions."""
    if isinstance(folder, Path):
        found = list(_below(folder, "", session))
    else:
        folder.fs.invalidate_cache(folder.path)
        listed: Any = folder.fs.find(folder.path, detail=True)
        start = folder.path.rstrip("/") + "/"
        found = [_Found(path.partition(start)[2], entry["size"]) for path, entry in listed.items()]
    for file in found:
        match = _NAME.fullmatch(file.name)
        if match and session in (None, datetime.date.fromisoformat(match[1])):
            yield file


def _below(folder: Path, prefix: str, session: datetime.date | None) -> Iterator[_Found]:
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
                stat = entry.stat(follow_symlinks=False)
                shared = Shared((stat.st_dev, stat.st_ino), stat.st_size, stat.st_nlink) if stat.st_nlink > 1 else None
                yield _Found(f"{prefix}{entry.name}", stat.st_size, shared)


@contextlib.contextmanager
def _telling(folder: "Path | UPath") -> Iterator[None]:
    try:
        yield
    except artefacts.failures() as error:
        raise ArtefactError(f"{folder} can't be tidied: {artefacts.reason(error)}") from error
