"""The store of artefacts: bytes under a name, written whole or not at all, and verified when read.

An artefact is what one asset holds for one ticker and one session. Its files lie at

    <base>/<asset>/<TICKER>/<YYYY-MM-DD><suffix>      suffix: ".parquet", ".json", "/report.html", "/figures/price.png",
                                                      ".parquet/2024-01-02.parquet", a part of a table (see tables)
    <base>/<asset>/<TICKER>/<YYYY-MM-DD>.sha256       the seal: a line a file, as `sha256sum` writes and checks it

The seal is removed first and written last, so **an artefact without a seal does not exist**: whatever moment a process
is killed at, a reader finds the artefact whole or absent. Bytes that do not match their seal are an error, never data.

`base` is a folder or any fsspec URL. In a folder, files are written under a temporary name, synced and renamed, one
writer at a time for each asset and ticker (an advisory lock, so a POSIX system). Object stores replace an object
atomically and have no locks: there a writer reads back what it sealed, and writes again where another came between.

How files get there lives in folders, what a seal says in seals; what the bytes mean in tables, formats, models.
"""

import datetime
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stock_assets.core.errors import ArtefactError, DamagedArtefactError, MissingArtefactError, SettingsError
from stock_assets.storage import folders, seals
from stock_assets.storage.seals import SEAL_SUFFIX, Artefact, Seal

if TYPE_CHECKING:
    from upath import UPath

__all__ = ["SEAL_SUFFIX", "ArtefactStore", "Seal", "Sealed", "checksum_of", "failures", "reason"]

# Someone else may replace an artefact while it is read.
_ATTEMPTS = 5


class Sealed(NamedTuple):
    """What the seal of a stored artefact says: `Seal.checksum`, and the SHA-256 of each file by its suffix."""

    checksum: str
    files: Mapping[str, str]


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
        artefact = Artefact(asset, ticker, session)
        return self.base / asset / ticker / artefact.file_name(suffix)

    def write(self, asset: str, ticker: str, session: datetime.date, files: Mapping[str, bytes]) -> Seal:
        """Make `files` (suffix -> bytes) the artefact's content, and seal it.

        Files of the artefact's earlier version that are not among them are removed. When the same bytes are there
        already, and whole, nothing is touched.

        Raises `ArtefactError` when it can't be written; the artefact is then absent, or whole as it was before.
        """
        artefact = Artefact(asset, ticker, session)
        if not files:
            raise ValueError(f"{artefact}: {asset} without a file; expected at least one")
        contents = {artefact.file_name(suffix): bytes(data) for suffix, data in files.items()}
        seal = seals.of(contents)
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

        A suffix that is a folder's stands for all files in it: ".parquet" for a table, be it one file or parts.
        Raises `MissingArtefactError` when there is no such artefact, or it has no file of that suffix;
        `DamagedArtefactError` when a file is missing or not the bytes that were written.
        """
        artefact = Artefact(asset, ticker, session)
        folder = self._folder(artefact)
        try:
            return _read(folder, artefact, suffixes)
        except failures() as error:
            raise ArtefactError(f"{artefact}: {asset} could not be read from {folder}: {reason(error)}") from error

    def checksum(self, asset: str, ticker: str, session: datetime.date) -> str:
        """`Seal.checksum` of the stored artefact, taken from its seal alone: its files are not read.

        Raises `MissingArtefactError` when there is no such artefact, `DamagedArtefactError` when its seal is damaged.
        """
        return self.sealed(asset, ticker, session).checksum

    def sealed(self, asset: str, ticker: str, session: datetime.date) -> Sealed:
        """What the seal of the stored artefact says; its files are not read. Raises as `checksum`."""
        artefact = Artefact(asset, ticker, session)
        text, digests = self._sealed(artefact)
        return Sealed(seals.digest(text), {artefact.suffix(name): digests[name] for name in digests})

    def file_checksum(self, asset: str, ticker: str, session: datetime.date, suffix: str) -> str:
        """SHA-256 of one file of the stored artefact, as `sha256sum` gives it, taken from the seal alone.

        Of a folder: that of the seal's lines about its files. Raises as `checksum`; `MissingArtefactError` also when
        the artefact has neither a file nor a folder of that suffix.
        """
        artefact = Artefact(asset, ticker, session)
        _, digests = self._sealed(artefact)
        found = artefact.named_by(suffix, digests)
        if not found:
            raise _without(artefact, [artefact.file_name(suffix)], digests)
        if found == [artefact.file_name(suffix)]:
            return digests[found[0]]
        return seals.digest(seals.as_text({name: digests[name] for name in found}).encode())

    def has(self, asset: str, ticker: str, session: datetime.date) -> bool:
        """Whether the artefact is sealed. Its bytes are not looked at (see `is_whole`)."""
        artefact = Artefact(asset, ticker, session)
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
        seals.check_asset(asset)
        seals.check_ticker(ticker)
        folder = folders.at(self.base / asset / ticker)
        try:
            names = folder.names()
        except failures() as error:
            raise ArtefactError(f"{ticker}: the folder {folder} of {asset} can't be listed: {reason(error)}") from error
        return folders.sealed_sessions(names)

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

    def _folder(self, artefact: Artefact) -> "folders.LocalFolder | folders.RemoteFolder":
        return folders.at(self.base / artefact.asset / artefact.ticker)

    def _sealed(self, artefact: Artefact) -> tuple[bytes, dict[str, str]]:
        """The artefact's seal as it stands, and what it says: name -> SHA-256."""
        folder = self._folder(artefact)
        text = self._seal_text(artefact, folder)
        if text is None:
            raise _missing(artefact, folder)
        return text, seals.read(artefact, text)

    def _seal_text(self, artefact: Artefact, folder: "folders.LocalFolder | folders.RemoteFolder") -> bytes | None:
        try:
            return folder.get(artefact.seal_name)
        except failures() as error:
            raise ArtefactError(
                f"{artefact}: the seal of {artefact.asset} could not be read from {folder}: {reason(error)}"
            ) from error


