"""The store of artefacts: bytes under a name, written whole or not at all, and verified when read.

An artefact is what one asset holds for one ticker and one session. Its files lie at

    <base>/<asset>/<TICKER>/<YYYY-MM-DD><suffix>      suffix: ".parquet", ".json", "/report.html", "/figures/price.png"
    <base>/<asset>/<TICKER>/<YYYY-MM-DD>.sha256       the seal: a line a file, as `sha256sum` writes and checks it

The seal is removed first and written last, so **an artefact without a seal does not exist**: whatever moment a process
is killed at, a reader finds the artefact whole or absent. Bytes that do not match their seal are an error, never data.

`base` is a folder or any fsspec URL. In a folder, files are written under a temporary name, synced and renamed, one
writer at a time for each asset and ticker (an advisory lock, so a POSIX system). Object stores replace an object
atomically and have no locks: there a writer reads back what it sealed, and writes again where another came between.

What the bytes mean does not live here (see formats, models); nor which artefacts there are (see defs).
"""

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import os
import re
import sys
import time
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import (
    ArtefactError,
    DamagedArtefactError,
    InvalidTickerError,
    MissingArtefactError,
    SettingsError,
)
from stock_assets.storage import atomic

if TYPE_CHECKING:
    from upath import UPath

SEAL_SUFFIX = ".sha256"

_ASSET = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
# Path safety only: no separator, no leading dot, one spelling for case-insensitive disks. Whether it is a ticker is not
# this room's question.
_TICKER = re.compile(r"[A-Z0-9^=_-][A-Z0-9^=_.-]{0,31}")
_SUFFIX = re.compile(r"(?:\.[a-z0-9]+)+|(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
_SEAL_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_SEAL_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.sha256")

# Someone else may replace an artefact while it is read, or, on an object store, while it is written.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class Seal:
    """What an artefact consists of: the SHA-256 of each file by its name beside the seal, and the total of bytes."""

    digests: Mapping[str, str]
    size: int

    @property
    def text(self) -> str:
        """The seal's own content, in the format of `sha256sum`, sorted by name."""
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))

    @property
    def checksum(self) -> str:
        """One SHA-256 for the whole artefact, its name included: changes if and only if a byte or a file changes."""
        return _digest(self.text.encode())


@dataclasses.dataclass(frozen=True)
class _Artefact:
    """Asset, ticker and session, checked: nothing made from them leaves the store's folder."""

    asset: str
    ticker: str
    session: datetime.date

    def __post_init__(self) -> None:
        _check_asset(self.asset)
        _check_ticker(self.ticker)
        if type(self.session) is not datetime.date:
            raise TypeError(f"{self.session!r} is a {type(self.session).__name__}; expected a plain datetime.date")

    def __str__(self) -> str:
        return f"{self.ticker} {self.session}"

    @property
    def remedy(self) -> str:
        return f"materialise {self.asset} for {self.ticker}, session {self.session}"

    @property
    def seal_name(self) -> str:
        return f"{self.session}{SEAL_SUFFIX}"

    @property
    def temporary_prefix(self) -> str:
        return f".{self.session}."

    def file_name(self, suffix: str) -> str:
        _check_suffix(suffix)
        return f"{self.session}{suffix}"

    def suffix(self, name: str) -> str:
        return name.removeprefix(str(self.session))

    def owns(self, name: str) -> bool:
        return name.startswith(str(self.session)) and _is_suffix(self.suffix(name))


