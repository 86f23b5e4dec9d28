"""A price history in the lines of a CSV: its bars, and the rows that are none.

Cells are judged as by the source csv. Whether the bars make sense is for core.cleaning, what follows from them for
histories.
"""

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stock_assets.core import tickers
from stock_assets.core.errors import InvalidTickerError, QuestionsError, TooManyRowsError
from stock_assets.serving import csv_lines
from stock_assets.sources import base, csv_files

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 50_000
"""Twice as many as there are sessions from 1960 to 2050: the bars of one ticker, and not a file of something else."""

_REQUIRED = ("open", "high", "low", "close", "volume")
_NUMBERS = (*_REQUIRED, "adj close")
_EVENTS = ("dividends", "capital gains", "stock splits")

COLUMNS = ("date", *_NUMBERS, *_EVENTS, "ticker")
"""Names of columns that count, in lower case with single blanks; others are ignored."""


class Unusable(NamedTuple):
    """A row that is no bar: its number, its date as it came, made harmless, and why."""

    row: int
    as_of: str
    error: str


class PriceRows(NamedTuple):
    """Bars of `ticker` in raw form (see sources.base.raw_frame), in order of session; the row that each stands on; and
    the rows that are none."""

    ticker: str
    bars: "pd.DataFrame"
    rows: Mapping[datetime.date, int]
    unusable: list[Unusable]


def read(lines: Iterator[csv_lines.Line], columns: Mapping[str, int], ticker: str | None) -> PriceRows:
    """The history in `lines`, whose header has `columns` (name -> place).

    `ticker`: whose it is; a column `ticker` must agree, and without either it can't be told. Blank lines are nothing.

    Raises `QuestionsError` for a missing column, for no ticker or more than one, and when no row is a bar;
    `TooManyRowsError` for more than `MOST_ROWS` rows.
    """
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise QuestionsError(
            f"the history lacks {', '.join(missing)}; expected the columns Date, Open, High, Low, Close and Volume"
        )
    if ticker is None and "ticker" not in columns:
        raise QuestionsError("whose prices are these? Expected a column ticker, or the ticker beside the table")
    unusable: list[Unusable] = []
    found: list[tuple[datetime.date, int, list[float]]] = []
    for number, cells, error in lines:
        if len(found) + len(unusable) >= MOST_ROWS:
            raise TooManyRowsError(
                f"a history of more than {MOST_ROWS:,} rows; expected the bars of one ticker, one a session"
            )
        if cells is None:
            unusable.append(Unusable(number, "", error or "it can't be read"))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        came = csv_lines.told(cells[columns["date"]])
        try:
            if "ticker" in columns:
                ticker = _same(ticker, cells[columns["ticker"]], number)
            session = _date(came)
        except (ValueError, InvalidTickerError) as fault:
            unusable.append(Unusable(number, came, str(fault)))
            continue
        try:
            events = [_number(name, 0.0, cells, columns) for name in _EVENTS]
        except ValueError as fault:
            # A split that is overlooked would make every return around it, and the forecast, a fiction.
            raise QuestionsError(f"{ticker} {session}, line {number}: {fault}") from fault
        try:
            found.append((session, number, [_number(name, math.nan, cells, columns) for name in _NUMBERS] + events))
        except ValueError as fault:
            unusable.append(Unusable(number, came, str(fault)))
            # What was paid out or split on it happened all the same: cleaning moves that to the bar after it.
            if any(events[:2]) or events[2] not in (0, 1):
                found.append((session, number, [math.nan] * len(_NUMBERS) + events))
    if not found or ticker is None:
        first = f"; the first of them, {unusable[0].row}: {unusable[0].error}" if unusable else ""
        raise QuestionsError(f"no row of the history can be used{first}")
    # Stable: which of two bars of one session is right is for the cleaning to judge.
    found.sort(key=lambda bar: bar[0])
    names = [name.replace(" ", "_") for name in (*_NUMBERS, *_EVENTS)]
    values = zip(*(bar[2] for bar in found), strict=True)
    bars = base.raw_frame([bar[0] for bar in found], dict(zip(names, map(list, values), strict=True)))
    return PriceRows(ticker, bars, {session: row for session, row, _ in found}, unusable)


def _same(ticker: str | None, cell: str, number: int) -> str:
    came = tickers.check_ticker(csv_lines.told(cell))
    if ticker not in (None, came):
        raise QuestionsError(f"line {number}: a bar of {came} in a history of {ticker}; expected one ticker")
    return came


def _date(came: str) -> datetime.date:
    date = csv_files.to_date(came)
    if date is None:
        raise ValueError(f"Date: came {came or 'nothing'}; expected a date like 2024-03-08")
    return date


def _number(name: str, empty: float, cells: Sequence[str], columns: Mapping[str, int]) -> float:
    if name not in columns:
        return empty
    cell = cells[columns[name]]
    number = csv_files.to_number(cell, empty=empty)
    if number is None or (name == "stock splits" and number < 0):
        wanted = "a ratio of at least 0, or nothing" if name == "stock splits" else "a number, or nothing"
        raise ValueError(f"{name.capitalize()}: came {csv_lines.told(cell)}; expected {wanted}")
    return number
