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


class TestEarlierTable:
    def test_the_most_recent_before_the_session(self, snapshot: Snapshot) -> None:
        for session, source in ((dt.date(2024, 3, 1), "then"), (dt.date(2024, 3, 5), "lately"), (FRIDAY, "now")):
            table = pd.DataFrame({"close": [1.0]}, index=pd.DatetimeIndex([session], name="session").as_unit("ns"))
            about = {"ticker": "STX", "as_of": session, "source": source}
            files = {".parquet": formats.encode_table(table, asset="raw_prices", **about)}
            snapshot.store.write("raw_prices", "STX", session, files)
        found = snapshot.earlier_table("raw_prices")
        assert isinstance(found, pd.DataFrame)
        assert found.attrs["source"] == "lately"

    def test_none(self, snapshot: Snapshot) -> None:
        assert snapshot.earlier_table("clean_prices") == "no earlier snapshot"
        assert snapshot.earlier_table("raw_prices") == "no earlier snapshot"

    @pytest.mark.parametrize("content", [b"no table", None], ids=["damaged", "another one's"])
    def test_one_that_can_not_be_used_is_told(self, snapshot: Snapshot, content: bytes | None) -> None:
        stored = content or snapshot.store.read("clean_prices", "STX", FRIDAY)[".parquet"]
        snapshot.store.write("clean_prices", "STX", dt.date(2024, 3, 7), {".parquet": stored})
        told = snapshot.earlier_table("clean_prices")
        assert isinstance(told, str)
        assert told.startswith("the earlier snapshot of 2024-03-07 can't be used: STX 2024-03-07: clean_prices")