def checksum_of(session: datetime.date, files: Mapping[str, bytes]) -> str:
    """`Seal.checksum` of an artefact of that session that consists of `files` (suffix -> bytes), all of them."""
    return seals.of({f"{session}{suffix}": data for suffix, data in files.items()}).checksum


def _read(
    folder: "folders.LocalFolder | folders.RemoteFolder", artefact: Artefact, suffixes: Collection[str] | None
) -> dict[str, bytes]:
    text = folder.get(artefact.seal_name)
    for _ in range(_ATTEMPTS):
        if text is None:
            break
        digests = seals.read(artefact, text)
        named = {suffix: artefact.named_by(suffix, digests) for suffix in suffixes or ()}
        absent = [artefact.file_name(suffix) for suffix, names in named.items() if not names]
        if absent:
            raise _without(artefact, absent, digests)
        wanted = sorted(digests) if suffixes is None else [name for names in named.values() for name in names]
        contents = {name: folder.get(name) for name in wanted}
        faults = [
            f"{name}: {came}; expected sha256 {digests[name][:16]}"
            for name, data in contents.items()
            if (came := seals.fault(data, digests[name]))
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


def _missing(artefact: Artefact, folder: "folders.LocalFolder | folders.RemoteFolder") -> MissingArtefactError:
    return MissingArtefactError(
        f"{artefact}: there is no {artefact.asset} (no seal {artefact.seal_name} in {folder}); {artefact.remedy}"
    )


def _without(artefact: Artefact, absent: Collection[str], digests: Collection[str]) -> MissingArtefactError:
    return MissingArtefactError(
        f"{artefact}: {artefact.asset} has no file {', '.join(absent)}; it has {', '.join(sorted(digests))}"
    )


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


def failures() -> tuple[type[Exception], ...]:
    """What a disk or a remote store raises when it fails.

    s3fs passes on botocore's own errors (no credentials, no connection), which are no `OSError`. They can only come
    where botocore has been imported, so it is not imported for their sake.
    """
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError)


def reason(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error or type(error).__name__)