class ArtefactStore:
    """Artefacts under `base`, a folder or an fsspec URL such as `s3://bucket/prefix`.

    Asset names, tickers and suffixes are checked before anything is touched: `ValueError`, or `InvalidTickerError` for
    a ticker. `SettingsError` for a URL of no known kind, or one whose library is not installed. Where the disk or the
    network fails, `ArtefactError` says so.
    """

    def __init__(self, base: "UPath | Path | str") -> None:
        self.base = _location(base)

    def __repr__(self) -> str:
        return f"ArtefactStore({str(self.base)!r})"

    def path(self, asset: str, ticker: str, session: datetime.date, suffix: str) -> "Path | UPath":
        """Where the file with that suffix lies, whether it is there or not: a `UPath` when `base` is a URL."""
        artefact = _Artefact(asset, ticker, session)
        return self.base / asset / ticker / artefact.file_name(suffix)

    def write(self, asset: str, ticker: str, session: datetime.date, files: Mapping[str, bytes]) -> Seal:
        """Make `files` (suffix -> bytes) the artefact's content, and seal it.

        Files of the artefact's earlier version that are not among them are removed. When the same bytes are there
        already, and whole, nothing is touched.

        Raises `ArtefactError` when it can't be written; the artefact is then absent, or whole as it was before.
        """
        artefact = _Artefact(asset, ticker, session)
        if not files:
            raise ValueError(f"{artefact}: {asset} without a file; expected at least one")
        contents = {artefact.file_name(suffix): bytes(data) for suffix, data in files.items()}
        seal = _seal(contents)
        folder = self._folder(artefact)
        try:
            folder.replace(artefact, contents, seal)
        except failures() as error:
            raise ArtefactError(
                f"{artefact}: {asset} could not be written to {folder}: {reason(error)}; nothing half-written "
                f"was left. Mend that, then {artefact.remedy}, again"
            ) from error
        return seal

    def read(
        self, asset: str, ticker: str, session: datetime.date, *, suffixes: Collection[str] | None = None
    ) -> dict[str, bytes]:
        """The artefact's files (suffix -> bytes), or only those with the given suffixes, verified against the seal.

        Raises `MissingArtefactError` when there is no such artefact, or it has no file of that suffix;
        `DamagedArtefactError` when a file is missing or not the bytes that were written.
        """
        artefact = _Artefact(asset, ticker, session)
        folder = self._folder(artefact)
        try:
            return _read(folder, artefact, suffixes)
        except failures() as error:
            raise ArtefactError(f"{artefact}: {asset} could not be read from {folder}: {reason(error)}") from error

    def checksum(self, asset: str, ticker: str, session: datetime.date) -> str:
        """`Seal.checksum` of the stored artefact, taken from its seal alone: its files are not read.

        Raises `MissingArtefactError` when there is no such artefact, `DamagedArtefactError` when its seal is damaged.
        """
        text, _ = self._sealed(_Artefact(asset, ticker, session))
        return _digest(text)

    def file_checksum(self, asset: str, ticker: str, session: datetime.date, suffix: str) -> str:
        """SHA-256 of one file of the stored artefact, as `sha256sum` gives it, taken from the seal alone.

        Raises as `checksum`; `MissingArtefactError` also when the artefact has no file of that suffix.
        """
        artefact = _Artefact(asset, ticker, session)
        name, (_, digests) = artefact.file_name(suffix), self._sealed(artefact)
        if name not in digests:
            raise _without(artefact, [name], digests)
        return digests[name]

    def has(self, asset: str, ticker: str, session: datetime.date) -> bool:
        """Whether the artefact is sealed. Its bytes are not looked at (see `is_whole`)."""
        artefact = _Artefact(asset, ticker, session)
        return self._seal_text(artefact, self._folder(artefact)) is not None

    def is_whole(self, asset: str, ticker: str, session: datetime.date) -> bool:
        """Whether the artefact is sealed and every byte is the one that was written."""
        try:
            self.read(asset, ticker, session)
        except (MissingArtefactError, DamagedArtefactError):
            return False
        return True

    def sessions(self, asset: str, ticker: str) -> list[datetime.date]:
        """Sessions with a sealed artefact, in order."""
        _check_asset(asset)
        _check_ticker(ticker)
        folder = self._open(asset, ticker)
        try:
            names = folder.names()
        except failures() as error:
            raise ArtefactError(f"{ticker}: the folder {folder} of {asset} can't be listed: {reason(error)}") from error
        return sorted(datetime.date.fromisoformat(found[1]) for name in names if (found := _SEAL_NAME.fullmatch(name)))

    def latest(
        self, asset: str, ticker: str, *, not_after: datetime.date, not_before: datetime.date | None = None
    ) -> datetime.date | None:
        """The last session with a sealed artefact, both bounds included; None when there is none."""
        found = [
            session
            for session in self.sessions(asset, ticker)
            if session <= not_after and (not_before is None or session >= not_before)
        ]
        return found[-1] if found else None

    def _folder(self, artefact: _Artefact) -> "_LocalFolder | _RemoteFolder":
        return self._open(artefact.asset, artefact.ticker)

    def _open(self, asset: str, ticker: str) -> "_LocalFolder | _RemoteFolder":
        path = self.base / asset / ticker
        return _LocalFolder(path) if isinstance(path, Path) else _RemoteFolder(path)

    def _sealed(self, artefact: _Artefact) -> tuple[bytes, dict[str, str]]:
        """The artefact's seal as it stands, and what it says: name -> SHA-256."""
        folder = self._folder(artefact)
        text = self._seal_text(artefact, folder)
        if text is None:
            raise _missing(artefact, folder)
        return text, _digests(artefact, text)

    def _seal_text(self, artefact: _Artefact, folder: "_LocalFolder | _RemoteFolder") -> bytes | None:
        try:
            return folder.get(artefact.seal_name)
        except failures() as error:
            raise ArtefactError(
                f"{artefact}: the seal of {artefact.asset} could not be read from {folder}: {reason(error)}"
            ) from error


