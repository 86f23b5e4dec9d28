"""What lies in the store, to the byte; and what is taken out is gone, whatever moment the process is killed at."""

import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import upath

from stock_assets.core.errors import ArtefactError
from stock_assets.settings import project_root
from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.place import clean_environment

MONDAY, TUESDAY = dt.date(2024, 3, 4), dt.date(2024, 3, 5)
PAGE = {"/report.html": b"<p>" * 100, "/figures/price.png": b"p" * 50, "/figures/returns.png": b"r" * 25}


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtefactStore:
    if request.param == "folder":
        return ArtefactStore(tmp_path)
    return ArtefactStore(upath.UPath(f"memory://{tmp_path.name}"))


def bytes_of(store: ArtefactStore, ticker: str = "TSLA") -> int:
    return sum(len(path.read_bytes()) for path in (store.base / "report" / ticker).rglob("*") if path.is_file())


def test_files_and_bytes_are_those_of_the_disk(store: ArtefactStore) -> None:
    store.write("report", "TSLA", MONDAY, PAGE)
    [found] = inventory.contents(store, "report", "TSLA").items()
    assert found == (MONDAY, inventory.Stored(files=4, bytes=bytes_of(store), sealed=True))
    assert found[1].bytes > 375


def test_sessions_and_tickers_are_told_apart(store: ArtefactStore) -> None:
    for ticker in ("TSLA", "BRK-B"):
        for session in (MONDAY, TUESDAY):
            store.write("report", ticker, session, PAGE)
    store.write("model", "^GSPC", MONDAY, {".json": b"{}"})
    assert inventory.tickers(store, "report") == ["BRK-B", "TSLA"]
    assert inventory.tickers(store, "model") == ["^GSPC"]
    assert inventory.tickers(store, "backtest") == []
    assert list(inventory.contents(store, "report", "TSLA")) == [MONDAY, TUESDAY]
    assert inventory.contents(store, "report", "AAPL") == {}


def test_what_is_deleted_is_gone_and_nothing_else(store: ArtefactStore) -> None:
    for session in (MONDAY, TUESDAY):
        store.write("report", "TSLA", session, PAGE)
        store.write("model", "TSLA", session, {".skops": b"m", ".json": b"{}"})
    before = inventory.contents(store, "report", "TSLA")[TUESDAY]
    inventory.delete(store, "report", "TSLA", MONDAY)
    assert inventory.contents(store, "report", "TSLA") == {TUESDAY: before}
    assert store.sessions("report", "TSLA") == [TUESDAY]
    assert store.is_whole("report", "TSLA", TUESDAY)
    assert store.sessions("model", "TSLA") == [MONDAY, TUESDAY]
    assert bytes_of(store) == before.bytes


def test_deleting_twice_is_deleting_once(store: ArtefactStore) -> None:
    inventory.delete(store, "report", "TSLA", MONDAY)
    store.write("report", "TSLA", MONDAY, PAGE)
    inventory.delete(store, "report", "TSLA", MONDAY)
    inventory.delete(store, "report", "TSLA", MONDAY)
    assert inventory.contents(store, "report", "TSLA") == {}


def test_what_can_be_written_again_can_be_deleted(store: ArtefactStore) -> None:
    for _ in range(2):
        store.write("report", "TSLA", MONDAY, PAGE)
        assert store.read("report", "TSLA", MONDAY) == PAGE
        inventory.delete(store, "report", "TSLA", MONDAY)


def test_files_without_a_seal_are_found_and_deleted(store: ArtefactStore) -> None:
    store.write("report", "TSLA", MONDAY, PAGE)
    (store.base / "report" / "TSLA" / f"{MONDAY}.sha256").unlink()
    (store.base / "report" / "TSLA" / f".{MONDAY}.0a1b.0.tmp").write_bytes(b"half")
    assert inventory.contents(store, "report", "TSLA") == {MONDAY: inventory.Stored(4, 379, sealed=False)}
    inventory.delete(store, "report", "TSLA", MONDAY)
    assert inventory.contents(store, "report", "TSLA") == {}


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtefactStore(tmp_path)
    store.write("report", "TSLA", MONDAY, PAGE)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("stock_assets.storage.atomic.sync_folder", fail)
    with pytest.raises(ArtefactError, match="report/TSLA can't be tidied: Input/output error"):
        inventory.delete(store, "report", "TSLA", MONDAY)
    assert not store.has("report", "TSLA", MONDAY)


