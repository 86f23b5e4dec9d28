"""Parts that sessions share lie on the disk once: when they are linked, when they are not, and what damage does."""

import datetime
import errno
import os
import subprocess
from pathlib import Path

import pytest
import upath

from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore

WEDNESDAY, THURSDAY, FRIDAY, MONDAY = (datetime.date(2024, 3, day) for day in (6, 7, 8, 11))
OLD, NEW = ".parquet/2010-01-04.parquet", ".parquet/2024-01-02.parquet"
HISTORY = b"history" * 1000


def table(tail: str, history: bytes = HISTORY) -> dict[str, bytes]:
    return {OLD: history, NEW: tail.encode()}


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path)


def write(store: ArtefactStore, session: datetime.date, files: dict[str, bytes] | None = None) -> None:
    store.write("clean_prices", "TSLA", session, files or table(str(session)))


def read(store: ArtefactStore, session: datetime.date) -> dict[str, bytes]:
    return store.read("clean_prices", "TSLA", session)


def inode(store: ArtefactStore, session: datetime.date, suffix: str = OLD) -> int:
    return store.path("clean_prices", "TSLA", session, suffix).stat().st_ino


def names(store: ArtefactStore, session: datetime.date, suffix: str = OLD) -> int:
    return store.path("clean_prices", "TSLA", session, suffix).stat().st_nlink


def test_the_same_history_lies_there_once(store: ArtefactStore):
    for session in (WEDNESDAY, THURSDAY, FRIDAY):
        write(store, session)
    assert len({inode(store, session) for session in (WEDNESDAY, THURSDAY, FRIDAY)}) == 1
    assert len({inode(store, session, NEW) for session in (WEDNESDAY, THURSDAY, FRIDAY)}) == 3
    assert names(store, FRIDAY) == 3
    for session in (WEDNESDAY, THURSDAY, FRIDAY):
        assert read(store, session) == table(str(session))


def test_sha256sum_finds_all_in_order(store: ArtefactStore, tmp_path: Path):
    for session in (THURSDAY, FRIDAY):
        write(store, session)
        command = ["sha256sum", "--strict", "--check", f"{session}.sha256"]
        done = subprocess.run(command, cwd=tmp_path / "clean_prices/TSLA", capture_output=True, text=True, check=True)
        assert done.stdout == f"{session}{OLD}: OK\n{session}{NEW}: OK\n"


def test_the_session_before_is_looked_at_and_else_the_next(store: ArtefactStore):
    write(store, WEDNESDAY, table("w", b"history of Wednesday"))
    write(store, MONDAY)
    write(store, THURSDAY)
    assert inode(store, THURSDAY) != inode(store, MONDAY), "the one before has another history"
    write(store, datetime.date(2024, 3, 5), table("t", b"history of Wednesday"))
    assert inode(store, datetime.date(2024, 3, 5)) == inode(store, WEDNESDAY), "made later, for an earlier session"


def test_only_a_sealed_neighbour_counts(store: ArtefactStore):
    write(store, THURSDAY)
    store.path("clean_prices", "TSLA", THURSDAY, OLD).parent.with_name("2024-03-07.sha256").unlink()
    write(store, FRIDAY)
    assert inode(store, FRIDAY) != inode(store, THURSDAY)


def test_a_neighbour_whose_seal_is_damaged_counts_for_nothing(store: ArtefactStore):
    write(store, THURSDAY)
    store.path("clean_prices", "TSLA", THURSDAY, OLD).parent.with_name("2024-03-07.sha256").write_bytes(b"\xff nothing")
    write(store, FRIDAY)
    assert names(store, FRIDAY) == 1


def test_damage_is_not_handed_on(store: ArtefactStore):
    """The neighbour's bytes are compared, not only its seal's word for them."""
    write(store, THURSDAY)
    store.path("clean_prices", "TSLA", THURSDAY, OLD).write_bytes(b"rotten")
    write(store, FRIDAY)
    assert read(store, FRIDAY) == table(str(FRIDAY))
    with pytest.raises(DamagedArtefactError):
        read(store, THURSDAY)


def test_damage_to_what_is_shared_is_told_by_all_and_mended_one_by_one(store: ArtefactStore):
    for session in (THURSDAY, FRIDAY):
        write(store, session)
    store.path("clean_prices", "TSLA", FRIDAY, OLD).write_bytes(b"rotten")
    for session in (THURSDAY, FRIDAY):
        with pytest.raises(DamagedArtefactError, match=f"TSLA {session}: clean_prices .* {session}.parquet/2010-01-04"):
            read(store, session)
    for session in (THURSDAY, FRIDAY):
        write(store, session)
        assert read(store, session) == table(str(session))
    assert inode(store, FRIDAY) == inode(store, THURSDAY), "and is shared again"


