"""Where the files of one asset's artefacts for one ticker lie: a folder on a disk, or a prefix of an object store.

Each replaces an artefact whole or not at all, in its own way (see artefacts for what is promised). On a disk, a part of
a table that a neighbouring session has already is not stored again: it is a hard link to the same bytes.
"""

import contextlib
import datetime
import errno
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stock_assets.storage import atomic, seals
from stock_assets.storage.seals import Artefact, Seal

if TYPE_CHECKING:
    from upath import UPath

_SEAL_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.sha256")

# Someone else may replace an artefact while it is written to an object store.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05


def at(path: "Path | UPath") -> "LocalFolder | RemoteFolder":
    """The folder or the prefix at `path`, whether there is anything or not."""
    return LocalFolder(path) if isinstance(path, Path) else RemoteFolder(path)


def sealed_sessions(names: Iterable[str]) -> list[datetime.date]:
    """Sessions of the seals among the names in a folder, in order."""
    return sorted(datetime.date.fromisoformat(found[1]) for name in names if (found := _SEAL_NAME.fullmatch(name)))


class LocalFolder:
    """One asset's folder for one ticker, on a disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        try:
            return os.listdir(self.path)  # noqa: PTH208 (names are wanted, and there are thousands)
        except FileNotFoundError:
            return []

    def get(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def replace(self, artefact: Artefact, contents: Mapping[str, bytes], seal: Seal) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic.alone(self.path / ".lock"):
            names = self.names()
            self._remove_temporaries(artefact, names)
            stored = self.get(artefact.seal_name)
            if stored == seal.text.encode() and all(self.get(name) == data for name, data in contents.items()):
                return
            token = f"{artefact.temporary_prefix}{uuid.uuid4().hex}"
            temporaries = {name: self.path / f"{token}.{n}.tmp" for n, name in enumerate(contents)}
            seal_temporary = self.path / f"{token}.seal.tmp"
            parts = any(map(artefact.is_part, contents))
            known = self._parts_of_a_neighbour(artefact, names) if parts else {}
            try:
                for name, data in contents.items():
                    same = known.get(seal.digests[name]) if artefact.is_part(name) else None
                    if same is None or not self._link(same, data, temporaries[name]):
                        atomic.write_synced(temporaries[name], data)
                atomic.write_synced(seal_temporary, seal.text.encode())
                if stored is not None:
                    (self.path / artefact.seal_name).unlink()
                    # On disk before a file changes: after a power cut, an old seal beside new files would be damage.
                    atomic.sync_folder(self.path)
                # First, as what was a file may become a folder.
                self._remove_strangers(artefact, contents)
                folders = {self.path}
                for name, temporary in temporaries.items():
                    target = self.path / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary.replace(target)
                    folders |= {folder for folder in target.parents if folder.is_relative_to(self.path)}
                for folder in folders:
                    atomic.sync_folder(folder)
                seal_temporary.replace(self.path / artefact.seal_name)
                atomic.sync_folder(self.path)
            finally:
                # Also of a link: renamed to another name of the same file, it stays where it is.
                for temporary in (*temporaries.values(), seal_temporary):
                    temporary.unlink(missing_ok=True)

    def _parts_of_a_neighbour(self, artefact: Artefact, names: Iterable[str]) -> dict[str, str]:
        """SHA-256 -> name of the parts of the sealed session before, or of the next one where there is none."""
        others = [session for session in sealed_sessions(names) if session != artefact.session]
        before = [session for session in others if session < artefact.session]
        if not others:
            return {}
        neighbour = Artefact(artefact.asset, artefact.ticker, before[-1] if before else others[0])
        digests = seals.names_in(neighbour, self.get(neighbour.seal_name) or b"")
        return {digest: name for name, digest in digests.items() if neighbour.is_part(name)}

    def _link(self, name: str, data: bytes, to: Path) -> bool:
        """Make `to` another name of a file; False when it is not whole, or has as many names as it can have.

        Whatever else a file system has against it, such as that it knows no links: then the bytes are written, and if
        that is impossible too, that error is the one to tell.
        """
        if self.get(name) != data:
            return False
        try:
            os.link(self.path / name, to)
        except OSError:
            return False
        return True

    def _remove_temporaries(self, artefact: Artefact, names: Iterable[str]) -> None:
        """What a killed writer of this artefact left behind; the lock says that nobody is using it."""
        for name in names:
            if name.startswith(artefact.temporary_prefix) and name.endswith(".tmp"):
                (self.path / name).unlink()

    def _remove_strangers(self, artefact: Artefact, contents: Mapping[str, bytes]) -> None:
        """Files of the artefact's earlier versions, and the folders they leave empty."""
        for name in own_entries(self.path, artefact.session):
            if (self.path / name).is_dir():
                for folder, _, files in os.walk(self.path / name, topdown=False):
                    for path in (Path(folder, file) for file in files):
                        if path.relative_to(self.path).as_posix() not in contents:
                            path.unlink()
                    with contextlib.suppress(OSError):  # not empty
                        Path(folder).rmdir()
            elif name not in contents and name != artefact.seal_name:
                (self.path / name).unlink()


