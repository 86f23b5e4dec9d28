"""The stocks to follow: reading, checking and editing the watchlist file. Nothing here fetches or computes.

    model:                       for every ticker; may be left out
      cost_bps: 10
    groups:                      may be left out, or {} for a group that only names its tickers
      disks:
        model: {horizon: 5}      for every ticker of the group, over what stands above
    tickers:
      - TSLA
      - ticker: STX
        name: Seagate Technology
        group: disks
        tags: [hardware, dividend]
        model:                   for this one, over all the others
          estimator: linear

The keys of `model` are those of core.configuration. A ticker is in one group at most, and has as many tags as it likes:
groups change models, tags are only for finding tickers.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from stock_assets.core import configuration
from stock_assets.core.errors import SettingsError, StockAssetsError, UnknownTickerError
from stock_assets.core.tickers import check_ticker
from stock_assets.storage import atomic

_EXPECTED = (
    "expected a list under 'tickers', each entry a ticker such as TSLA or {ticker: TSLA, name: Tesla, group: cars, "
    "tags: [large], model: ...}, and nothing beside it but 'model' and 'groups'"
)
_TOP = {"tickers", "model", "groups"}
_KEYS = {"ticker", "name", "group", "tags", "model"}
_WORD = re.compile(r"[\w.-]{1,40}")
"""What a group or a tag is called: it is typed on a command line."""
_MOST_TOLD = 20


class _Typed(yaml.SafeLoader):
    """For PyYAML, 1e-4 is a text: YAML 1.1 wants a dot. For people it is a number."""


_Typed.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


@dataclass(frozen=True)
class Entry:
    """One stock on the watchlist; `model` overrides what holds for all."""

    ticker: str
    name: str = ""
    model: configuration.Overrides = field(default_factory=dict, hash=False)
    group: str = ""
    """Empty when it is in none."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watchlist:
    """The stocks of one watchlist file, in its order; `model` overrides the defaults for all of them.

    `groups`: the name of each group and its overrides, in the file's order.
    """

    path: Path
    entries: tuple[Entry, ...]
    model: configuration.Overrides = field(default_factory=dict, hash=False)
    groups: dict[str, configuration.Overrides] = field(default_factory=dict, hash=False)

    @property
    def tickers(self) -> list[str]:
        return [entry.ticker for entry in self.entries]

    @cached_property
    def _of_ticker(self) -> dict[str, Entry]:
        return {entry.ticker: entry for entry in self.entries}

    def overrides(self, ticker: str) -> tuple[configuration.Overrides, ...]:
        """The levels of overrides for a ticker: for all, for its group, its own. For `configuration.combine`."""
        entry = self._of_ticker.get(ticker)
        if entry is None:
            return (self.model,)
        return (self.model, *([self.groups[entry.group]] if entry.group else []), entry.model)

    def chosen(self, group: str | None = None, tag: str | None = None) -> list[Entry]:
        """The entries of a group, with a tag, or both; all when neither is given.

        Raises `SettingsError` for a group or a tag that is not there.
        """
        tags = {one for entry in self.entries for one in entry.tags}
        for kind, asked, known in (("group", group, list(self.groups)), ("tag", tag, sorted(tags))):
            if asked is not None and asked not in known:
                there = f"expected one of {', '.join(known)}" if known else f"it has no {kind}s"
                raise SettingsError(f"watchlist {self.path} has no {kind} {asked!r}; {there}")
        return [
            entry
            for entry in self.entries
            if (group is None or entry.group == group) and (tag is None or tag in entry.tags)
        ]

    def require(self, text: str) -> str:
        """`text` as a ticker of this list.

        Raises `InvalidTickerError` or `UnknownTickerError`.
        """
        ticker = check_ticker(text)
        if ticker not in self._of_ticker:
            raise UnknownTickerError(
                f"{ticker} is not on the watchlist {self.path} ({_told(self.tickers)}); "
                f"add it with: stock-assets watchlist add {ticker}"
            )
        return ticker


