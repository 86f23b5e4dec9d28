"""What a table is made of: cells that know which result they show, rows, and the results looked up by path. No HTML.

Every number is taken from a result by its path, such as `evaluation.classification.accuracy`; the cell keeps the path
and the raw value, so that a page can be checked against the JSON it was made from.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from stock_assets.core import errors
from stock_assets.reporting import wording

TOO_SHORT = "not defined: history too short"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value as a person reads it, and where it came from; without a path it is only text.

    `missing` says why there is no value, `note` stands small below it, `upto` is the other end of a range.
    """

    text: str
    key: str | None = None
    value: str | None = None
    missing: str | None = None
    note: str = ""
    look: str = ""
    upto: "Cell | None" = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A name, what it means, and its cells."""

    name: Cell
    cells: tuple[Cell, ...]
    meaning: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under column heads; `first` is the head above the names."""

    ident: str
    caption: str
    first: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


NOTHING = Cell("")


class Results:
    """The results a report is made from, looked up by path. Raises `SchemaError` for a path that is not there."""

    def __init__(self, documents: Mapping[str, Any], *, ticker: str, as_of: datetime.date) -> None:
        self._documents = documents
        self._where = f"{ticker} {as_of}"

    def value(self, path: str) -> Any:
        """What stands at `path`; None when it, or something it is a part of, is null."""
        found: Any = self._documents
        for depth, name in enumerate(path.split(".")):
            if found is None:
                return None
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                parent = ".".join(path.split(".")[:depth])
                raise errors.SchemaError(f"{self._where}: the report needs {path}; {parent} has no {name}") from error
        return found

    def cell(self, path: str, write: wording.Writer, *, why: str = TOO_SHORT, note: str = "") -> Cell:
        """The number at `path` as a cell; `why` says what it means when it is null."""
        number = self.value(path)
        if number is None:
            return Cell(wording.UNDEFINED, path, "null", self._reason(path) or why, note)
        return Cell(write(number), path, repr(number), None, note)

    def _reason(self, path: str) -> str | None:
        """Why the evaluation, or the track record, says that a number of its is null."""
        document, _, rest = path.partition(".")
        reason = self.value(f"{document}.reasons").get(rest) if document in ("evaluation", "record") else None
        return f"not defined: {reason}" if reason else None

    def session_cell(self, path: str, *, why: str = TOO_SHORT) -> Cell:
        """The session at `path` as a cell."""
        day = self.value(path)
        if day is None:
            return Cell(wording.UNDEFINED, path, "null", why)
        return Cell(wording.session(day), path, str(day))

    def compared(self, path: str, naive: str, write: wording.Writer, *, lower: bool, note: str) -> tuple[Cell, ...]:
        """The number at `path`, the naive forecast's at `naive`, and which is better."""
        model, beside = self.cell(path, write), self.cell(naive, write, note=note)
        return model, beside, _judged(model, beside, lower=lower)

    def against(self, path: str, baseline: float, write: wording.Writer, *, lower: bool, note: str) -> tuple[Cell, ...]:
        """The number at `path` beside a baseline that holds by definition."""
        model, beside = self.cell(path, write), Cell(write(baseline), value=repr(baseline), note=note)
        return model, beside, _judged(model, beside, lower=lower)


def _judged(model: Cell, naive: Cell, *, lower: bool) -> Cell:
    """Which of two cells is better, as far as the digits shown tell; luck is the business of the test."""
    if model.missing or naive.missing:
        return NOTHING
    if model.text == naive.text:
        return Cell("equal")
    first, second = float(str(model.value)), float(str(naive.value))
    return Cell("better" if (first < second) == lower else "worse")


def row(name: str, *cells: Cell, meaning: str = "") -> Row:
    """A row of this name, what it means, and its cells."""
    return Row(Cell(name), cells, meaning)
