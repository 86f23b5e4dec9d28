"""Prices from a folder with one `<TICKER>.csv` a ticker, in the columns of Yahoo's own download.

Reading and the form of cells live here; whether prices make sense is for core.cleaning and core.validation.
"""

import csv
import datetime as dt
import io
import math
import re
from pathlib import Path

from stock_assets.core import errors
from stock_assets.sources import base

_SESSION = "Date"
# Absent column or empty cell: nothing happened.
_EVENTS = {
    name: column
    for name, column in base.YAHOO_HEADINGS.items()
    if column in ("dividends", "capital_gains", "stock_splits")
}
_NUMBERS = {name: column for name, column in base.YAHOO_HEADINGS.items() if name not in _EVENTS}
_SPLITS = "Stock Splits"

# What Yahoo's download and pandas write where there is no number.
_MISSING = frozenset({"", "null", "nan"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# A time after the date is what yfinance's own frames have when saved: 2024-03-08 00:00:00-05:00, in exchange time.
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]\d{2}:\d{2}.*)?", re.ASCII)
_SHOWN_TICKERS = 10


class CsvSource:
    """Files `<TICKER>.csv` in `folder`, all in the basis of their last row.

    Columns Date, Open, High, Low, Close, Adj Close, Volume; optional Dividends, Capital Gains and Stock Splits
    (absent: 0); others are ignored. Rows may come in any order. A cell that is empty, `null` or `NaN` is a missing
    number.

    Point in time: of the rows after the session asked for, only Date and Stock Splits are read strictly, because the
    re-basing needs them. Anything unreadable in their other cells becomes a missing number.
    """

    name = "csv"

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def fetch(self, ticker: str, session: dt.date) -> base.PriceHistory:
        """The whole file, sorted by session; repeated sessions stay repeated, in the file's order.

        Raises `SettingsError` (no folder), `NoPricesError` (no file; no row up to `session`),
        `MalformedPricesError` (with file, line, column, what came and what was expected) and
        `SourceUnavailableError` (the operating system can't read the file now).
        """
        ticker = base.check_ticker(ticker)
        path = self._path(ticker, session)
        rows = _read(path, ticker, session)
        sessions = [row[0] for row in rows]
        if not sessions or sessions[0] > session:
            known = f"the first session in {path} is {sessions[0]}" if sessions else f"{path} has no rows"
            raise errors.NoPricesError(f"{ticker} {session}: no prices up to this session; {known}")
        names = [*_NUMBERS.values(), *_EVENTS.values()]
        columns = {name: [row[1][name] for row in rows] for name in names}
        return base.PriceHistory(ticker, base.raw_frame(sessions, columns), self.name, None)

    def _path(self, ticker: str, session: dt.date) -> Path:
        if self.folder is None or not self.folder.is_dir():
            came = "it is not set" if self.folder is None else f"{self.folder} is not a folder"
            raise errors.SettingsError(
                f"{ticker} {session}: the csv source reads STOCK_ASSETS_PRICES_DIR; {came}; "
                "expected a folder of <TICKER>.csv files"
            )
        path = self.folder / f"{ticker}.csv"
        if not path.is_file():
            tickers = sorted(file.stem for file in self.folder.glob("*.csv"))
            shown = ", ".join(tickers[:_SHOWN_TICKERS]) or "none"
            more = f" and {len(tickers) - _SHOWN_TICKERS} more" if len(tickers) > _SHOWN_TICKERS else ""
            raise errors.NoPricesError(f"{ticker} {session}: no file {path}; tickers in that folder: {shown}{more}")
        return path


def _read(path: Path, ticker: str, session: dt.date) -> list[tuple[dt.date, dict[str, float]]]:
    def malformed(text: str, line: int | None = None) -> errors.MalformedPricesError:
        place = f"{path}, line {line}" if line else f"{path}"
        return errors.MalformedPricesError(f"{ticker} {session}: {place}: {text}")

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed(f"byte {error.start} is not UTF-8; expected a UTF-8 text file") from error
    except OSError as error:
        raise errors.SourceUnavailableError(
            f"{ticker} {session}: {path} can't be read now: {error.strerror}"
        ) from error

    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        expected = [_SESSION, *_NUMBERS]
        if not header:
            raise malformed(f"the file is empty; expected the columns {', '.join(expected)}")
        if repeated := sorted({name for name in header if header.count(name) > 1}):
            raise malformed(f"the header repeats {', '.join(map(repr, repeated))}; expected each column once", 1)
        if missing := [name for name in expected if name not in header]:
            raise malformed(f"the header lacks {', '.join(missing)}; came: {', '.join(header)}", 1)

        rows = []
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            line = lines.line_num
            came = dict(zip(header, cells, strict=False))
            date = to_date(came.get(_SESSION, ""))
            if date is None:
                raise malformed(f"column Date: came {came.get(_SESSION, '')!r}; expected a date like 2024-03-08", line)
            if date <= session and len(cells) != len(header):
                raise malformed(f"came {len(cells)} cells; expected {len(header)}, as in the header", line)
            values = {}
            for column, name in (_NUMBERS | _EVENTS).items():
                if column not in header:
                    values[name] = 0.0
                    continue
                # A row cut short says nothing about splits, not "no split".
                empty = 0.0 if column in _EVENTS else math.nan
                value = to_number(came[column], empty=empty) if column in came else None
                if column == _SPLITS and value is not None and value < 0:
                    value = None
                if value is None:
                    if date <= session or column == _SPLITS:
                        wanted = "a ratio of at least 0, or nothing" if column == _SPLITS else "a number, or nothing"
                        what = repr(came[column]) if column in came else "no cell"
                        raise malformed(f"column {column}: came {what}; expected {wanted}", line)
                    value = 0.0 if column in _EVENTS else math.nan
                values[name] = value
            rows.append((date, values))
    except csv.Error as error:
        raise malformed(f"{error}; expected comma-separated cells", lines.line_num) from error
    # Files with the newest row first are common and lose nothing by sorting. The sort is stable: which of two rows of
    # one session is right is for the cleaning to judge.
    return sorted(rows, key=lambda row: row[0])


def to_date(cell: str) -> dt.date | None:
    """The cell's date, YYYY-MM-DD with or without a time after it; None where there is something else."""
    match = _DATE.fullmatch(cell.strip())
    if match is None:
        return None
    try:
        return dt.date.fromisoformat(match[1])
    except ValueError:
        return None


def to_number(cell: str, *, empty: float) -> float | None:
    """The cell's number, `empty` where there is none, None where there is something else."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return empty
    if _NUMBER.fullmatch(cell) is None:
        return None
    number = float(cell)
    return number if math.isfinite(number) else None