def read(path: Path) -> Watchlist:
    """The watchlist in the YAML file `path`.

    Raises `SettingsError` naming the file, line and entry, what came and what was expected; a ticker may stand there
    once, and be in a group that stands under `groups`.
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
    model = _model(typed.get("model"), lambda: f"watchlist {path}")
    groups = _groups(typed.get("groups"), path, model)
    entries: dict[str, Entry] = {}
    for position, (item, its_types) in enumerate(zip(content["tickers"], typed["tickers"], strict=True)):

        def where(of: str = "", position: int = position) -> str:
            return f"watchlist {path}, line {_line(text, position)}, entry {position + 1}{of}"

        entry = _entry(item, where)
        if entry.group and entry.group not in groups:
            known = f"one of {', '.join(groups)}" if groups else "it under 'groups' first"
            raise SettingsError(f"{where(f' ({entry.ticker})')}: unknown group {entry.group!r}; expected {known}")
        if isinstance(its_types, dict):
            own = _model(its_types.get("model"), where, model, groups.get(entry.group, {}), of=entry.ticker)
            entry = replace(entry, model=own)
        if entry.ticker in entries:
            raise SettingsError(f"{where()}: the watchlist names {entry.ticker} twice; expected once")
        entries[entry.ticker] = entry
    return Watchlist(path, tuple(entries.values()), model, groups)


def _typed(text: str, path: Path) -> dict[str, Any]:
    """The same content with numbers, true, false and null, as the settings under `model` need them."""
    try:
        return yaml.load(text, Loader=_Typed)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an unquoted 2024-13-45 is taken for a date
        problem = _where(error) if isinstance(error, yaml.YAMLError) else str(error)
        raise SettingsError(f"watchlist {path} isn't valid YAML: {problem}; {_EXPECTED}") from error


def _groups(given: Any, path: Path, model: configuration.Overrides) -> dict[str, configuration.Overrides]:
    groups = {} if given is None else given
    expected = "expected names of groups such as `disks: {model: {horizon: 5}}`, or `disks: {}`"
    if not isinstance(groups, dict):
        raise SettingsError(f"watchlist {path}, groups is {_short(given)}; {expected}")
    found = {}
    for name, said in groups.items():
        where = f"watchlist {path}, group {name!s}"
        content = {} if said is None else said
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            raise SettingsError(f"{where}: expected a name of letters, digits, '-', '_' and '.', at most 40")
        if not isinstance(content, dict) or not set(content) <= {"model"}:
            raise SettingsError(f"{where} is {_short(said)}; {expected}")
        found[name] = _model(content.get("model"), lambda where=where: where, model)
    return found


def _model(
    given: Any, where: Callable[[], str], *below: configuration.Overrides, of: str = ""
) -> configuration.Overrides:
    """What `model` says, once it is known to be possible over the levels `below`. `where`, `of`: for errors only."""
    level = {} if given is None else given
    place = f" ({of}), model" if of else ", model"
    if not isinstance(level, dict):
        keys = ", ".join(configuration.KEYS)
        raise SettingsError(f"{where()}{place} is {_short(given)}; expected a mapping with keys {keys}")
    try:
        configuration.combine(*below, level)
    except SettingsError as error:
        raise SettingsError(f"{where()}{place}: {error}") from error
    return level


def _entry(item: object, where: Callable[[], str]) -> Entry:
    fields = item if isinstance(item, dict) else {"ticker": item}
    unknown = [str(key) for key in fields if key not in _KEYS]
    if unknown or "ticker" not in fields:
        came = f"{_short(item)}, with the unknown {', '.join(unknown)}" if unknown else _short(item)
        raise SettingsError(f"{where()} is {came}; {_EXPECTED}")
    group, tags = fields.get("group") or "", fields.get("tags") or []
    if not isinstance(group, str):
        raise SettingsError(f"{where()}: group is {_short(group)}; expected the name of one group")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _WORD.fullmatch(tag) for tag in tags):
        expected = "expected a list such as [large, dividend], of letters, digits, '-', '_' and '.'"
        raise SettingsError(f"{where()}: tags is {_short(tags)}; {expected}")
    try:
        return Entry(check_ticker(fields["ticker"]), str(fields.get("name") or ""), group=group, tags=tuple(tags))
    except SettingsError as error:
        raise SettingsError(f"{where()}: {error}") from error


def _line(text: str, position: int) -> int:
    """The line, from 1, on which the entry at `position`, from 0, stands."""
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    [entries] = [value for key, value in root.value if key.value == "tickers"]
    return entries.value[position].start_mark.line + 1


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, {error.problem}"
    return " ".join(str(error).split())


def _short(value: object) -> str:
    return repr(value)[:60]


def _told(tickers: Sequence[str]) -> str:
    """In an error that has to stay readable when there are hundreds."""
    more = f" and {len(tickers) - _MOST_TOLD:,} more" if len(tickers) > _MOST_TOLD else ""
    return f"{', '.join(tickers[:_MOST_TOLD])}{more}"


def add(path: Path, *tickers: str, group: str | None = None) -> Watchlist:
    """Append `tickers` to the file, all or none, keeping its comments and layout; returns the new watchlist.

    Raises `SettingsError` for one that is there already or comes twice, and for an unknown `group`.
    """
    watchlist = read(path)
    watchlist.chosen(group)
    wanted = [check_ticker(ticker) for ticker in tickers]
    for n, ticker in enumerate(wanted):
        if ticker in watchlist.tickers or ticker in wanted[:n]:
            there = f"is on the watchlist {path} already" if ticker in watchlist.tickers else "is to be added twice"
            raise SettingsError(f"{ticker} {there}")
    new = [ticker if group is None else {"ticker": ticker, "group": group} for ticker in wanted]
    return _edit(path, lambda entries: entries.extend(new))


def remove(path: Path, *tickers: str) -> Watchlist:
    """Take `tickers` off the file, all or none, keeping comments and layout; their artefacts stay.

    Returns the new watchlist. What Dagster knows of them stays too, and is seen again once they are back.
    """
    watchlist = read(path)
    unwanted = {check_ticker(ticker) for ticker in tickers}
    if strangers := sorted(unwanted - set(watchlist.tickers)):
        told = f"{', '.join(strangers)} {'is' if len(strangers) == 1 else 'are'}"
        raise UnknownTickerError(f"{told} not on the watchlist {path} ({_told(watchlist.tickers)})")
    if len(unwanted) == len(watchlist.entries):
        told = f"{_told(sorted(unwanted))} is the only entry" if len(unwanted) == 1 else "these are all the entries"
        raise SettingsError(f"{told} of {path}; a watchlist needs at least one")
    positions = [n for n, ticker in enumerate(watchlist.tickers) if ticker in unwanted]

    def drop(entries) -> None:
        for position in reversed(positions):
            entries.pop(position)

    return _edit(path, drop)


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
