"""Checkpoints: how each kind of artefact reaches the store and comes back. Bytes and checksums are in storage."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from stock_assets.core.errors import ArtefactError, StockAssetsError
from stock_assets.defs import asset_checks, logs, partitions
from stock_assets.storage import formats, models, recent, tables
from stock_assets.storage.artefacts import ArtefactStore


class Slot(NamedTuple):
    """Where an artefact belongs."""

    asset: str
    ticker: str
    session: date


class ArtefactIOManager(dg.IOManager, ABC):
    """Writes one artefact a partition, atomically and sealed with checksums; verifies the seal on load.

    An input made by `partitions.most_recent` gets the newest artefact of the ticker's last ten sessions, and a
    `ModelExpiredError` where there is none; any other input is that of the partition itself.
    """

    def __init__(self, store: ArtefactStore, log_dir: Path):
        self._store = store
        self._log_dir = log_dir

    @abstractmethod
    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        """File suffix -> bytes."""

    @abstractmethod
    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        """The value back from `encode`'s files."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        slot = Slot(context.asset_key.to_user_string(), *partitions.split(context.partition_key))
        context.add_output_metadata(self.keep(obj, slot))

    def load_input(self, context: dg.InputContext) -> Any:
        asset = context.asset_key.to_user_string()
        slot = Slot(asset, *partitions.split(context.asset_partition_key))
        with self.halting(_loading(context), slot):
            wanted = context.definition_metadata or {}
            return self.load(self.newest(slot) if wanted.get("most_recent") else slot)

    def keep(self, value: Any, slot: Slot) -> dict[str, Any]:
        """Store `value`; what the UI is told of its files. Raises as a step of that asset."""
        with _halting(self._log_dir, slot):
            files = self.encode(value, slot)
            seal = self._store.write(*slot, files)
        return {
            "path": dg.MetadataValue.path(str(self._store.path(*slot, _shown(next(iter(files)))))),
            "checksum": seal.checksum,
            "bytes": seal.size,
        }

    def halting(self, at_work: str, slot: Slot) -> AbstractContextManager[None]:
        """While the step of the asset `at_work` loads what is in `slot`: whatever is wrong there, that step failed."""
        return _halting(self._log_dir, slot._replace(asset=at_work))

    def load(self, slot: Slot) -> Any:
        """The value that is stored. Raises `MissingArtefactError` or `DamagedArtefactError`."""
        return self.decode(self._store.read(*slot), slot)

    def newest(self, slot: Slot) -> Slot:
        """The newest of the ten sessions up to that of `slot` that is stored. Raises `ModelExpiredError`."""
        return slot._replace(session=recent.most_recent(self._store, *slot))


def _shown(suffix: str) -> str:
    """Of a table in parts its folder."""
    first, _, _ = suffix.partition("/")
    return first or suffix


def _loading(context: dg.InputContext) -> str:
    """The asset whose step loads the input: its log is where a person looks who sees that step fail."""
    if not context.has_input_name:
        # Loaded outside of a run, by `load_asset_value`.
        return context.asset_key.to_user_string()
    return context.op_def.name.removesuffix(asset_checks.STEP_SUFFIX)


@contextmanager
def _halting(log_dir: Path, at_work: Slot) -> Iterator[None]:
    """Logs our own errors under the asset at work, and turns those about data into a `Failure` that is not retried.

    A plain `ArtefactError` is about a disk or a network that may have had a bad moment: the retry policy holds.
    """
    try:
        yield
    except StockAssetsError as error:
        with logs.asset_log(log_dir, *at_work) as log:
            log.error("%s", error, exc_info=True)
        if type(error) is ArtefactError:
            raise
        raise dg.Failure(description=str(error), allow_retries=False) from error


class TableIOManager(ArtefactIOManager):
    """Frames as Parquet; where their prices came from travels along as `attrs["source"]`."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        asset, ticker, session = slot
        return tables.encode(value, asset=asset, ticker=ticker, as_of=session, source=value.attrs["source"])

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        asset, ticker, session = slot
        return tables.decode(files, asset=asset, ticker=ticker, as_of=session)


class JsonIOManager(ArtefactIOManager):
    """Dictionaries as JSON."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        return {".json": formats.encode_json(value)}

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        asset, ticker, session = slot
        return formats.decode_json(files[".json"], asset=asset, ticker=ticker, as_of=session)


class IllustratedIOManager(JsonIOManager):
    """A dictionary as JSON and a figure as PNG beside it: written as a pair, loaded as the dictionary."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        document, figure = value
        return {**super().encode(document, slot), ".png": figure}


class TrackRecordIOManager(TableIOManager):
    """A track record: its forecasts as Parquet, what they come to as JSON beside them."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        return {**super().encode(value.forecasts, slot), ".json": formats.encode_json(value.summary)}

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        from stock_assets.core.track_record import TrackRecord

        asset, ticker, session = slot
        summary = formats.decode_json(files[".json"], asset=asset, ticker=ticker, as_of=session)
        return TrackRecord(super().decode(files, slot), summary)


class ModelIOManager(ArtefactIOManager):
    """Fitted models as skops files, never pickle, with their card as JSON beside them."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        return models.encode_model(value)

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        _, ticker, session = slot
        return models.decode_model(files, ticker=ticker, as_of=session)


class ReportIOManager(ArtefactIOManager):
    """Folders of files: relative name -> bytes."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        return {f"/{name}": content for name, content in value.items()}

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        return {suffix.removeprefix("/"): content for suffix, content in files.items()}


class PdfIOManager(ArtefactIOManager):
    """One PDF a partition."""

    def encode(self, value: Any, slot: Slot) -> Mapping[str, bytes]:
        return {".pdf": value}

    def decode(self, files: Mapping[str, bytes], slot: Slot) -> Any:
        return files[".pdf"]
