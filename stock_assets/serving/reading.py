"""One stored forecast, read and verified: does it belong with the prices, the model and the evaluation beside it?

Two ways to know that it does. To make it again, which `whole` does: the row that these prices, this model and this
evaluation give is the stored one. Or, for a session that has passed, by the order in which the artefacts were written:
all that it is made of was there before it. Nothing is cached here but models, and no answer is chosen (see forecasts).
"""

import datetime
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stock_assets.core.errors import (
    ArtefactError,
    DamagedArtefactError,
    MissingArtefactError,
    NotWholeError,
    StockAssetsError,
)
from stock_assets.serving import forecast
from stock_assets.serving.forecast import Forecast
from stock_assets.storage import artefacts, formats, recent, seals, tables
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core.modelling import Model

MODELS_HELD = 16
"""A decoded forest takes a few MB, and 0.3 s to decode."""

TOLERANCE = 1e-9
"""Relative. Another processor may add up in another order; another model or price is further away."""

# What features and predictions raise over documents that an earlier version of this program wrote.
_OF_ANOTHER_FORM = (KeyError, TypeError, ValueError, IndexError, AttributeError)

_REMEDY = "materialise predictions of {ticker}, session {session}, again"

_FILES = {
    "predictions": (tables.SUFFIX,),
    "clean_prices": (tables.SUFFIX,),
    "model": (".skops", ".json"),
    "evaluation": (".json",),
}
"""Of a table in parts, the folder's: the file of it is then each part."""


class File(NamedTuple):
    """What the operating system says of a file."""

    written: int
    """In nanoseconds, by the clock of the disk."""
    changed: int
    """Of a part of a table 0."""
    inode: int
    size: int


class Mark(NamedTuple):
    """How one artefact lay in the store at a moment: two marks differ when anything of it was touched in between."""

    asset: str
    session: datetime.date | None
    """None when there is none that could count."""
    checksum: str | None
    """By the seal alone; None without one, or with one that can't be read."""
    files: tuple[File | None, ...]
    """So that damage is seen without reading, and what was written first; empty where it is no folder on a disk."""


Marks = tuple[Mark, ...]
"""Of predictions, clean_prices, model and evaluation."""


