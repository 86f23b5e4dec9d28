"""Checkpoints: what is stored where, what is told about it, and what happens to a file that is not what was written."""

import fsspec
import pytest

from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError
from stock_assets.defs import partitions
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests import stored as stored_files
from stock_assets_tests.defs.graph import (
    ALL,
    PRICES,
    SESSION,
    TRAINED,
    attempts,
    evaluations,
    failures,
    materialised,
    metadata,
)

FILES = {
    "raw_prices": [".parquet"],
    "clean_prices": [".parquet"],
    "price_metrics": [".json"],
    "features": [".parquet"],
    "model": [".skops", ".json"],
    "backtest": [".parquet"],
    "evaluation": [".json"],
    "predictions": [".parquet"],
    "track_record": [".parquet", ".json"],
    "report": ["/report.html"],
}
# What needs raw prices is refused with this advice.
REMEDY = "materialise raw_prices for TSLA, session 2024-03-08"


@pytest.mark.parametrize("asset", ALL)
def test_files_lie_where_tools_expect_them(finished, asset):
    graph, _ = finished
    for suffix in FILES[asset]:
        path = graph.store.path(asset, "TSLA", SESSION, suffix)
        assert path.exists()
        assert str(path) == f"{graph.settings.data_dir}/{asset}/TSLA/2024-03-08{suffix}"


@pytest.mark.parametrize("asset", ALL)
def test_a_materialisation_tells_path_checksum_and_size(finished, asset):
    graph, result = finished
    told = metadata(result, asset)
    stored = graph.store.read(asset, "TSLA", SESSION)
    assert told["path"].value == str(graph.store.path(asset, "TSLA", SESSION, FILES[asset][0]))
    assert told["checksum"].value == graph.store.checksum(asset, "TSLA", SESSION)
    assert told["bytes"].value == sum(map(len, stored.values()))


def test_the_report_is_a_folder_with_figures(finished):
    graph, _ = finished
    names = set(graph.store.read("report", "TSLA", SESSION))
    assert "/report.html" in names
    assert "/figures/confusion_matrix.png" in names


@pytest.fixture
def stored(make_graph):
    graph = make_graph()
    assert graph.run(PRICES).success
    return graph


def raw_file(graph):
    return stored_files.file_of(graph.store.path("raw_prices", "TSLA", SESSION, ".parquet"))


def flip_a_bit(graph):
    data = bytearray(raw_file(graph).read_bytes())
    data[len(data) // 2] ^= 1
    raw_file(graph).write_bytes(data)


def cut_short(graph):
    raw_file(graph).write_bytes(raw_file(graph).read_bytes()[:-10])


def remove_file(graph):
    raw_file(graph).unlink()


def remove_seal(graph):
    graph.store.path("raw_prices", "TSLA", SESSION, ".parquet").with_suffix(".sha256").unlink()


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (flip_a_bit, DamagedArtefactError),
        (cut_short, DamagedArtefactError),
        (remove_file, DamagedArtefactError),
        (remove_seal, MissingArtefactError),
    ],
)
def test_a_damaged_or_missing_file_halts_whoever_reads_it(stored, harm, kind):
    harm(stored)
    before = stored.store.checksum("clean_prices", "TSLA", SESSION)
    result = stored.run(["clean_prices"])
    assert not result.success
    message = failures(result)["clean_prices"]
    assert kind.__name__ in message
    assert f"TSLA {SESSION}: " in message
    assert "raw_prices" in message
    assert REMEDY in message
    assert attempts(result, "clean_prices") == 1
    assert stored.store.checksum("clean_prices", "TSLA", SESSION) == before


def test_a_damaged_input_is_in_the_log_of_the_asset_that_wanted_it(stored):
    flip_a_bit(stored)
    stored.run(["clean_prices"])
    lines = [line for line in stored.log("clean_prices") if " ERROR " in line]
    assert len(lines) == 1
    assert f" ERROR TSLA {SESSION} TSLA {SESSION}: raw_prices in " in lines[0]
    assert any(line.startswith("Traceback") for line in stored.log("clean_prices"))


