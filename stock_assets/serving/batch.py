"""A CSV of questions in, a CSV of forecasts out: each line in its place, however many, whatever they hold.

Two kinds are told apart by their header. A list has a column `ticker`, with or without `as_of`; each row is a question,
and other columns are ignored. A history has `Date` and `Close`, and no `as_of`: the prices of one ticker, and the
question is what comes after the last bar (see price_rows, histories).

How lines are read and what is safe to write stands in csv_lines; what a forecast's cells are, in answers. Memory
does not grow with the number of rows: the questions wait in a temporary file.
"""

import collections
import contextlib
import dataclasses
import datetime
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, NamedTuple

from stock_assets.core import sessions, tickers
from stock_assets.core.errors import (
    ArtefactError,
    MissingArtefactError,
    QuestionsError,
    SessionError,
    StockAssetsError,
    TooManyRowsError,
)
from stock_assets.serving import answers, csv_lines, histories, price_rows
from stock_assets.serving.config import Config
from stock_assets.serving.forecasts import Forecast, Forecasts

COLUMNS = ("row", *answers.COLUMNS, "error")
"""Of the answer. `row` is the number of the line asked in, the header being line 1 as a rule."""

Served = Callable[[Forecast, int], object]
"""Is told a forecast, and on how many of the rows that go out next it stands."""

_HISTORY = frozenset({"date", "close"})
# Rows that go out together: about a megabyte.
_BLOCK = 2000
# Different questions whose answers are kept ready, and the characters of the longest of them.
_KEPT = 10_000
_LONGEST_KEPT = 64
_IN_MEMORY = 1024**2


class Header(NamedTuple):
    """Where the columns of a table stand: by name, in lower case with single blanks."""

    number: int
    columns: Mapping[str, int]

    @property
    def is_history(self) -> bool:
        return self.columns.keys() >= _HISTORY and "as of" not in self.columns


def header_of(line: csv_lines.Line | None) -> Header:
    """The header in the first line of a table. Raises `QuestionsError` when it is neither a list's nor a history's."""
    expected = "expected a header with a column ticker, or with Date and Close"
    if line is None:
        raise QuestionsError(f"the table is empty; {expected}")
    if line.cells is None:
        raise QuestionsError(f"line {line.number} can't be read: {line.error}; {expected}")
    names = [" ".join(cell.replace("_", " ").replace("-", " ").casefold().split()) for cell in line.cells]
    header = Header(line.number, {name: place for place, name in enumerate(names)})
    known = price_rows.COLUMNS if header.is_history else ("ticker", "as of")
    if repeated := [name for name in known if names.count(name) > 1]:
        raise QuestionsError(f"line {line.number}: the header repeats {', '.join(repeated)}; expected each once")
    if not header.is_history and "ticker" not in header.columns:
        raise QuestionsError(f"line {line.number}: came {csv_lines.told(', '.join(line.cells))}; {expected}")
    return header


