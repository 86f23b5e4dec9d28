"""What an artefact is called, and its seal: which files it consists of, and the SHA-256 of each.

Pure but for its errors: bytes and names come from whoever reads and writes them (see folders, artefacts).
"""

import dataclasses
import datetime
import hashlib
import re
from collections.abc import Mapping

from stock_assets.core.errors import DamagedArtefactError, InvalidTickerError

SEAL_SUFFIX = ".sha256"

_ASSET = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
# Path safety only: no separator, no leading dot, one spelling for case-insensitive disks. Whether it is a ticker is not
# this room's question.
_TICKER = re.compile(r"[A-Z0-9^=_-][A-Z0-9^=_.-]{0,31}")
_SUFFIX = re.compile(r"(?=[./])(?:\.[a-z0-9]+)*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PART = re.compile(r"(?:\.[a-z0-9]+)+/.+")
_SEAL_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


@dataclasses.dataclass(frozen=True)
class Seal:
    """What an artefact consists of: the SHA-256 of each file by its name beside the seal, and the total of bytes."""

    digests: Mapping[str, str]
    size: int

    @property
    def text(self) -> str:
        """The seal's own content, in the format of `sha256sum`, sorted by name."""
        return as_text(self.digests)

    @property
    def checksum(self) -> str:
        """One SHA-256 for the whole artefact, its name included: changes if and only if a byte or a file changes."""
        return digest(self.text.encode())


@dataclasses.dataclass(frozen=True)
class Artefact:
    """Asset, ticker and session, checked: nothing made from them leaves the store's folder."""

    asset: str
    ticker: str
    session: datetime.date

    def __post_init__(self) -> None:
        check_asset(self.asset)
        check_ticker(self.ticker)
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
        if not _is_suffix(suffix):
            raise ValueError(
                f"{suffix!r} is no file of an artefact; expected one such as '.parquet', '/figures/price.png' or "
                "'.parquet/2024-01-02.parquet'"
            )
        return f"{self.session}{suffix}"

    def suffix(self, name: str) -> str:
        return name.removeprefix(str(self.session))

    def owns(self, name: str) -> bool:
        return name.startswith(str(self.session)) and _is_suffix(self.suffix(name))

    def is_part(self, name: str) -> bool:
        """Whether it is a file of a table's folder: what other sessions may have the same bytes of."""
        return bool(_PART.fullmatch(self.suffix(name)))

    def named_by(self, suffix: str, names: Mapping[str, str]) -> list[str]:
        """Those of `names` that a suffix stands for (see `stands_for`), in order."""
        name = self.file_name(suffix)
        return sorted(found for found in names if stands_for(name, found))


def stands_for(wanted: str, name: str) -> bool:
    """Whether `wanted`, a suffix or a file's name, is that of the file `name`, or of the folder that it lies in."""
    return name == wanted or name.startswith(f"{wanted}/")


def of(contents: Mapping[str, bytes]) -> Seal:
    """The seal of files, name -> bytes."""
    return Seal({name: digest(data) for name, data in contents.items()}, sum(map(len, contents.values())))


def as_text(digests: Mapping[str, str]) -> str:
    """Name -> SHA-256 as lines of `sha256sum`, sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def read(artefact: Artefact, text: bytes) -> dict[str, str]:
    """Name -> SHA-256 of a stored seal. Its names are not trusted: a seal speaks for the artefact's own files only.

    Raises `DamagedArtefactError`.
    """
    digests = names_in(artefact, text)
    if not digests or as_text(digests).encode() != text:
        raise DamagedArtefactError(
            f"{artefact}: the seal {artefact.seal_name} of {artefact.asset} is not what was written: came "
            f"{len(text):,} bytes, {text[:60]!r}; expected lines '<sha256>  {artefact.session}<suffix>' in order; "
            f"{artefact.remedy}, again"
        )
    return digests


def names_in(artefact: Artefact, text: bytes) -> dict[str, str]:
    """As `read`, but what can't be understood is left out: for those who only look for files of the artefact's."""
    lines = map(_SEAL_LINE.fullmatch, text.decode("utf-8", errors="replace").splitlines())
    return {found[2]: found[1] for found in lines if found is not None and artefact.owns(found[2])}


def fault(data: bytes | None, expected: str) -> str | None:
    """What is wrong with a file of which the seal says `expected`; None when nothing is."""
    if data is None:
        return "the file is missing"
    came = digest(data)
    return None if came == expected else f"came {len(data):,} bytes with sha256 {came[:16]}"


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def check_asset(asset: str) -> None:
    """Raises `ValueError`."""
    if not _ASSET.fullmatch(asset):
        raise ValueError(f"{asset!r} is no asset's name; expected lower-case letters, digits and underscores")


def check_ticker(ticker: str) -> None:
    """Raises `InvalidTickerError`."""
    if not _TICKER.fullmatch(ticker):
        raise InvalidTickerError(
            f"{ticker!r} can't name a folder of artefacts; expected an upper-case ticker such as TSLA, BRK-B or ^GSPC"
        )


def _is_suffix(suffix: str) -> bool:
    return bool(_SUFFIX.fullmatch(suffix)) and not stands_for(SEAL_SUFFIX, suffix)