KILLED = """
import datetime, os, pathlib, signal, sys
from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore
left = int(sys.argv[2])
unlink = pathlib.Path.unlink
def counted(path, **more):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    unlink(path, **more)
pathlib.Path.unlink = counted
inventory.delete(ArtefactStore(sys.argv[1]), "report", "TSLA", datetime.date(2024, 3, 4))
"""


@pytest.mark.parametrize("n", range(4))
def test_a_deletion_that_is_killed_leaves_nothing_that_looks_whole(tmp_path: Path, n: int) -> None:
    """Before its n-th file goes. The artefact is whole, or none; and the next deletion ends what this one began."""
    store = ArtefactStore(tmp_path)
    store.write("report", "TSLA", MONDAY, PAGE)
    store.write("report", "TSLA", TUESDAY, PAGE)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(n)], cwd=project_root(), env=clean_environment(), check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert store.has("report", "TSLA", MONDAY) is store.is_whole("report", "TSLA", MONDAY) is (n == 0)
    assert inventory.contents(store, "report", "TSLA")[MONDAY].files == 4 - n
    assert store.is_whole("report", "TSLA", TUESDAY)
    inventory.delete(store, "report", "TSLA", MONDAY)
    left = sorted(path.name for path in (tmp_path / "report" / "TSLA").iterdir())
    assert left == [".lock", "2024-03-05", "2024-03-05.sha256"]


# Parts that sessions share

WEDNESDAY = dt.date(2024, 3, 6)
HISTORY = 1000


def table(session: dt.date) -> dict[str, bytes]:
    return {".parquet/2010-01-04.parquet": b"h" * HISTORY, ".parquet/2024-01-02.parquet": str(session).encode()}


def on_disk(folder: Path) -> int:
    """As `du` counts: a file with several names once."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({stat.st_ino: stat.st_size for stat in found}.values())


def test_what_is_shared_is_counted_once(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    for session in (MONDAY, TUESDAY, WEDNESDAY):
        store.write("features", "TSLA", session, table(session))
    found = inventory.contents(store, "features", "TSLA")
    assert inventory.size(found.values()) == on_disk(tmp_path)
    seal = sum(64 + 2 + len(f"2024-03-04{suffix}\n") for suffix in table(MONDAY))
    assert [(one.files, one.bytes) for one in found.values()] == [(3, 10 + seal)] * 3
    assert {shared.bytes for one in found.values() for shared in one.shared} == {HISTORY}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_deleting_gives_back_is_foreseen(tmp_path: Path, n: int) -> None:
    store = ArtefactStore(tmp_path)
    for session in (MONDAY, TUESDAY, WEDNESDAY):
        store.write("features", "TSLA", session, table(session))
    going = list(inventory.contents(store, "features", "TSLA").items())[:n]
    before = on_disk(tmp_path)
    foreseen = inventory.freed(stored for _, stored in going)
    assert (foreseen > HISTORY) is (n == 3), "the history goes with the last that has it"
    for session, _ in going:
        inventory.delete(store, "features", "TSLA", session)
    assert before - on_disk(tmp_path) == foreseen
    for session in store.sessions("features", "TSLA"):
        assert store.read("features", "TSLA", session) == table(session)


def test_what_somebody_else_has_a_name_of_is_not_given_back(tmp_path: Path) -> None:
    """Such as a backup that was made with links."""
    store = ArtefactStore(tmp_path / "data")
    store.write("features", "TSLA", MONDAY, table(MONDAY))
    part = tmp_path / "data" / "features" / "TSLA" / "2024-03-04.parquet" / "2010-01-04.parquet"
    (tmp_path / "backup").hardlink_to(part)
    assert inventory.freed(inventory.contents(store, "features", "TSLA").values()) < HISTORY


def test_no_folder_of_parts_is_left_behind(store: ArtefactStore) -> None:
    for session in (MONDAY, TUESDAY):
        store.write("features", "TSLA", session, table(session))
    inventory.delete(store, "features", "TSLA", MONDAY)
    assert list(inventory.contents(store, "features", "TSLA")) == [TUESDAY]
    assert not (store.base / "features" / "TSLA" / "2024-03-04.parquet").exists()
    assert store.read("features", "TSLA", TUESDAY) == table(TUESDAY)