def checksum_of(session: datetime.date, files: Mapping[str, bytes]) -> str:
    """`Seal.checksum` of an artefact of that session that consists of `files` (suffix -> bytes), all of them."""
    return _seal({f"{session}{suffix}": data for suffix, data in files.items()}).checksum


def _read(
    folder: "_LocalFolder | _RemoteFolder", artefact: _Artefact, suffixes: Collection[str] | None
) -> dict[str, bytes]:
    text = folder.get(artefact.seal_name)
    for _ in range(_ATTEMPTS):
        if text is None:
            break
        digests = _digests(artefact, text)
        wanted = sorted(digests) if suffixes is None else [artefact.file_name(suffix) for suffix in suffixes]
        absent = [name for name in wanted if name not in digests]
        if absent:
            raise _without(artefact, absent, digests)
        contents = {name: folder.get(name) for name in wanted}
        faults = [
            f"{name}: {came}; expected sha256 {digests[name][:16]}"
            for name, data in contents.items()
            if (came := _fault(data, digests[name]))
        ]
        if not faults:
            return {artefact.suffix(name): data for name, data in contents.items() if data is not None}
        # Damage, unless the artefact was replaced between reading the seal and the files: then its seal is another one.
        seal_now = folder.get(artefact.seal_name)
        if seal_now == text:
            raise DamagedArtefactError(
                f"{artefact}: {artefact.asset} in {folder} is not what was written: {'; '.join(faults)}; "
                f"{artefact.remedy}, again"
            )
        text = seal_now
    else:
        raise ArtefactError(
            f"{artefact}: {artefact.asset} in {folder} is being replaced again and again; read it later"
        )
    raise _missing(artefact, folder)


def _missing(artefact: _Artefact, folder: "_LocalFolder | _RemoteFolder") -> MissingArtefactError:
    return MissingArtefactError(
        f"{artefact}: there is no {artefact.asset} (no seal {artefact.seal_name} in {folder}); {artefact.remedy}"
    )


def _without(artefact: _Artefact, absent: Collection[str], digests: Collection[str]) -> MissingArtefactError:
    return MissingArtefactError(
        f"{artefact}: {artefact.asset} has no file {', '.join(absent)}; it has {', '.join(sorted(digests))}"
    )


def _fault(data: bytes | None, expected: str) -> str | None:
    if data is None:
        return "the file is missing"
    came = _digest(data)
    return None if came == expected else f"came {len(data):,} bytes with sha256 {came[:16]}"


def _digests(artefact: _Artefact, text: bytes) -> dict[str, str]:
    """Name -> SHA-256 of a stored seal. Its names are not trusted: a seal speaks for the artefact's own files only."""
    lines = text.decode("utf-8", errors="replace").splitlines()
    matches = [_SEAL_LINE.fullmatch(line) for line in lines]
    digests = {found[2]: found[1] for found in matches if found is not None and artefact.owns(found[2])}
    if not lines or len(digests) != len(lines) or Seal(digests, 0).text.encode() != text:
        raise DamagedArtefactError(
            f"{artefact}: the seal {artefact.seal_name} of {artefact.asset} is not what was written: came "
            f"{len(text):,} bytes, {text[:60]!r}; expected lines '<sha256>  {artefact.session}<suffix>' in order; "
            f"{artefact.remedy}, again"
        )
    return digests


class _LocalFolder:
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
        except (FileNotFoundError, NotADirectoryError):
            return None

    def replace(self, artefact: _Artefact, contents: Mapping[str, bytes], seal: Seal) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic.alone(self.path / ".lock"):
            self._remove_temporaries(artefact)
            stored = self.get(artefact.seal_name)
            if stored == seal.text.encode() and all(self.get(name) == data for name, data in contents.items()):
                return
            token = f"{artefact.temporary_prefix}{uuid.uuid4().hex}"
            temporaries = {name: self.path / f"{token}.{n}.tmp" for n, name in enumerate(contents)}
            seal_temporary = self.path / f"{token}.seal.tmp"
            try:
                for name, data in contents.items():
                    atomic.write_synced(temporaries[name], data)
                atomic.write_synced(seal_temporary, seal.text.encode())
                if stored is not None:
                    (self.path / artefact.seal_name).unlink()
                    # On disk before a file changes: after a power cut, an old seal beside new files would be damage.
                    atomic.sync_folder(self.path)
                folders = {self.path}
                for name, temporary in temporaries.items():
                    target = self.path / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary.replace(target)
                    folders |= {folder for folder in target.parents if folder.is_relative_to(self.path)}
                self._remove_strangers(artefact, contents)
                for folder in folders:
                    atomic.sync_folder(folder)
                seal_temporary.replace(self.path / artefact.seal_name)
                atomic.sync_folder(self.path)
            finally:
                for temporary in (*temporaries.values(), seal_temporary):
                    temporary.unlink(missing_ok=True)

    def _remove_temporaries(self, artefact: _Artefact) -> None:
        """What a killed writer of this artefact left behind; the lock says that nobody is using it."""
        for name in self.names():
            if name.startswith(artefact.temporary_prefix) and name.endswith(".tmp"):
                (self.path / name).unlink()

    def _remove_strangers(self, artefact: _Artefact, contents: Mapping[str, bytes]) -> None:
        """Files of the artefact's earlier versions, and the folders they leave empty."""
        session = str(artefact.session)
        for name in self.names():
            if name.startswith(f"{session}.") and name not in contents and name != artefact.seal_name:
                (self.path / name).unlink()
        for folder, _, names in os.walk(self.path / session, topdown=False):
            for name in names:
                path = Path(folder, name)
                if path.relative_to(self.path).as_posix() not in contents:
                    path.unlink()
            with contextlib.suppress(OSError):  # not empty
                Path(folder).rmdir()