def test_what_is_written_again_changes_no_other_session(store: ArtefactStore):
    for session in (THURSDAY, FRIDAY):
        write(store, session)
    write(store, FRIDAY, table("corrected", b"corrected"))
    assert read(store, THURSDAY) == table(str(THURSDAY))
    assert read(store, FRIDAY) == table("corrected", b"corrected")
    write(store, FRIDAY)
    assert names(store, FRIDAY) == 2
    write(store, FRIDAY, table("of a link to the very same file"))
    assert read(store, FRIDAY) == table("of a link to the very same file")
    left = sorted(path.name for path in store.path("clean_prices", "TSLA", FRIDAY, OLD).parents[1].iterdir())
    assert left == [".lock", "2024-03-07.parquet", "2024-03-07.sha256", "2024-03-08.parquet", "2024-03-08.sha256"]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_one_file_becomes_parts_and_parts_become_one_file(kind: str, tmp_path: Path):
    """As where an earlier version wrote it, or a table grew."""
    store = ArtefactStore(tmp_path if kind == "folder" else upath.UPath(f"memory://{tmp_path.name}/one"))
    whole = {".parquet": b"one file"}
    for files in (whole, table("parts"), whole, table("parts") | {".json": b"{}"}, table("parts"), whole):
        write(store, FRIDAY, files)
        assert read(store, FRIDAY) == files
        assert store.read("clean_prices", "TSLA", FRIDAY, suffixes=[".parquet"]) == {
            suffix: data for suffix, data in files.items() if suffix != ".json"
        }
        [stored] = inventory.contents(store, "clean_prices", "TSLA").values()
        assert stored.files == len(files) + 1, "nothing of another version is left, and the seal"


def test_a_part_too_many_is_taken_away(store: ArtefactStore):
    write(store, FRIDAY, table("tail") | {".parquet/2023-01-03.parquet": b"of an earlier version"})
    write(store, FRIDAY)
    folder = store.path("clean_prices", "TSLA", FRIDAY, ".parquet")
    assert sorted(path.name for path in Path(str(folder)).iterdir()) == ["2010-01-04.parquet", "2024-01-02.parquet"]


def test_a_bucket_is_cleared_of_the_parts_of_a_killed_writer(tmp_path: Path):
    """Other readers read whatever lies in the folder."""
    store = ArtefactStore(upath.UPath(f"memory://{tmp_path.name}/killed"))
    store.path("clean_prices", "TSLA", FRIDAY, ".parquet/2009-01-02.parquet").write_bytes(b"never sealed")
    write(store, FRIDAY)
    assert not store.path("clean_prices", "TSLA", FRIDAY, ".parquet/2009-01-02.parquet").exists()
    assert read(store, FRIDAY) == table(str(FRIDAY))


@pytest.mark.parametrize("number", [errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP])
def test_where_there_are_no_links_it_is_written_in_full(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch, number: int
):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    for session in (THURSDAY, FRIDAY):
        write(store, session)
        assert read(store, session) == table(str(session))
    assert names(store, FRIDAY) == 1


@pytest.mark.parametrize("failing_call", [0, 1])
def test_a_disk_that_is_full_leaves_the_neighbour_and_the_old_version(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch, failing_call: int
):
    """The tail and the seal are synced before anything changes; the first part is a link and costs no space."""
    write(store, THURSDAY)
    write(store, FRIDAY, {".parquet": b"old"})
    real, calls = os.fsync, iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) == failing_call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(ArtefactError, match="No space left on device"):
            write(store, FRIDAY)
    assert read(store, FRIDAY) == {".parquet": b"old"}
    assert names(store, THURSDAY) == 1, "no link is left"
    assert read(store, THURSDAY) == table(str(THURSDAY))


def test_files_that_are_no_parts_are_never_shared(store: ArtefactStore):
    for session in (THURSDAY, FRIDAY):
        store.write("report", "TSLA", session, {"/figures/price.png": b"the same", ".json": b"{}"})
    assert store.path("report", "TSLA", FRIDAY, "/figures/price.png").stat().st_nlink == 1
    assert store.path("report", "TSLA", FRIDAY, ".json").stat().st_nlink == 1


# Checksums of a folder


def test_the_checksum_of_a_folder_is_that_of_its_lines(store: ArtefactStore):
    write(store, FRIDAY)
    folder = store.path("clean_prices", "TSLA", FRIDAY, ".parquet").parent
    done = subprocess.run(
        ["sha256sum", "2024-03-08.sha256"], cwd=str(folder), capture_output=True, text=True, check=True
    )
    assert store.file_checksum("clean_prices", "TSLA", FRIDAY, ".parquet") == done.stdout.split()[0]
    assert store.checksum("clean_prices", "TSLA", FRIDAY) == done.stdout.split()[0]


def test_a_file_beside_the_folder_changes_its_checksum_in_no_way(store: ArtefactStore):
    write(store, FRIDAY)
    alone = store.file_checksum("clean_prices", "TSLA", FRIDAY, ".parquet")
    write(store, FRIDAY, table(str(FRIDAY)) | {".json": b"{}"})
    assert store.file_checksum("clean_prices", "TSLA", FRIDAY, ".parquet") == alone
    assert store.checksum("clean_prices", "TSLA", FRIDAY) != alone


def test_what_a_seal_says_is_told_by_suffix(store: ArtefactStore):
    write(store, FRIDAY)
    sealed = store.sealed("clean_prices", "TSLA", FRIDAY)
    assert sealed.checksum == store.checksum("clean_prices", "TSLA", FRIDAY)
    assert set(sealed.files) == {OLD, NEW}
    assert sealed.files[OLD] == store.file_checksum("clean_prices", "TSLA", FRIDAY, OLD)