class Answer(Iterator[bytes]):
    """The answer's CSV in parts, each of whole lines. Whoever has it closes it, at its end or before.

    `rows`: lines of the table after its header. So far: `given`, how many of them were dealt with; `predicted`, rows of
    the answer with a forecast; `failed`, those with an error.
    """

    def __init__(
        self, rows: int, parts: Callable[["Answer"], Iterator[bytes]], resources: contextlib.ExitStack
    ) -> None:
        self.rows = rows
        self.given = self.predicted = self.failed = 0
        self._parts = parts(self)
        self._resources = resources

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Give back the temporary file. What was not asked for yet is not given any more."""
        self._parts = iter(())
        self._resources.close()


def answer(
    stream: csv_lines.Readable,
    forecasts: Forecasts,
    config: Config,
    *,
    ticker: str | None = None,
    allow_stale: bool = False,
    served: Served | None = None,
) -> Answer:
    """The answer to the table in `stream`, which is read to its end first.

    All rows are answered as of one moment, and from one snapshot of each ticker and session from beginning to end.

    A list: one row for each line, in its place: the forecast, or what came and the error. A forecast that may not be
    relied on any more is an error where the row has no `as_of`, unless `allow_stale`.

    A history: one row with the forecast after the last bar, in the place of that bar, and one for each bar that could
    not be used.

    Args:
        stream: The table: UTF-8, or UTF-16 with its mark; commas, semicolons or tabs.
        forecasts: What answers come from.
        config: Limits, deadline and clock.
        ticker: Whose history it is, when it has no column `ticker`.
        allow_stale: Give forecasts that are stale or whose model has expired too.
        served: Called before the rows go out that a forecast stands on.

    Raises:
        QuestionsError: The table as a whole can't be answered; TooManyRowsError: it has more rows than
            `config.max_rows`.
        StockAssetsError: Otherwise only for a history, that no forecast could be made from.
        ArtefactError: There is no room for the temporary file.
    """
    if ticker is not None:
        ticker = tickers.check_ticker(ticker)
    with contextlib.ExitStack() as stack:
        # What is in it is deleted by the system as soon as it is closed, however this process ends.
        questions = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        n_lines = _keep(stream, questions, config.max_rows)
        lines = csv_lines.read(iter(functools.partial(questions.read, csv_lines.CHUNK), b""))
        header = header_of(next(lines, None))
        if header.is_history:
            parts = _History(lines, header, ticker, forecasts, config, served).parts
        else:
            _require_no_ticker(ticker)
            parts = functools.partial(_List(forecasts, config, allow_stale, served).parts, lines, header)
        return Answer(n_lines - header.number, parts, stack.pop_all())


def _require_no_ticker(ticker: str | None) -> None:
    if ticker is not None:
        raise QuestionsError(
            f"the table is a list with tickers of its own; expected a history with Date and Close of {ticker}"
        )


def _keep(stream: csv_lines.Readable, questions: IO[bytes], max_rows: int) -> int:
    """Put the table's text, as `csv_lines.utf8` makes it, into the file `questions`; returns its number of lines.

    A client that sends everything before it reads anything is not kept waiting.
    """
    n_lines, ended = 0, True
    for text in csv_lines.utf8(stream):
        n_lines, ended = n_lines + text.count(b"\n"), text.endswith(b"\n")
        if n_lines + (not ended) > max_rows + 1:
            raise TooManyRowsError(f"more than {max_rows:,} rows; expected at most as many at once: send them in parts")
        try:
            questions.write(text)
        except OSError as error:
            raise ArtefactError(
                f"the questions can't be kept in {tempfile.gettempdir()} while they are answered: {error.strerror}"
            ) from error
    questions.seek(0)
    return n_lines + (not ended)


class _Ready:
    """An answer that is ready for every row with the same question: its line but for the row's number."""

    __slots__ = ("forecast", "tail")

    def __init__(self, tail: bytes, forecast: Forecast | None = None) -> None:
        self.tail = tail
        self.forecast = forecast


