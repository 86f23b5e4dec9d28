"""Checkpoints: how each kind of artefact reaches the store and comes back. Bytes, paths and checksums are in storage."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from stock_assets.core.errors import ModelExpiredError, StockAssetsError
from stock_assets.defs import logs, partitions
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore


class ArtefactIOManager(dg.IOManager):
    """Writes one artefact a partition, atomically and sealed with checksums; verifies the seal on load.

    An input whose `AssetIn` has the metadata `most_recent` gets the newest of its partitions that exists, and a
    `ModelExpiredError` where none does; any other input is one partition.
    """

    def __init__(self, store: ArtefactStore, log_dir: Path):
        self._store = store
        self._log_dir = log_dir

    def encode(self, value: Any, asset: str, ticker: str, session: date) -> Mapping[str, bytes]:
        """File suffix -> bytes."""
        raise NotImplementedError(f"{type(self).__name__} does not write")

    def decode(self, files: Mapping[str, bytes], asset: str, ticker: str, session: date) -> Any:
        """The value back from `encode`'s files."""
        raise NotImplementedError(f"{type(self).__name__} does not read")

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        asset = context.asset_key.to_user_string()
        ticker, session = partitions.split(context.partition_key)
        files = self.encode(obj, asset, ticker, session)
        seal = self._store.write(asset, ticker, session, files)
        context.add_output_metadata(
            {
                "path": dg.MetadataValue.path(str(self._store.path(asset, ticker, session, next(iter(files))))),
                "checksum": seal.checksum,
                "bytes": seal.size,
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        asset = context.asset_key.to_user_string()
        found = sorted(partitions.split(key)[::-1] for key in context.asset_partition_keys)
        newest, ticker = found[-1]
        with logs.asset_log(self._log_dir, asset, ticker, newest) as log:
            try:
                if (context.definition_metadata or {}).get("most_recent"):
                    newest = self._most_recent(asset, ticker, found[0][0], newest)
                return self.decode(self._store.read(asset, ticker, newest), asset, ticker, newest)
            except StockAssetsError as error:
                log.error("%s", error)
                raise dg.Failure(description=str(error), allow_retries=False) from error

    def _most_recent(self, asset: str, ticker: str, first: date, last: date) -> date:
        session = self._store.latest(asset, ticker, not_after=last, not_before=first)
        if session is None:
            raise ModelExpiredError(
                f"{ticker} {last}: no {asset} from the last {partitions.MODEL_LIFETIME} sessions ({first} to {last}), so the "
                f"model has expired; materialise model, backtest and evaluation for {ticker}, session {last}"
            )
        return session


class TableIOManager(ArtefactIOManager):
    """Frames as Parquet; `attrs["source"]` travels along and `attrs["as_of"]` tells the partition."""

    def encode(self, value, asset, ticker, session):
        return {
            ".parquet": formats.encode_table(value, asset=asset, ticker=ticker, as_of=session, source=value.attrs["source"])
        }

    def decode(self, files, asset, ticker, session):
        return formats.decode_table(files[".parquet"], asset=asset, ticker=ticker, as_of=session)


class JsonIOManager(ArtefactIOManager):
    """Dictionaries as JSON."""

    def encode(self, value, asset, ticker, session):
        return {".json": formats.encode_json(value)}

    def decode(self, files, asset, ticker, session):
        return formats.decode_json(files[".json"], asset=asset, ticker=ticker, as_of=session)


class ModelIOManager(ArtefactIOManager):
    """Fitted models as skops files, never pickle, with their card as JSON beside them."""

    def encode(self, value, asset, ticker, session):
        return formats.encode_model(value)

    def decode(self, files, asset, ticker, session):
        return formats.decode_model(files)


class ReportIOManager(ArtefactIOManager):
    """Folders of files; nothing downstream reads them back."""

    def encode(self, value, asset, ticker, session):
        return {f"/{name}": content for name, content in value.items()}
