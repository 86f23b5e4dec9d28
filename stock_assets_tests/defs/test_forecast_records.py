"""Forecasts that runs made meet what happened, in whatever order runs come; what can't be read holds nothing up."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from stock_assets.defs import forecast_records, run_records
from stock_assets.monitoring import intake, tables
from stock_assets.monitoring.records import RunRecord
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests import stored as stored_files
from stock_assets_tests.defs import graph
from stock_assets_tests.defs.graph import SESSION, later


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> Iterator[tuple[Path, RunRecord, RunRecord]]:
    """A data folder, the run that made the forecast in it, and the one that fetched the prices of its target."""
    folder = tmp_path_factory.mktemp("history")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        made = graph.Graph(folder, instance)
        ids = [
            made.run("whole_graph_job").run_id,
            made.run(["raw_prices", "clean_prices"], session=later(1)).run_id,
        ]
        yield folder / "data", *(run_records.read(instance, instance.get_run_record_by_id(run_id)) for run_id in ids)


@pytest.fixture
def store(history, tmp_path) -> ArtefactStore:
    """A copy of that folder, to be spoiled."""
    return ArtefactStore(shutil.copytree(history[0], tmp_path / "copy"))


@pytest.fixture
def forecasting(history) -> RunRecord:
    return history[1]


@pytest.fixture
def fetching(history) -> RunRecord:
    return history[2]


@pytest.fixture
def take(database, store):
    """Takes a run and follows it; returns what went wrong."""

    def taking(run: RunRecord) -> list[str]:
        with database.begin() as connection:
            intake.take(connection, run)
            return forecast_records.follow(connection, store, run)

    return taking


@pytest.fixture
def kept(database):
    """Rows of a table."""

    def reading(table: sa.Table) -> list[dict]:
        with database.reading() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    return reading


def test_a_forecast(take, kept, store, forecasting):
    assert take(forecasting) == []
    [found] = kept(tables.forecasts)
    snapshot = Snapshot(store, "TSLA", SESSION)
    row = snapshot.table("predictions").iloc[0]
    assert (found["ticker"], found["session"], found["target_session"]) == ("TSLA", SESSION, later(1))
    assert (found["run_id"], found["origin"], found["source"]) == (forecasting.run_id, "asset", "canned")
    assert found["checksum"] == store.checksum("predictions", "TSLA", SESSION)
    for name in ("probability_up", "expected_return", "predicted_close", "interval_low", "interval_high"):
        assert found[name] == row[name]
    assert found["last_close"] == found["naive_close"] == snapshot.table("clean_prices")["close"].iloc[-1]
    assert found["naive_probability_up"] == snapshot.document("model")["in_sample"]["up_share"]
    assert found["model_session"] == SESSION


def test_before_the_target_session_nothing_is_known_of_it(take, kept, store, forecasting):
    (store.base / "clean_prices" / "TSLA" / f"{later(1)}.sha256").unlink()
    assert take(forecasting) == []
    assert kept(tables.outcomes) == []


def test_what_happened_is_read_from_the_prices_of_the_target(take, kept, store, forecasting, fetching):
    take(forecasting)
    assert take(fetching) == []
    [found] = kept(tables.outcomes)
    clean = Snapshot(store, "TSLA", later(1)).table("clean_prices")
    assert (found["session"], found["target_session"], found["known_from"]) == (SESSION, later(1), later(1))
    assert found["realised_return"] == pytest.approx(clean["total_return"].iloc[-1])
    assert found["realised_close"] == clean["close"].iloc[-1]


def test_whatever_the_order_and_however_often(take, kept, forecasting, fetching):
    """Sessions may be made up for backwards."""
    take(fetching)
    take(forecasting)
    once = kept(tables.forecasts), kept(tables.outcomes)
    for run in (forecasting, fetching, fetching):
        assert take(run) == []
    assert (kept(tables.forecasts), kept(tables.outcomes)) == once
    assert [len(rows) for rows in once] == [1, 1]


def test_prices_that_are_mended_mend_the_outcome(take, kept, store, forecasting, fetching):
    take(forecasting)
    take(fetching)
    clean = Snapshot(store, "TSLA", later(1)).table("clean_prices")
    clean.iloc[-1, clean.columns.get_loc("close")] = 77.0
    where = {"asset": "clean_prices", "ticker": "TSLA", "as_of": later(1)}
    store.write("clean_prices", "TSLA", later(1), {".parquet": formats.encode_table(clean, **where, source="canned")})
    take(replace(fetching, run_id="mended"))
    assert [row["realised_close"] for row in kept(tables.outcomes)] == [77.0]


def test_a_model_that_is_gone_leaves_the_naive_probability_unknown(take, kept, store, forecasting):
    shutil.rmtree(store.base / "model")
    assert take(forecasting) == []
    assert [row["naive_probability_up"] for row in kept(tables.forecasts)] == [None]


def test_what_can_not_be_read_is_told_and_tried_again(take, kept, store, forecasting, fetching):
    path = store.path("predictions", "TSLA", SESSION, ".parquet")
    whole = path.read_bytes()
    path.write_bytes(b"damaged")
    [told] = take(forecasting)
    assert told.startswith(f"a forecast could not be kept: TSLA {SESSION}: predictions")
    path.write_bytes(whole)
    assert take(fetching) == []
    assert [row["session"] for row in kept(tables.forecasts)] == [SESSION]


def test_prices_that_can_not_be_read(take, kept, store, forecasting, fetching):
    stored_files.file_of(store.path("clean_prices", "TSLA", later(1), ".parquet")).write_bytes(b"damaged")
    [told] = take(forecasting)
    assert told.startswith(f"TSLA {SESSION}: what followed up to {later(1)} could not be read: TSLA {later(1)}: clean")
    assert kept(tables.outcomes) == []


def test_a_table_of_another_version_holds_nothing_up(take, kept, store, forecasting):
    table = Snapshot(store, "TSLA", SESSION).table("predictions").drop(columns="interval_level")
    where = {"asset": "predictions", "ticker": "TSLA", "as_of": SESSION}
    store.write("predictions", "TSLA", SESSION, {".parquet": formats.encode_table(table, **where, source="canned")})
    [told] = take(forecasting)
    assert told.startswith(f"a forecast could not be kept: TSLA {SESSION}: predictions does not have the expected form")
    assert kept(tables.forecasts) == []


def test_a_forecast_that_was_replaced_in_the_meantime_is_told_once(take, kept, forecasting, fetching):
    made = tuple(
        replace(one, checksum="another") if one.asset == "predictions" else one for one in forecasting.materialisations
    )
    [told] = take(replace(forecasting, materialisations=made))
    assert told.startswith(f"TSLA {SESSION}: the forecast of run {forecasting.run_id} was replaced")
    assert take(fetching) == []
    assert kept(tables.forecasts) == []
