"""One ticker's and session's artefacts as objects: for whoever reads the store without Dagster."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Snapshot:
    """What was known of `ticker` after the close of `session`. Each read verifies checksums and raises as the store."""

    store: ArtefactStore
    ticker: str
    session: date

    def table(self, asset: str) -> "pd.DataFrame":
        """A Parquet artefact; `attrs["source"]` says where its prices came from."""
        return formats.decode_table(self._file(asset, ".parquet"), asset=asset, ticker=self.ticker, as_of=self.session)

    def document(self, asset: str) -> dict[str, Any]:
        """A JSON artefact."""
        return formats.decode_json(self._file(asset, ".json"), asset=asset, ticker=self.ticker, as_of=self.session)

    def report_file(self, name: str) -> bytes:
        """A file of the report: `report.html`, `figures/price.png` ..."""
        return self._file("report", f"/{name}")

    def _file(self, asset: str, suffix: str) -> bytes:
        return self.store.read(asset, self.ticker, self.session, suffixes=[suffix])[suffix]