class _List:
    """Answers rows that are questions."""

    def __init__(self, forecasts: Forecasts, config: Config, allow_stale: bool, served: Served | None) -> None:
        self._forecasts = forecasts
        self._now, self._deadline = config.clock(), config.deadline
        self._allow_stale = allow_stale
        self._served = served
        self._ready: dict[tuple[str, str], _Ready] = {}
        self._newest: dict[str, Forecast] = {}
        # What each ticker and session was answered from: as much as there is stored, and not as much as is asked.
        self._seen: dict[str, dict[datetime.date, str]] = collections.defaultdict(dict)

    def parts(self, lines: Iterator[csv_lines.Line], header: Header, progress: Answer) -> Iterator[bytes]:
        yield csv_lines.line(COLUMNS)
        ticker, as_of = header.columns["ticker"], header.columns.get("as of")
        ready = self._ready
        block: list[bytes] = []
        used: list[_Ready] = []
        for number, cells, error in lines:
            if cells:
                question = (cells[ticker], "" if as_of is None else cells[as_of])
                found = ready.get(question) or self._answer(*question)
            else:
                found = _Ready(failed("", "", error or "a blank line; expected a ticker"))
            block.append(b"%d,%s" % (number, found.tail))
            used.append(found)
            if len(block) == _BLOCK:
                yield self._out(block, used, progress)
        if block:
            yield self._out(block, used, progress)

    def _out(self, block: list[bytes], used: list[_Ready], progress: Answer) -> bytes:
        times = collections.Counter(used)
        for found, n in times.items():
            if found.forecast is None:
                progress.failed += n
                continue
            progress.predicted += n
            if self._served is not None:
                self._served(found.forecast, n)
        progress.given += len(block)
        part = b"".join(block)
        block.clear()
        used.clear()
        if len(self._ready) > _KEPT:
            self._ready.clear()
        return part

    def _answer(self, ticker_cell: str, as_of_cell: str) -> _Ready:
        # What came is made harmless before it is judged, so that it is so in every message too.
        ticker, as_of = csv_lines.told(ticker_cell), csv_lines.told(as_of_cell)
        try:
            found = self._good(ticker, as_of)
        except StockAssetsError as error:
            found = _Ready(failed(ticker, as_of, _in_words(error, ticker, as_of)))
        if len(ticker_cell) + len(as_of_cell) <= _LONGEST_KEPT:
            self._ready[ticker_cell, as_of_cell] = found
        return found

    def _good(self, ticker_text: str, as_of_text: str) -> _Ready:
        if not ticker_text:
            raise QuestionsError("no ticker; expected one such as TSLA")
        ticker = tickers.check_ticker(ticker_text)
        if as_of_text:
            forecast = self._forecasts.of(ticker, sessions.to_session(as_of_text))
        else:
            forecast = self._newest.get(ticker) or self._forecasts.newest(ticker)
        seen = self._seen[ticker].setdefault(forecast.as_of, forecast.forecast_checksum)
        if seen != forecast.forecast_checksum:
            raise QuestionsError(
                f"{ticker} {forecast.as_of}: the forecast was replaced while this table was answered, and the rows "
                "before have the former one; ask again"
            )
        standing = answers.standing(forecast, self._now, self._deadline)
        if not as_of_text:
            self._newest[ticker] = forecast
            if not self._allow_stale and (refused := answers.refusal(standing)):
                raise QuestionsError(f"{ticker}: {refused}")
        return _Ready(csv_lines.line([*answers.as_cells(forecast, standing), ""]), forecast)


class _History:
    """Answers a table that is one ticker's prices."""

    def __init__(
        self,
        lines: Iterator[csv_lines.Line],
        header: Header,
        ticker: str | None,
        forecasts: Forecasts,
        config: Config,
        served: Served | None,
    ) -> None:
        history, now = price_rows.read(lines, header.columns, ticker), config.clock()
        try:
            found, left_out = histories.forecast_of(history.bars, history.ticker, forecasts, now=now)
        except SessionError as error:
            # About the table's last bar, not about a date that somebody asked for.
            raise QuestionsError(f"{history.ticker}, the last bar: {error}") from error
        bad = {row.row: (row.as_of, row.error) for row in history.unusable}
        bad = {history.rows[date]: (str(date), reason) for date, reason in left_out.items()} | bad
        if bad:
            told = f"rows of the history that could not be used: {len(bad):,}"
            found = dataclasses.replace(found, warnings=(told, *found.warnings))
        cells = answers.as_cells(found, answers.standing(found, now, config.deadline))
        self._rows = {row: failed(history.ticker, as_of, error) for row, (as_of, error) in bad.items()}
        self._rows[history.rows[found.as_of]] = csv_lines.line([*cells, ""])
        self._forecast, self._served = found, served

    def parts(self, progress: Answer) -> Iterator[bytes]:
        yield csv_lines.line(COLUMNS)
        if self._served is not None:
            self._served(self._forecast, 1)
        progress.given, progress.predicted, progress.failed = progress.rows, 1, len(self._rows) - 1
        yield b"".join(b"%d,%s" % row for row in sorted(self._rows.items()))


def failed(ticker: str, as_of: str, error: str) -> bytes:
    """The line of a row without a forecast, but for its number: what came, and why. Texts are harmless already."""
    given = {"ticker": ticker, "as_of": as_of}
    return csv_lines.line([*(given.get(column, "") for column in answers.COLUMNS), " ".join(error.split())])


def _in_words(error: StockAssetsError, ticker: str, as_of: str) -> str:
    """The error as a stranger may read it: what is wrong with stored files names folders of this machine."""
    who = f"{ticker} {as_of}".strip()
    if isinstance(error, MissingArtefactError):
        return f"{who}: no forecast of this {'session' if as_of else 'ticker'} is stored"
    if isinstance(error, ArtefactError):
        return f"{who}: the stored forecast is damaged, or is being replaced; ask again later"
    return str(error)
