"""`export`: one session's artefacts as plain files with the names a person expects."""

from datetime import date
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stock_assets.commands import reports
from stock_assets.core import sessions
from stock_assets.core.errors import ArtefactError, MissingArtefactError
from stock_assets.reporting import text
from stock_assets.settings import Settings
from stock_assets.sources import base
from stock_assets.storage import atomic, formats, recent
from stock_assets.storage.snapshots import Snapshot

if TYPE_CHECKING:
    import pandas as pd

# An exported folder of raw prices can be read back by the source csv.
_HEADINGS = {column: heading for heading, column in base.YAHOO_HEADINGS.items()}


def export(
    settings: Settings, ticker: str, as_of: str | None, folder: Path, source: str | None
) -> tuple[date, str, list[Path]]:
    """Write the artefacts of `ticker` and one session to `folder`; returns session, source and the files written.

    Session and source as in `reports.find`. All artefacts are read and verified before the first file is written, the
    summary among them when there is one. Raises `MissingArtefactError`, `DamagedArtefactError`, and `ArtefactError`
    when a file can't be written.
    """
    wanted = None if as_of is None else sessions.to_session(as_of)
    _, snapshot = reports.find(settings, ticker, wanted, source)
    raw, clean = snapshot.table("raw_prices"), snapshot.table("clean_prices")
    if source not in (None, raw.attrs["source"]):
        raise MissingArtefactError(
            f"{ticker} {snapshot.session}: {snapshot.store.base} holds prices from {raw.attrs['source']}; "
            f"expected {source}"
        )
    evaluation = _evaluation(snapshot)
    name = ticker.lower()
    contents = {
        f"{name}_raw_data.csv": _csv(raw.rename(columns=_HEADINGS).rename_axis("Date")),
        f"{name}_clean.csv": _csv(clean),
        f"{name}_metrics.json": formats.encode_json(snapshot.document("price_metrics")),
        f"{name}_features.csv": _csv(snapshot.table("features")),
        "model_metrics.txt": text.scores(evaluation).encode(),
        "metrics.json": formats.encode_json(evaluation),
        "confusion_matrix.png": snapshot.report_file("figures/confusion_matrix.png"),
        "final_analysis_report.html": snapshot.report_file("report.html"),
        "predictions.csv": _csv(snapshot.table("predictions"), index=False),
    }
    summary = snapshot.summary()
    if summary is not None:
        contents[f"{name}_summary.pdf"] = summary
    written = []
    for file_name, data in contents.items():
        try:
            atomic.write_bytes(folder / file_name, data)
        except OSError as error:
            raise ArtefactError(
                f"{ticker} {snapshot.session}: {folder / file_name} can't be written: {error.strerror}"
            ) from error
        written.append(folder / file_name)
    return snapshot.session, raw.attrs["source"], written


def _evaluation(snapshot: Snapshot) -> dict[str, Any]:
    """The evaluation that the report shows: that of the session, or of the one that last trained a model."""
    store, ticker, session = snapshot.store, snapshot.ticker, snapshot.session
    last = recent.find(store, "evaluation", ticker, session)
    return Snapshot(store, ticker, last or session).document("evaluation")


def _csv(frame: "pd.DataFrame", *, index: bool = True) -> bytes:
    stream = StringIO()
    # Every digit, so that reading the file back gives the same numbers.
    frame.to_csv(stream, index=index, lineterminator="\n")
    return stream.getvalue().encode()
