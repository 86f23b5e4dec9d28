"""A disk that fills up while the graph writes: a clear error, nothing half-written, what was there stays."""

import shutil
from pathlib import Path

import pytest

from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.defs.graph import PRICES, SESSION, CannedSource, attempts, failures, later, materialised
from stock_assets_tests.full_disk import no_file_beyond
from stock_assets_tests.place import files

# Raw prices of this room take 27 kB, clean ones 43 kB, features 180 kB, the report's page 690 kB.


def test_what_does_not_fit_is_told_and_leaves_nothing(make_graph) -> None:
    graph = make_graph()
    with no_file_beyond(100_000):
        result = graph.run(("raw_prices", "clean_prices", "features"))
    assert not result.success
    [(step, told)] = failures(result).items()
    assert step == "features"
    assert (
        f"TSLA {SESSION}: features could not be written to {graph.settings.data_dir}/features/TSLA: File too large; "
        f"nothing half-written was left. Mend that, then materialise features for TSLA, session {SESSION}, again"
    ) in told
    assert attempts(result, "features") == 2, "once more, for a disk that had a bad moment"
    assert materialised(result) == {"raw_prices", "clean_prices"}
    assert set(graph.checksums()) == {"raw_prices", "clean_prices"}
    assert all(graph.store.is_whole(asset, "TSLA", SESSION) for asset in ("raw_prices", "clean_prices"))
    assert not [name for name in files(Path(graph.settings.data_dir)) if name.startswith("features/")]
    assert any("File too large" in line for line in graph.log("features"))


def test_the_next_run_with_room_goes_through(make_graph) -> None:
    graph = make_graph()
    with no_file_beyond(100_000):
        assert not graph.run(("raw_prices", "clean_prices", "features")).success
    assert graph.run(("raw_prices", "clean_prices", "features")).success
    assert graph.store.is_whole("features", "TSLA", SESSION)


def test_earlier_artefacts_stay(make_graph) -> None:
    """Of another session, and of the same one, which were to be replaced."""
    graph = make_graph()
    for session in (later(-1), SESSION):
        assert graph.run(PRICES, session=session).success
    before = files(Path(graph.settings.data_dir))
    dearer = make_graph(prices=CannedSource(change=lambda bars, ticker, session: bars.assign(volume=bars.volume + 1)))
    with no_file_beyond(20_000):
        result = dearer.run(("raw_prices",))
    assert "raw_prices could not be written to" in failures(result)["raw_prices"]
    assert files(Path(graph.settings.data_dir)) == before


@pytest.mark.parametrize("size", [100_000, 500_000], ids=["a figure does not fit", "the page does not fit"])
def test_a_folder_of_files_is_replaced_whole_or_not_at_all(finished, make_graph, size: int) -> None:
    done, _ = finished
    graph = make_graph()
    shutil.copytree(done.settings.data_dir, graph.settings.data_dir)
    earlier = {"/report.html": b"the report of an earlier run", "/figures/price.png": b"its figure"}
    ArtefactStore(graph.settings.data_dir).write("report", "TSLA", SESSION, earlier)
    before = files(Path(graph.settings.data_dir))
    with no_file_beyond(size):
        result = graph.run(("report",))
    assert "report could not be written to" in failures(result)["report"]
    assert graph.store.read("report", "TSLA", SESSION) == earlier
    assert files(Path(graph.settings.data_dir)) == before


def test_a_full_disk_for_logs_is_told_and_the_work_goes_on(make_graph, capsys: pytest.CaptureFixture) -> None:
    graph = make_graph()
    log = graph.settings.log_dir / "clean_prices.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * 50_000)
    with no_file_beyond(50_000):
        result = graph.run(PRICES)
    assert result.success
    assert log.read_bytes() == b"x" * 50_000
    err = capsys.readouterr().err
    assert set(err.splitlines()) == {f"{log} can't be written: File too large"}
    assert any("finished in" in line for line in graph.log("raw_prices"))
