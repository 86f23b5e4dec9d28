"""The stocks to follow: reading, checking and editing the watchlist file. Nothing here fetches or computes."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from stock_assets.core.errors import SettingsError, StockAssetsError, UnknownTickerError
from stock_assets.core.tickers import check_ticker
from stock_assets.storage import atomic

_EXPECTED = "expected a list under 'tickers', each entry a ticker such as TSLA or {ticker: TSLA, name: Tesla}"
_KEYS = {"ticker", "name"}


@dataclass(frozen=True)
class Entry:
    """One stock on the watchlist."""

    ticker: str
    name: str = ""


@dataclass(frozen=True)
class Watchlist:
    """The stocks of one watchlist file, in its order."""

    path: Path
    entries: tuple[Entry, ...]

    @property
    def tickers(self) -> list[str]:
        return [entry.ticker for entry in self.entries]

    def require(self, text: str) -> str:
        """`text` as a ticker of this list.

        Raises `InvalidTickerError` or `UnknownTickerError`.
        """
        ticker = check_ticker(text)
        if ticker not in self.tickers:
            raise UnknownTickerError(
                f"{ticker} is not on the watchlist {self.path} ({', '.join(self.tickers)}); "
                f"add it with: stock-assets watchlist add {ticker}"
            )
        return ticker


def read(path: Path) -> Watchlist:
    """The watchlist in the YAML file `path`.

    Raises `SettingsError` naming the file, the entry, what came and what was expected; a ticker may stand there once.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError as error:
        raise SettingsError(f"watchlist {path} does not exist; set STOCK_ASSETS_WATCHLIST or create it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"watchlist {path} can't be read as UTF-8 text: {error}") from error


def parse(text: str, path: Path) -> Watchlist:
    """The watchlist in the YAML `text`; `path` is named in errors only."""
    try:
        # BaseLoader leaves every word a text: the tickers ON and NO are no booleans.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise SettingsError(f"watchlist {path} isn't valid YAML: {_where(error)}; {_EXPECTED}") from error
    if not isinstance(content, dict) or set(content) != {"tickers"} or not isinstance(content["tickers"], list):
        raise SettingsError(f"watchlist {path} holds {_short(content)}; {_EXPECTED}")
    if not content["tickers"]:
        raise SettingsError(f"watchlist {path} is empty; {_EXPECTED}")
    entries: list[Entry] = []
    for position, item in enumerate(content["tickers"], start=1):
        entry = _entry(item, position, path)
        if entry.ticker in {earlier.ticker for earlier in entries}:
            raise SettingsError(
                f"watchlist {path} names {entry.ticker} twice (again as entry {position}); expected once"
            )
        entries.append(entry)
    return Watchlist(path, tuple(entries))


def _entry(item: object, position: int, path: Path) -> Entry:
    fields = item if isinstance(item, dict) else {"ticker": item}
    unknown = set(fields) - _KEYS
    if unknown or "ticker" not in fields:
        raise SettingsError(f"watchlist {path}, entry {position} is {_short(item)}; {_EXPECTED}")
    try:
        return Entry(check_ticker(fields["ticker"]), str(fields.get("name") or ""))
    except SettingsError as error:
        raise SettingsError(f"watchlist {path}, entry {position}: {error}") from error


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, {error.problem}"
    return " ".join(str(error).split())


def _short(value: object) -> str:
    return repr(value)[:60]


def add(path: Path, ticker: str) -> Watchlist:
    """Append `ticker` to the file, keeping its comments and layout; returns the new watchlist."""
    watchlist = read(path)
    ticker = check_ticker(ticker)
    if ticker in watchlist.tickers:
        raise SettingsError(f"{ticker} is on the watchlist {path} already")
    return _edit(path, lambda entries: entries.append(ticker))


def remove(path: Path, ticker: str) -> Watchlist:
    """Take `ticker` off the file, keeping comments and layout; its artefacts stay. Returns the new watchlist."""
    watchlist = read(path)
    ticker = check_ticker(ticker)
    if ticker not in watchlist.tickers:
        raise UnknownTickerError(f"{ticker} is not on the watchlist {path} ({', '.join(watchlist.tickers)})")
    position = watchlist.tickers.index(ticker)
    if len(watchlist.entries) == 1:
        raise SettingsError(f"{ticker} is the only entry of {path}; a watchlist needs at least one")
    return _edit(path, lambda entries: entries.pop(position))


def _edit(path: Path, change) -> Watchlist:
    # ruamel.yaml keeps comments; it is slower to import than PyYAML, so it is for editing only.
    from io import StringIO

    from ruamel.yaml import YAML

    editor = YAML()
    editor.indent(mapping=2, sequence=4, offset=2)
    document = editor.load(path.read_text(encoding="utf-8"))
    change(document["tickers"])
    stream = StringIO()
    editor.dump(document, stream)
    edited = parse(stream.getvalue(), path)
    try:
        atomic.write_bytes(path, stream.getvalue().encode())
    except OSError as error:
        raise StockAssetsError(f"watchlist {path} can't be written: {error}") from error
    return edited