class Reader:
    """Reads forecasts from a store. Any number of threads may do so."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._models: OrderedDict[tuple[str, datetime.date, str], Model] = OrderedDict()
        self._lock = threading.Lock()

    def marks(self, ticker: str, session: datetime.date) -> Marks:
        """How everything lies that the forecast belongs with; some tens of microseconds on a disk.

        Raises `ArtefactError` when the store can't be listed or read.
        """
        found = [(asset, session) for asset in ("predictions", "clean_prices")]
        found += [(asset, recent.find(self._store, asset, ticker, session)) for asset in ("model", "evaluation")]
        return tuple(self._mark(asset, ticker, at) for asset, at in found)

    def is_there(self, ticker: str, session: datetime.date) -> bool:
        """Whether the file of a forecast lies there, sealed or not: unsealed is one that is just being replaced."""
        try:
            return self._store.path("predictions", ticker, session, tables.SUFFIX).exists()
        except artefacts.failures() as error:
            raise ArtefactError(f"{ticker} {session}: the store can't be read: {artefacts.reason(error)}") from error

    def whole(self, ticker: str, session: datetime.date) -> Forecast:
        """The stored forecast, after it was made again from what is stored beside it, with the same result.

        Raises `NotWholeError` when another one came of it; `ArtefactError` and its kinds, `ModelExpiredError`,
        `SchemaError` and the like when an artefact is missing, damaged, or of no use.
        """
        from stock_assets.core import features, prediction

        row, forecast_checksum = self._row(ticker, session)
        files, data_checksum = self._read("clean_prices", ticker, session)
        clean = tables.decode(files, asset="clean_prices", ticker=ticker, as_of=session)
        model, evaluation, model_checksum = self.model_for(ticker, session)
        try:
            sessions_ahead = int(model.card["target"]["horizon_sessions"])
            table = features.build_features(clean, ticker=ticker, as_of=session, horizon=sessions_ahead)
            where: Any = {"ticker": ticker, "as_of": session}
            made = prediction.predict(table, model, evaluation, source=clean.attrs["source"], **where)
            verdict = str(evaluation["verdict"]["text"])
        except _OF_ANOTHER_FORM as error:
            raise NotWholeError(
                f"{ticker} {session}: no forecast can be made of its prices, model and evaluation: "
                f"{type(error).__name__}: {error}; {_REMEDY.format(ticker=ticker, session=session)}"
            ) from error
        _compare(row, forecast.plain_row(made, **where), ticker, session)
        return Forecast(
            row=row,
            horizon_sessions=sessions_ahead,
            verdict=verdict,
            model_checksum=model_checksum,
            data_checksum=data_checksum,
            forecast_checksum=forecast_checksum,
            warnings=_warnings(row),
        )

    def past(self, ticker: str, session: datetime.date, marks: Marks) -> Forecast:
        """The stored forecast of a session that has passed; `marks` are those of it, taken just before.

        Belonging is known by the order of writing, or else found out as in `whole`. Where the artefacts do not belong
        together any more, as one was made again, or was deleted, the forecast that was made then is told all the same,
        without checksums and with a warning.

        Raises `MissingArtefactError` and `DamagedArtefactError`, of the forecast itself alone.
        """
        row, forecast_checksum = self._row(ticker, session)
        gone = [mark.asset for mark in marks[1:] if mark.checksum is None]
        if gone:
            return _alone(row, forecast_checksum, f"what it was made with is no longer stored: {', '.join(gone)}")
        try:
            if not _in_order(marks, row):
                return self.whole(ticker, session)
            _, _, model, evaluation = marks
            document = self._evaluation(ticker, evaluation.session or session)
            return Forecast(
                row=row,
                horizon_sessions=forecast.horizon(row),
                verdict=str(document["verdict"]["text"]),
                model_checksum=model.checksum,
                data_checksum=marks[1].checksum,
                forecast_checksum=forecast_checksum,
                warnings=_warnings(row),
            )
        # In no words of theirs, which name folders and are about the store as it is now.
        except DamagedArtefactError:
            why = "what it was made with is damaged"
        except (StockAssetsError, *_OF_ANOTHER_FORM):
            why = "its prices, its model or its evaluation were made again since"
        return _alone(row, forecast_checksum, why)

    def model_for(self, ticker: str, as_of: datetime.date) -> "tuple[Model, dict[str, Any], str]":
        """The model and the evaluation that a forecast of that session is made with, and the model's checksum.

        Raises `ModelExpiredError` when there is none of the last ten sessions, `ArtefactError` and its kinds.
        """
        model_as_of, evaluated = (
            recent.most_recent(self._store, asset, ticker, as_of) for asset in ("model", "evaluation")
        )
        model, checksum = self._model(ticker, model_as_of)
        return model, self._evaluation(ticker, evaluated), checksum

    def _row(self, ticker: str, session: datetime.date) -> tuple[Mapping[str, Any], str]:
        files, checksum = self._read("predictions", ticker, session)
        table = tables.decode(files, asset="predictions", ticker=ticker, as_of=session)
        return forecast.plain_row(table, ticker=ticker, as_of=session), checksum

    def _evaluation(self, ticker: str, session: datetime.date) -> dict[str, Any]:
        files, _ = self._read("evaluation", ticker, session)
        return formats.decode_json(files[".json"], asset="evaluation", ticker=ticker, as_of=session)

    def _model(self, ticker: str, session: datetime.date) -> "tuple[Model, str]":
        from stock_assets.storage import models

        # Read, and so verified, even if it is held: what lies in the store is to be whole.
        files, checksum = self._read("model", ticker, session)
        key = (ticker, session, checksum)
        with self._lock:
            if (held := self._models.get(key)) is not None:
                self._models.move_to_end(key)
                return held, checksum
        model = models.decode_model(files, ticker=ticker, as_of=session)
        with self._lock:
            self._models[key] = model
            if len(self._models) > MODELS_HELD:
                self._models.popitem(last=False)
        return model, checksum

    def _read(self, asset: str, ticker: str, session: datetime.date) -> tuple[dict[str, bytes], str]:
        """Its files, and the checksum of these very bytes: a seal read before or after may be another version's."""
        files = self._store.read(asset, ticker, session)
        if absent := [
            suffix for suffix in _FILES[asset] if not any(seals.stands_for(suffix, found) for found in files)
        ]:
            raise DamagedArtefactError(f"{ticker} {session}: {asset} has no {', '.join(absent)}; materialise it again")
        return files, artefacts.checksum_of(session, files)

    def _mark(self, asset: str, ticker: str, session: datetime.date | None) -> Mark:
        if session is None:
            return Mark(asset, None, None, ())
        try:
            checksum, sealed = self._store.sealed(asset, ticker, session)
        except (MissingArtefactError, DamagedArtefactError):
            checksum, sealed = None, {}
        parts = [name for name in sealed if any(name.startswith(f"{suffix}/") for suffix in _FILES[asset])]
        paths = [
            (self._store.path(asset, ticker, session, suffix), suffix in parts) for suffix in parts or _FILES[asset]
        ]
        files = tuple(_state(path, is_part=is_part) for path, is_part in paths if isinstance(path, Path))
        return Mark(asset, session, checksum, files)


def _state(path: Path, *, is_part: bool) -> File | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtefactError(f"{path} can't be looked at: {artefacts.reason(error)}") from error
    # That of a part tells of other sessions' coming and going too, which get and lose another name of the same file.
    changed = 0 if is_part else found.st_ctime_ns
    return File(found.st_mtime_ns, changed, found.st_ino, found.st_size)


def _in_order(marks: Marks, row: Mapping[str, Any]) -> bool:
    """Whether all that a forecast is made of is there, and was written before it: strictly, as a disk's clock ticks."""
    if any(mark.checksum is None or not mark.files or None in mark.files for mark in marks):
        return False
    own, *inputs = ([file.written for file in mark.files if file] for mark in marks)
    return marks[2].session == row["model_as_of"] and max(map(max, inputs)) < min(own)


def _compare(stored: Mapping[str, Any], made: Mapping[str, Any], ticker: str, session: datetime.date) -> None:
    differing = [
        f"{name} is {stored[name]} and would be {made[name]}" for name in stored if not _equal(stored[name], made[name])
    ]
    if differing:
        raise NotWholeError(
            f"{ticker} {session}: the stored forecast is not what the stored prices, model and evaluation give: "
            f"{', '.join(differing)}. One of them was made again and the others were not, or not yet; "
            + _REMEDY.format(ticker=ticker, session=session)
        )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return one == other


def _warnings(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (forecast.SIMULATED_PRICES,) if row["source"] == forecast.SIMULATED else ()


def _alone(row: Mapping[str, Any], forecast_checksum: str, why: str) -> Forecast:
    """A row that nothing speaks for any more but its own seal."""
    said = "beat" if row["beats_naive"] else "did not beat"
    return Forecast(
        row=row,
        horizon_sessions=forecast.horizon(row),
        verdict=f"When the forecast was made, its model {said} the naive forecasts; the evaluation can't be told.",
        model_checksum=None,
        data_checksum=None,
        forecast_checksum=forecast_checksum,
        warnings=(*_warnings(row), f"not verified, as {why}"),
    )
