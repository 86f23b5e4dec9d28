"""Reading one session's artefacts without Dagster."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.core import errors
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

FRIDAY = dt.date(2024, 3, 8)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = ArtefactStore(tmp_path)
    index = pd.DatetimeIndex(["2024-03-07", "2024-03-08"], name="session").as_unit("ns")
    table = pd.DataFrame({"close": [92.34, 92.69]}, index=index)
    content = formats.encode_table(table, asset="clean_prices", ticker="STX", as_of=FRIDAY, source="csv")
    store.write("clean_prices", "STX", FRIDAY, {".parquet": content})
    document = formats.encode_json({"ticker": "STX", "as_of": FRIDAY, "last_close": 92.69})
    store.write("price_metrics", "STX", FRIDAY, {".json": document})
    store.write("report", "STX", FRIDAY, {"/report.html": b"page", "/figures/price.png": b"picture"})
    return Snapshot(store, "STX", FRIDAY)


def test_tables_know_where_their_prices_came_from(snapshot: Snapshot) -> None:
    table = snapshot.table("clean_prices")
    assert table["close"].to_dict() == {pd.Timestamp("2024-03-07"): 92.34, pd.Timestamp("2024-03-08"): 92.69}
    assert table.attrs["source"] == "csv"


def test_documents_and_files_of_the_report(snapshot: Snapshot) -> None:
    assert snapshot.document("price_metrics")["last_close"] == 92.69
    assert snapshot.report_file("report.html") == b"page"
    assert snapshot.report_file("figures/price.png") == b"picture"


def test_what_is_not_there_is_named(snapshot: Snapshot) -> None:
    with pytest.raises(errors.MissingArtefactError, match="STX 2024-03-08: there is no features"):
        snapshot.table("features")
    with pytest.raises(errors.MissingArtefactError, match=r"STX 2024-03-08: report has no file .*figures/none\.png"):
        snapshot.report_file("figures/none.png")


def test_another_sessions_file_in_its_place_is_refused(snapshot: Snapshot) -> None:
    document = formats.encode_json({"ticker": "STX", "as_of": "2024-03-07", "last_close": 92.34})
    snapshot.store.write("price_metrics", "STX", FRIDAY, {".json": document})
    with pytest.raises(errors.DamagedArtefactError, match="came STX 2024-03-07; expected STX 2024-03-08"):
        snapshot.document("price_metrics")


def test_a_document_is_no_table(snapshot: Snapshot) -> None:
    with pytest.raises(errors.MissingArtefactError, match=r"price_metrics has no file 2024-03-08\.parquet; it has"):
        snapshot.table("price_metrics")
