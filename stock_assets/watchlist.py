"""The stocks to follow: reading, checking and editing the watchlist file. Nothing here fetches or computes.

    model:                       for every ticker; may be left out
      cost_bps: 10
    tickers:
      - TSLA
      - ticker: STX
        name: Seagate Technology
        model:                   for this one, over what stands above
          estimator: linear
          horizon: 5

The keys of `model` are those of core.configuration.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from stock_assets.core import configuration
from stock_assets.core.errors import SettingsError, StockAssetsError, UnknownTickerError
from stock_assets.core.tickers import check_ticker
from stock_assets.storage import atomic

_EXPECTED = (
    "expected a list under 'tickers', each entry a ticker such as TSLA or {ticker: TSLA, name: Tesla, model: ...}, and "
    "nothing beside it but 'model'"
)
_TOP = {"tickers", "model"}
_KEYS = {"ticker", "name", "model"}


class _Typed(yaml.SafeLoader):
    """For PyYAML, 1e-4 is a text: YAML 1.1 wants a dot. For people it is a number."""


_Typed.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


@dataclass(frozen=True)
class Entry:
    """One stock on the watchlist; `model` overrides what holds for all."""

    ticker: str
    name: str = ""
    model: configuration.Overrides = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Watchlist:
    """The stocks of one watchlist file, in its order; `model` overrides the defaults for all of them."""

    path: Path
    entries: tuple[Entry, ...]
    model: configuration.Overrides = field(default_factory=dict, hash=False)

    @property
    def tickers(self) -> list[str]:
        return [entry.ticker for entry in self.entries]

    def overrides(self, ticker: str) -> tuple[configuration.Overrides, ...]:
        """The levels of overrides for a ticker: those for all, then its own. For `configuration.combine`."""
        return (self.model, *(entry.model for entry in self.entries if entry.ticker == ticker))

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
    unknown = [str(key) for key in content if key not in _TOP] if isinstance(content, dict) else []
    if unknown or not isinstance(content, dict) or not isinstance(content.get("tickers"), list):
        came = f"{_short(content)}, with the unknown {', '.join(unknown)}" if unknown else _short(content)
        raise SettingsError(f"watchlist {path} holds {came}; {_EXPECTED}")
    if not content["tickers"]:
        raise SettingsError(f"watchlist {path} is empty; {_EXPECTED}")
    typed = _typed(text, path)
    model = _model(typed.get("model"), f"watchlist {path}, model", {})
    entries: list[Entry] = []
    for position, (item, its_types) in enumerate(zip(content["tickers"], typed["tickers"], strict=True), start=1):
        entry = _entry(item, position, path)
        if isinstance(its_types, dict):
            where = f"watchlist {path}, entry {position} ({entry.ticker}), model"
            entry = replace(entry, model=_model(its_types.get("model"), where, model))
        if entry.ticker in {earlier.ticker for earlier in entries}:
            raise SettingsError(
                f"watchlist {path} names {entry.ticker} twice (again as entry {position}); expected once"
            )
        entries.append(entry)
    return Watchlist(path, tuple(entries), model)


def _typed(text: str, path: Path) -> dict[str, Any]:
    """The same content with numbers, true, false and null, as the settings under `model` need them."""
    try:
        return yaml.load(text, Loader=_Typed)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an unquoted 2024-13-45 is taken for a date
        problem = _where(error) if isinstance(error, yaml.YAMLError) else str(error)
        raise SettingsError(f"watchlist {path} isn't valid YAML: {problem}; {_EXPECTED}") from error


def _model(given: Any, where: str, below: configuration.Overrides) -> configuration.Overrides:
    """What `model` says, once it is known to be possible over the level `below`."""
    level = {} if given is None else given
    if not isinstance(level, dict):
        raise SettingsError(f"{where} is {_short(given)}; expected a mapping with keys {', '.join(configuration.KEYS)}")
    try:
        configuration.combine(below, level)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    return level


def _entry(item: object, position: int, path: Path) -> Entry:
    fields = item if isinstance(item, dict) else {"ticker": item}
    unknown = [str(key) for key in fields if key not in _KEYS]
    if unknown or "ticker" not in fields:
        came = f"{_short(item)}, with the unknown {', '.join(unknown)}" if unknown else _short(item)
        raise SettingsError(f"watchlist {path}, entry {position} is {came}; {_EXPECTED}")
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