def test_checks_tell_of_a_damaged_table_in_the_log_of_its_asset(stored):
    flip_a_bit(stored)
    result = stored.check("raw_prices")
    assert REMEDY in failures(result)["raw_prices_checks"]
    assert evaluations(result, "raw_prices") == {}
    assert any("is not what was written" in line for line in stored.log("raw_prices"))
    assert not (stored.settings.log_dir / "raw_prices_checks.log").exists()


def test_doing_what_the_message_says_mends_it(stored):
    flip_a_bit(stored)
    assert stored.run(["raw_prices"]).success
    assert stored.run(["clean_prices"]).success


def test_another_partitions_file_is_not_taken_for_this_one(stored):
    stored.run(["raw_prices"], ticker="STX")
    foreign = stored.store.read("raw_prices", "STX", SESSION)
    stored.store.write("raw_prices", "TSLA", SESSION, foreign)  # sealed, but not ours
    result = stored.run(["clean_prices"])
    assert "the file is another one's: came raw_prices STX 2024-03-08" in failures(result)["clean_prices"]


def test_a_damaged_model_is_not_replaced_by_an_older_one(make_graph):
    graph = make_graph()
    for session in (SESSION.replace(day=7), SESSION):
        assert graph.run(TRAINED, session=session).success
    path = graph.store.path("model", "TSLA", SESSION, ".skops")
    path.write_bytes(path.read_bytes()[:-1])
    result = graph.run(["predictions"])
    assert "materialise model for TSLA, session 2024-03-08, again" in failures(result)["predictions"]
    assert materialised(result) == set()


def test_a_folder_that_can_not_be_written_to(make_graph):
    graph = make_graph()
    (graph.store.base / "price_metrics").parent.mkdir(parents=True)
    (graph.store.base / "price_metrics").write_text("a file where the folder should be")
    result = graph.run([*PRICES, "price_metrics", "features"])
    assert not result.success
    message = failures(result)["price_metrics"]
    assert f"TSLA {SESSION}: price_metrics could not be written to {graph.store.base / 'price_metrics'}" in message
    # The disk may have had a bad moment: once more, as for every step that neither fetches, cleans nor trains.
    assert attempts(result, "price_metrics") == 2
    assert materialised(result) == {*PRICES, "features"}
    assert any("could not be written" in line and " ERROR " in line for line in graph.log("price_metrics"))


def test_artefacts_may_live_anywhere_fsspec_reaches(make_graph):
    url = "memory://stock-assets/io-managers"
    memory = fsspec.filesystem("memory")
    try:
        graph = make_graph(data_dir=url)
        result = graph.run(PRICES)
        assert result.success
        assert ArtefactStore(url).is_whole("clean_prices", "TSLA", SESSION)
        assert memory.exists("/stock-assets/io-managers/raw_prices/TSLA/2024-03-08.parquet")
        assert metadata(result, "raw_prices")["path"].value == f"{url}/raw_prices/TSLA/2024-03-08.parquet"
        assert graph.snapshot().table("clean_prices").index[-1].date() == SESSION
    finally:
        memory.rm("/stock-assets", recursive=True)


def test_values_can_be_loaded_outside_of_a_run(finished):
    graph, _ = finished
    key = partitions.key("TSLA", SESSION)
    features = graph.defs.load_asset_value("features", partition_key=key, instance=graph.instance)
    assert features.equals(graph.snapshot().table("features"))


@pytest.mark.parametrize("asset", ALL)
def test_materialising_again_touches_no_file(finished, asset):
    graph, first = finished
    assert graph.checksums().keys() == set(ALL)
    folder = graph.store.base / asset / "TSLA"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    again = graph.run([asset])
    assert again.success
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before
    assert metadata(again, asset)["checksum"] == metadata(first, asset)["checksum"]
    records = graph.instance.fetch_materializations(graph.defs.get_assets_def(asset).key, limit=10).records
    assert len(records) >= 2
    assert len({record.asset_materialization.metadata["checksum"].value for record in records}) == 1