def own_entries(path: Path, session: datetime.date) -> Iterator[str]:
    """Names of a session's files and folders in a folder on a disk, temporaries left out."""
    for name in os.listdir(path):  # noqa: PTH208 (as above)
        if name == str(session) or name.startswith(f"{session}."):
            yield name


class RemoteFolder:
    """One asset's prefix for one ticker, on anything fsspec speaks to. Each object is replaced atomically.

    File systems of fsspec remember listings, s3fs consults them even to read one object, and other processes write too:
    so each look forgets them first.
    """

    def __init__(self, path: "UPath") -> None:
        self.url = str(path)
        self.fs: Any = path.fs
        self.root = path.path

    def __str__(self) -> str:
        return self.url

    def names(self) -> list[str]:
        self.fs.invalidate_cache(self.root)
        try:
            return [found.rsplit("/", 1)[-1] for found in self.fs.ls(self.root, detail=False)]
        except FileNotFoundError:
            return []

    def get(self, name: str) -> bytes | None:
        path = f"{self.root}/{name}"
        self.fs.invalidate_cache(path)
        try:
            return self.fs.cat_file(path)
        except FileNotFoundError:
            return None

    def replace(self, artefact: Artefact, contents: Mapping[str, bytes], seal: Seal) -> None:
        stored = self.get(artefact.seal_name)
        if stored == seal.text.encode() and all(self.get(name) == data for name, data in contents.items()):
            return
        for attempt in range(_ATTEMPTS):
            self._put(artefact, contents, seal, stored)
            stored = self.get(artefact.seal_name)
            # Without a seal another writer is at work, and will write one last. Of several writers the one that seals
            # last looks last, so what stands in the end is whole.
            if stored is None or self._is_whole(artefact, stored):
                return
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise OSError(errno.EBUSY, "other writers kept replacing the same artefact")

    def _is_whole(self, artefact: Artefact, stored: bytes) -> bool:
        return all(seals.fault(self.get(name), digest) is None for name, digest in seals.read(artefact, stored).items())

    def _put(self, artefact: Artefact, contents: Mapping[str, bytes], seal: Seal, stored: bytes | None) -> None:
        if stored is not None:
            self._remove(artefact.seal_name)
        for folder in _own_folders(contents):
            # What was one file may be in parts now: no reader is to find both, and some stores can't have both.
            self._remove(folder)
        for name, data in contents.items():
            self.fs.pipe_file(f"{self.root}/{name}", data)
        for name in self._strangers(artefact, contents, stored) - contents.keys():
            self._remove(name)
        self.fs.pipe_file(f"{self.root}/{artefact.seal_name}", seal.text.encode())

    def _strangers(self, artefact: Artefact, contents: Mapping[str, bytes], stored: bytes | None) -> set[str]:
        """Files of earlier versions: those in the old seal, and all in the folders that are the artefact's now."""
        strangers = set(seals.names_in(artefact, stored or b""))
        for own in {str(artefact.session), *_own_folders(contents)}:
            folder = f"{self.root}/{own}"
            self.fs.invalidate_cache(folder)
            strangers |= {f"{own}/{found.rsplit(f'/{own}/', 1)[-1]}" for found in self.fs.find(folder)}
        return strangers

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(f"{self.root}/{name}")


def _own_folders(contents: Iterable[str]) -> set[str]:
    return {name.partition("/")[0] for name in contents if "/" in name}