class _RemoteFolder:
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

    def replace(self, artefact: _Artefact, contents: Mapping[str, bytes], seal: Seal) -> None:
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

    def _is_whole(self, artefact: _Artefact, stored: bytes) -> bool:
        return all(_fault(self.get(name), digest) is None for name, digest in _digests(artefact, stored).items())

    def _put(self, artefact: _Artefact, contents: Mapping[str, bytes], seal: Seal, stored: bytes | None) -> None:
        if stored is not None:
            self._remove(artefact.seal_name)
        for name, data in contents.items():
            self.fs.pipe_file(f"{self.root}/{name}", data)
        for name in self._strangers(artefact, stored) - contents.keys():
            self._remove(name)
        self.fs.pipe_file(f"{self.root}/{artefact.seal_name}", seal.text.encode())

    def _strangers(self, artefact: _Artefact, stored: bytes | None) -> set[str]:
        """Files of earlier versions: those in the old seal, and all in the artefact's own folder."""
        lines = (stored or b"").decode("utf-8", errors="replace").splitlines()
        sealed = {found[2] for line in lines if (found := _SEAL_LINE.fullmatch(line)) and artefact.owns(found[2])}
        own_folder = f"{self.root}/{artefact.session}"
        self.fs.invalidate_cache(own_folder)
        below = {found.rsplit(f"/{artefact.session}/", 1)[-1] for found in self.fs.find(own_folder)}
        return sealed | {f"{artefact.session}/{name}" for name in below}

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(f"{self.root}/{name}")


def _location(base: "UPath | Path | str") -> "Path | UPath":
    """A plain path for a folder: importing upath and fsspec takes longer than everything else here."""
    if isinstance(base, Path) or (isinstance(base, str) and "://" not in base):
        return Path(base)
    import upath

    try:
        url = upath.UPath(base)
        if url.protocol in ("", "file", "local"):
            return Path(url.path)
        _ = url.fs  # loads the library that this kind of URL needs
    except (ValueError, ImportError) as error:
        raise SettingsError(
            f"the data folder {str(base)!r} can't be used: {error}; expected a folder, or a URL that fsspec knows such "
            "as s3://bucket/prefix, with its library installed"
        ) from error
    return url


def _seal(contents: Mapping[str, bytes]) -> Seal:
    return Seal({name: _digest(data) for name, data in contents.items()}, sum(map(len, contents.values())))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def failures() -> tuple[type[Exception], ...]:
    """What a disk or a remote store raises when it fails.

    s3fs passes on botocore's own errors (no credentials, no connection), which are no `OSError`. They can only come
    where botocore has been imported, so it is not imported for their sake.
    """
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError)


def reason(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error or type(error).__name__)


def _check_asset(asset: str) -> None:
    if not _ASSET.fullmatch(asset):
        raise ValueError(f"{asset!r} is no asset's name; expected lower-case letters, digits and underscores")


def _check_ticker(ticker: str) -> None:
    if not _TICKER.fullmatch(ticker):
        raise InvalidTickerError(
            f"{ticker!r} can't name a folder of artefacts; expected an upper-case ticker such as TSLA, BRK-B or ^GSPC"
        )


def _is_suffix(suffix: str) -> bool:
    return bool(_SUFFIX.fullmatch(suffix)) and suffix != SEAL_SUFFIX


def _check_suffix(suffix: str) -> None:
    if not _is_suffix(suffix):
        raise ValueError(
            f"{suffix!r} is no file of an artefact; expected one such as '.parquet' or '/figures/price.png'"
        )
