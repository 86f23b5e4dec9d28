"""One ticker's and session's artefacts as objects: for whoever reads the store without Dagster."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError
from stock_assets.storage import formats, tables
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
        files = self.store.read(asset, self.ticker, self.session, suffixes=[tables.SUFFIX])
        return tables.decode(files, asset=asset, ticker=self.ticker, as_of=self.session)

    def document(self, asset: str) -> dict[str, Any]:
        """A JSON artefact."""
        return formats.decode_json(self._file(asset, ".json"), asset=asset, ticker=self.ticker, as_of=self.session)

    def report_file(self, name: str) -> bytes:
        """A file of the report: `report.html`, `figures/price.png` ..."""
        return self._file("report", f"/{name}")

    def summary(self) -> bytes | None:
        """The PDF summary; None when nobody has written one."""
        if not self.store.has("summary", self.ticker, self.session):
            return None
        return self._file("summary", ".pdf")

    def earlier_table(self, asset: str, *, not_before: date | None = None) -> "pd.DataFrame | str":
        """The same asset's table of the ticker's most recent earlier session, or why there is none.

        With `not_before`, sessions before that one are not looked at.

        An earlier artefact that is damaged, or deleted at this moment, is a matter of that session and not of this one:
        it is told and not raised.
        """
        found = self.store.latest(asset, self.ticker, not_after=self.session - timedelta(days=1), not_before=not_before)
        if found is None:
            return "no earlier snapshot" if not_before is None else f"no snapshot since {not_before}"
        try:
            return Snapshot(self.store, self.ticker, found).table(asset)
        except (DamagedArtefactError, MissingArtefactError) as error:
            # Without the error's own words: they name a folder, and what is told here gets into artefacts.
            fate = "is damaged" if isinstance(error, DamagedArtefactError) else "is gone"
            return f"the earlier snapshot of {found} can't be used: {self.ticker} {found}: {asset} {fate}"

    def _file(self, asset: str, suffix: str) -> bytes:
        return self.store.read(asset, self.ticker, self.session, suffixes=[suffix])[suffix]
