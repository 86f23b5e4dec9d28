"""The stored forecasts: whole, verified, and cached until a newer one lands.

An answer is one snapshot or none. Of each ticker the newest whole one is held in memory, and goes on being told while
the store is damaged or somebody is at work on it; `troubles` says so. It is looked for anew at most every
`refresh_seconds`, by the seals, and read only where those have changed.

What makes a snapshot whole lives in reading, what is told of a forecast in answers.
"""

import datetime
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stock_assets.core import sessions, tickers
from stock_assets.core.errors import (
    ArtefactError,
    InvalidTickerError,
    MissingArtefactError,
    NotWholeError,
    StockAssetsError,
)
from stock_assets.serving.forecast import Forecast as Forecast
from stock_assets.serving.reading import Marks, Reader
from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core.modelling import Model

PAST_HELD = 4096

LISTING_SECONDS = 5.0
"""How long a listing of all tickers is told, and longer where listing takes more than 5 % of that."""

FURTHER_BACK = 10
"""Sessions that are looked at for one that is whole, when the newest is not and none is held."""

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.05

_LONGEST_WAIT = 60.0
"""Seconds until what could not be read is read again though nothing seems to have been touched."""


@dataclass
class _Failure:
    """A session that could not be read as it lay then."""

    marks: Marks
    told: str
    again_at: float
    wait: float


@dataclass
class _Line:
    """What is held of one ticker. Written under its lock; `forecast` is read without, as it is replaced at once."""

    ticker: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    forecast: Forecast | None = None
    marks: Marks = ()
    look_at: float = 0.0
    newest: datetime.date | None = None
    """The newest session that is sealed, whole or not."""
    trouble: str | None = None
    failures: dict[datetime.date, _Failure] = field(default_factory=dict)


@dataclass
class _Past:
    forecast: Forecast
    marks: Marks
    look_at: float


