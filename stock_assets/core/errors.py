"""Every error this project raises on purpose.

Each message names the ticker and the session where there is one, says what came and what was expected, and
where it helps, what to do next. Whoever catches `StockAssetsError` can print `str(error)` as it stands.

    StockAssetsError
    ├── SettingsError              a setting, the watchlist or a command's argument is wrong
    │   ├── InvalidTickerError     not a ticker at all: "../../etc"
    │   └── UnknownTickerError     a ticker, but not on the watchlist
    ├── SessionError
    │   ├── NotASessionError       a Saturday, a holiday, not a date
    │   └── SessionNotClosedError  a session whose prices are not final yet
    ├── SourceError
    │   ├── SourceUnavailableError time-out, 429, 5xx, garbage: worth another try
    │   │   └── ProvisionalPricesError  the session's bar is not there yet, or not final: worth another try, later
    │   ├── NoPricesError          no such ticker, or nothing up to that session: not worth another try
    │   └── MalformedPricesError   an answer that can't be read as prices: not worth another try
    ├── DataError
    │   ├── BadPricesError         prices that can't be repaired with certainty
    │   ├── SchemaError            a table without the columns, types or ranges it must have
    │   └── InsufficientHistoryError  too few sessions for what was asked
    ├── ModelError                 a model that can't be fitted on the rows given
    │   └── OutOfMemoryError       the memory was not enough: not worth another try
    ├── ModelExpiredError          no model or evaluation within the last ten sessions
    ├── BackfillError              sessions that a backfill could not make
    ├── QuestionsError             a table of questions, or of prices, that can't be answered as a whole
    │   └── TooManyRowsError       more rows than are taken at once
    ├── ArtefactError
    │   ├── MissingArtefactError   never materialised, or deleted
    │   ├── DamagedArtefactError   not the bytes that were written
    │   └── NotWholeError          artefacts that do not belong together
    └── MonitoringError            the monitoring database can't be reached, read or written
"""

import datetime
from collections.abc import Sequence


class StockAssetsError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(StockAssetsError):
    """A setting, the watchlist or a command's argument is wrong."""


class InvalidTickerError(SettingsError):
    """A text that can't be a ticker."""


class UnknownTickerError(SettingsError):
    """A well-formed ticker that is not on the watchlist."""


class SessionError(StockAssetsError):
    """A date that can't be worked on."""


class NotASessionError(SessionError):
    """A date on which the exchange does not open."""


class SessionNotClosedError(SessionError):
    """A session whose prices are not final yet."""


class SourceError(StockAssetsError):
    """A price source did not give usable prices."""


class SourceUnavailableError(SourceError):
    """A passing fault of the source: the only kind of error that is worth a retry.

    `retry_after`: seconds that the source asked to be left alone for; None when it did not say. `timed_out`: whether it
    let us wait until we gave up, which costs the time of whoever is next too.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, timed_out: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.timed_out = timed_out


class ProvisionalPricesError(SourceUnavailableError):
    """The session's own bar is missing, incomplete or still moving, on the evening of that session."""


class NoPricesError(SourceError):
    """The source knows no such ticker, or has nothing up to the session asked for."""


class MalformedPricesError(SourceError):
    """The source answered, but not with something that can be read as prices.

    `payload`: the answer as it came, for a person to look at; None when there is no more than the message.
    """

    def __init__(self, message: str, *, payload: bytes | None = None) -> None:
        super().__init__(message)
        self.payload = payload


class DataError(StockAssetsError):
    """Data that must not travel further down the graph."""


class BadPricesError(DataError):
    """Prices that can't be repaired with certainty.

    `sessions`: all those the message is about; `rule`: the rule of cleaning that halted, None when it was none.
    """

    def __init__(self, message: str, *, sessions: Sequence[datetime.date] = ()) -> None:
        super().__init__(message)
        self.sessions = tuple(sessions)
        self.rule: str | None = None


class SchemaError(DataError):
    """A table without the columns, types or ranges it must have."""


class InsufficientHistoryError(DataError):
    """Too few sessions for what was asked."""


class ModelError(StockAssetsError):
    """A model that can't be fitted on the rows given."""


class OutOfMemoryError(ModelError):
    """A fit that the memory was not enough for."""


class ModelExpiredError(StockAssetsError):
    """No model or evaluation within the last ten sessions. `SAYS` stands in its text, by which monitoring knows it."""

    SAYS = "the model has expired"


class BackfillError(StockAssetsError):
    """Sessions of a ticker that a backfill could not make; the others are made."""


class QuestionsError(StockAssetsError):
    """A table of questions, or of prices, that can't be answered as a whole: no row of it was."""


class TooManyRowsError(QuestionsError):
    """A table with more rows than are taken at once."""


class ArtefactError(StockAssetsError):
    """A stored artefact can't be used."""


class MissingArtefactError(ArtefactError):
    """An artefact that was never materialised, or was deleted."""


class DamagedArtefactError(ArtefactError):
    """An artefact whose bytes are not those that were written."""


class NotWholeError(ArtefactError):
    """Artefacts of a ticker and session that do not belong together: a forecast that its prices and model don't give.

    Some were made again, and others not, or not yet.
    """


class MonitoringError(StockAssetsError):
    """The monitoring database can't be reached, read or written."""