class Forecasts:
    """Forecasts of a store, for any number of threads.

    `monotonic`: seconds, by a clock that never goes back.
    """

    def __init__(
        self,
        store: ArtefactStore,
        *,
        refresh_seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reader = Reader(store)
        self._refresh = refresh_seconds
        self._monotonic = monotonic
        self._lines: dict[str, _Line] = {}
        self._past: OrderedDict[tuple[str, datetime.date], _Past] = OrderedDict()
        self._listing: dict[str, datetime.date] = {}
        self._list_at = -1.0
        self._lock = threading.Lock()
        self._listing_lock = threading.Lock()

    def newest(self, ticker: str) -> Forecast:
        """The forecast of the newest session that is whole.

        Raises `InvalidTickerError`; `MissingArtefactError` when there is none of that ticker; `NotWholeError` when
        there is one, but none that is whole.
        """
        line = self._lines.get(ticker)
        if line is None or self._monotonic() >= line.look_at:
            line = self._looked(ticker)
        if (found := line.forecast) is None:
            raise NotWholeError(line.trouble or f"{line.ticker}: no forecast is whole")
        return found

    def of(self, ticker: str, as_of: datetime.date) -> Forecast:
        """The stored forecast of one session.

        Of the newest session it is verified as in `newest`. Of one that has passed it is told even if what it was made
        with was deleted or made again, with a warning.

        Raises `InvalidTickerError`, `NotASessionError`; `MissingArtefactError` when there is none; `NotWholeError` when
        it is the newest and not whole, or is being replaced; `DamagedArtefactError`.
        """
        session = sessions.to_session(as_of)
        line = self._looked(ticker)
        if (newest := line.forecast) is not None and newest.as_of == session:
            return newest
        if session == line.newest:
            raise NotWholeError(line.trouble or f"{line.ticker} {session}: the forecast is not whole")
        key = (line.ticker, session)
        with self._lock:
            held = self._past.get(key)
            if held is not None:
                self._past.move_to_end(key)
        if held is None or self._monotonic() >= held.look_at:
            with line.lock:
                return self._of_the_past(line.ticker, session)
        return held.forecast

    def known(self, ticker: str) -> bool:
        """Whether there is any forecast of that ticker. Raises `InvalidTickerError`, `ArtefactError`."""
        return ticker in self._lines or bool(self._store.sessions("predictions", tickers.check_ticker(ticker)))

    def tickers(self) -> list[str]:
        """Tickers with a forecast, in order; a listing may be some seconds old."""
        return sorted(self.newest_sessions())

    def newest_sessions(self) -> dict[str, datetime.date]:
        """Ticker -> the newest session with a forecast, sealed but not looked into; may be some seconds old.

        Raises `ArtefactError` when the store can't be listed.
        """
        if self._monotonic() >= self._list_at and self._listing_lock.acquire(blocking=self._list_at < 0):
            try:
                start = self._monotonic()
                if start >= self._list_at:
                    self._listing = self._listed()
                    end = self._monotonic()
                    self._list_at = end + max(LISTING_SECONDS, 20 * (end - start))
            finally:
                self._listing_lock.release()
        return dict(self._listing)

    def troubles(self) -> dict[str, str]:
        """Ticker -> why its newest stored forecast is not the one that is told; of tickers asked for so far."""
        for ticker in [line.ticker for line in list(self._lines.values()) if line.trouble]:
            try:
                self._looked(ticker)
            except (MissingArtefactError, NotWholeError):
                continue  # nothing is held any more: it is no trouble of a forecast that is told
        return {line.ticker: line.trouble for line in list(self._lines.values()) if line.trouble}

    def model_for(self, ticker: str, as_of: datetime.date) -> "tuple[Model, dict[str, Any], str]":
        """The model and the evaluation that a forecast of that session is made with, and the model's checksum.

        Raises `InvalidTickerError`, `NotASessionError`; `ModelExpiredError` when there is none of the last ten
        sessions; `ArtefactError` and its kinds.
        """
        return self._reader.model_for(tickers.check_ticker(ticker), sessions.to_session(as_of))

    def _looked(self, ticker: str) -> _Line:
        """The line of a ticker, looked at not long ago. Where it is being looked at: as it was before."""
        line = self._lines.get(ticker) or self._line(tickers.check_ticker(ticker))
        if self._monotonic() < line.look_at or not line.lock.acquire(blocking=line.forecast is None):
            return line
        try:
            if self._monotonic() >= line.look_at:
                self._look(line)
                line.look_at = self._monotonic() + self._refresh
        finally:
            line.lock.release()
        if line.newest is None and line.forecast is None:
            # Nothing is held of what nobody has made, or anybody could ask for tickers until the memory is full.
            self._lines.pop(line.ticker, None)
            if line.trouble is not None:
                raise NotWholeError(line.trouble)
            raise MissingArtefactError(f"{line.ticker}: there is no forecast; materialise predictions of {line.ticker}")
        return line

    def _line(self, ticker: str) -> _Line:
        with self._lock:
            return self._lines.setdefault(ticker, _Line(ticker))

    def _look(self, line: _Line) -> None:
        """See to it that the line holds the newest snapshot that is whole, or says why not."""
        try:
            stored = self._store.sessions("predictions", line.ticker)
            sealed = [session for session in stored if sessions.is_session(session)]
            held = line.forecast
            if held is not None and held.as_of not in sealed and not self._reader.is_there(line.ticker, held.as_of):
                # Deleted, by somebody who wants it told no more. One that is being replaced loses its seal alone.
                line.forecast = held = None
            line.newest = sealed[-1] if sealed else None
            line.failures = {session: failure for session, failure in line.failures.items() if session in sealed}
            from_held = [session for session in sealed if held is None or session >= held.as_of]
            troubles: list[str] = []
            for session in reversed(from_held[-FURTHER_BACK:]):
                if trouble := self._take(line, session):
                    troubles.append(trouble)
                else:
                    break
            if held is not None and held is line.forecast and held.as_of not in sealed and not troubles:
                troubles = [f"{line.ticker} {held.as_of}: the forecast is being replaced, or half deleted"]
            line.trouble = troubles[0] if troubles else None
        except ArtefactError as error:
            line.trouble = self._told(error)

    def _take(self, line: _Line, session: datetime.date) -> str | None:
        """Hold the snapshot of that session, if it is whole and not held already; or why it is not."""
        marks = self._reader.marks(line.ticker, session)
        if line.forecast is not None and line.forecast.as_of == session and line.marks == marks:
            return None
        now, failed = self._monotonic(), line.failures.get(session)
        if failed is not None and failed.marks == marks and now < failed.again_at:
            return failed.told
        try:
            # With one to tell meanwhile nobody has to wait for a writer: the next look is soon.
            attempts = _ATTEMPTS if line.forecast is None else 1
            line.forecast, line.marks = self._whole(line.ticker, session, attempts)
        except StockAssetsError as error:
            wait = self._refresh if failed is None or failed.marks != marks else min(2 * failed.wait, _LONGEST_WAIT)
            line.failures[session] = _Failure(marks, self._told(error), self._monotonic() + wait, wait)
            return line.failures[session].told
        line.failures.pop(session, None)
        return None

    def _whole(self, ticker: str, session: datetime.date, attempts: int) -> tuple[Forecast, Marks]:
        """The snapshot of that session, which nobody touched while it was read, and how it lay then."""
        before = self._reader.marks(ticker, session)
        for attempt in range(attempts):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            found, failure = None, None
            try:
                found = self._reader.whole(ticker, session)
            except StockAssetsError as error:
                failure = error
            after = self._reader.marks(ticker, session)
            if before == after and failure is not None:
                raise failure
            if before == after and found is not None and _is_of(found, after):
                return found, after
            before = after
        raise NotWholeError(f"{ticker} {session}: the snapshot is being replaced at this moment; ask later")

    def _of_the_past(self, ticker: str, session: datetime.date) -> Forecast:
        key, now = (ticker, session), self._monotonic()
        held = self._past.get(key)
        if held is not None and now < held.look_at:  # another thread was faster
            return held.forecast
        marks = self._reader.marks(ticker, session)
        if held is None or held.marks != marks:
            held = self._read_past(ticker, session, marks, held)
        held = _Past(held.forecast, held.marks, self._monotonic() + self._refresh)
        with self._lock:
            self._past[key] = held
            if len(self._past) > PAST_HELD:
                self._past.popitem(last=False)
        return held.forecast

    def _read_past(self, ticker: str, session: datetime.date, before: Marks, held: _Past | None) -> _Past:
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            found, failure = None, None
            try:
                found = self._reader.past(ticker, session, before)
            except ArtefactError as error:
                failure = error
            after = self._reader.marks(ticker, session)
            if before == after and failure is None and found is not None and _is_of(found, after):
                unverified = found.model_checksum is None
                if unverified and held is not None and held.forecast.forecast_checksum == found.forecast_checksum:
                    # What it was made of was known, and is gone or replaced: that is no other forecast.
                    found = held.forecast
                return _Past(found, after, 0.0)
            being_replaced = isinstance(failure, MissingArtefactError) and self._reader.is_there(ticker, session)
            if failure is not None and not being_replaced and before == after:
                raise failure
            before = after
        if held is not None:
            return held
        raise NotWholeError(f"{ticker} {session}: the forecast is being replaced; ask later")

    def _listed(self) -> dict[str, datetime.date]:
        found = {}
        for name in inventory.tickers(self._store, "predictions"):
            try:
                is_ticker = tickers.check_ticker(name) == name
            except InvalidTickerError:
                is_ticker = False  # a folder that a person put there
            if is_ticker and (sealed := self._store.sessions("predictions", name)):
                found[name] = sealed[-1]
        return found

    def _told(self, error: StockAssetsError) -> str:
        """What an error says, without the folder of the store: clients see it."""
        return str(error).replace(str(self._store.base), "<data>")


def _is_of(found: Forecast, marks: Marks) -> bool:
    """Whether the bytes that were read are those that the marks are of: in between there may have been others."""
    predictions, clean_prices, model, _ = (mark.checksum for mark in marks)
    told = ((found.data_checksum, clean_prices), (found.model_checksum, model))
    return found.forecast_checksum == predictions and all(one in (None, other) for one, other in told)
