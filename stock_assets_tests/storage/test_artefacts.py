"""The store: layout, seals, damage, kills, rival writers, a full disk, and the same on fsspec's memory and on S3."""

import contextlib
import datetime
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from stock_assets.core.errors import (
    ArtefactError,
    DamagedArtefactError,
    InvalidTickerError,
    MissingArtefactError,
)
from stock_assets.storage import folders, seals
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests import s3
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.storage import killed_writers

ROOT = Path(__file__).resolve().parents[2]
FRIDAY = datetime.date(2024, 3, 8)
MONDAY = datetime.date(2024, 3, 11)
REPORT = {"/report.html": b"<html>", "/figures/price.png": b"png", "/figures/drawdown.png": b"png too"}


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "data")


@pytest.fixture
def memory_store() -> ArtefactStore:
    return ArtefactStore(f"memory://{uuid.uuid4().hex}/data")


@pytest.fixture(params=["folder", "file_url", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, memory_store: ArtefactStore) -> ArtefactStore:
    if request.param == "memory":
        return memory_store
    return ArtefactStore(tmp_path if request.param == "folder" else f"file://{tmp_path}")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".lock"}


# Layout and seals


def test_files_lie_below_asset_ticker_and_session(store: ArtefactStore, tmp_path: Path):
    store.write("raw_prices", "TSLA", FRIDAY, {".parquet": b"bars"})
    store.write("report", "BRK-B", FRIDAY, REPORT)

    assert files_below(tmp_path / "data/raw_prices/TSLA") == {"2024-03-08.parquet", "2024-03-08.sha256"}
    assert files_below(tmp_path / "data/report/BRK-B") == {
        "2024-03-08/report.html",
        "2024-03-08/figures/price.png",
        "2024-03-08/figures/drawdown.png",
        "2024-03-08.sha256",
    }
    assert store.path("report", "BRK-B", FRIDAY, "/report.html").read_bytes() == b"<html>"


def test_what_is_written_is_read(any_store: ArtefactStore):
    any_store.write("report", "TSLA", FRIDAY, REPORT)

    assert any_store.read("report", "TSLA", FRIDAY) == REPORT
    assert any_store.read("report", "TSLA", FRIDAY, suffixes=["/report.html"]) == {"/report.html": b"<html>"}
    assert any_store.has("report", "TSLA", FRIDAY)
    assert any_store.is_whole("report", "TSLA", FRIDAY)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_can_check_a_seal(store: ArtefactStore, tmp_path: Path):
    store.write("report", "TSLA", FRIDAY, REPORT)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "2024-03-08.sha256"],
        cwd=tmp_path / "data/report/TSLA",
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout.splitlines() == [
        "2024-03-08/figures/drawdown.png: OK",
        "2024-03-08/figures/price.png: OK",
        "2024-03-08/report.html: OK",
    ]


def test_the_checksum_is_that_of_the_sorted_seal(any_store: ArtefactStore):
    seal = any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest", ".json": b"card"})

    lines = (
        f"{hashlib.sha256(b'card').hexdigest()}  2024-03-08.json\n"
        f"{hashlib.sha256(b'forest').hexdigest()}  2024-03-08.skops\n"
    )
    assert seal.text == lines
    assert seal.checksum == hashlib.sha256(lines.encode()).hexdigest()
    assert seal.size == len(b"forest") + len(b"card")
    assert any_store.checksum("model", "TSLA", FRIDAY) == seal.checksum


def test_the_checksum_of_one_file_is_what_sha256sum_gives(any_store: ArtefactStore):
    any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest", ".json": b"card"})
    assert any_store.file_checksum("model", "TSLA", FRIDAY, ".json") == hashlib.sha256(b"card").hexdigest()
    with pytest.raises(MissingArtefactError, match=r"model has no file 2024-03-08\.parquet; it has 2024-03-08\.json, "):
        any_store.file_checksum("model", "TSLA", FRIDAY, ".parquet")
    with pytest.raises(MissingArtefactError, match="there is no model"):
        any_store.file_checksum("model", "STX", FRIDAY, ".json")


def test_the_order_of_files_does_not_change_the_checksum(any_store: ArtefactStore):
    first = any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest", ".json": b"card"})
    second = any_store.write("model", "TSLA", FRIDAY, {".json": b"card", ".skops": b"forest"})
    assert first == second


def test_sessions_are_sorted_and_only_sealed_ones_count(any_store: ArtefactStore):
    assert any_store.sessions("raw_prices", "TSLA") == []
    for session in (MONDAY, FRIDAY, datetime.date(2023, 12, 29)):
        any_store.write("raw_prices", "TSLA", session, {".parquet": b"bars"})
    any_store.write("raw_prices", "STX", datetime.date(2024, 3, 12), {".parquet": b"bars"})
    any_store.path("raw_prices", "TSLA", FRIDAY, ".parquet").with_name("2024-03-08.sha256").unlink()

    assert any_store.sessions("raw_prices", "TSLA") == [datetime.date(2023, 12, 29), MONDAY]


@pytest.mark.parametrize(
    ("not_before", "not_after", "expected"),
    [
        (None, datetime.date(2024, 3, 10), FRIDAY),
        (None, MONDAY, MONDAY),
        (FRIDAY, FRIDAY, FRIDAY),
        (None, datetime.date(2024, 3, 7), None),
        (datetime.date(2024, 3, 12), datetime.date(2024, 3, 29), None),
    ],
)
def test_latest_includes_both_bounds(store: ArtefactStore, not_before, not_after, expected):
    for session in (FRIDAY, MONDAY):
        store.write("model", "TSLA", session, {".skops": b"forest"})
    assert store.latest("model", "TSLA", not_after=not_after, not_before=not_before) == expected


# Names


@pytest.mark.parametrize(
    "ticker", ["../TSLA", "..", ".", "", "TSLA/STX", "tsla", "TS LA", "A\nB", "A\0", "A" * 33, "~"]
)
def test_a_ticker_can_not_leave_the_folder(store: ArtefactStore, tmp_path: Path, ticker: str):
    with pytest.raises(InvalidTickerError, match="can't name a folder"):
        store.write("raw_prices", ticker, FRIDAY, {".parquet": b""})
    with pytest.raises(InvalidTickerError):
        store.sessions("raw_prices", ticker)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("ticker", ["TSLA", "BRK-B", "^GSPC", "0700.HK", "EURUSD=X", "ES_F"])
def test_tickers_of_all_markets_can_be_stored(store: ArtefactStore, ticker: str):
    store.write("raw_prices", ticker, FRIDAY, {".parquet": b"bars"})
    assert store.sessions("raw_prices", ticker) == [FRIDAY]


@pytest.mark.parametrize("asset", ["../raw", "", "Raw", "raw/prices", "raw.prices"])
def test_an_asset_can_not_leave_the_folder(store: ArtefactStore, asset: str):
    with pytest.raises(ValueError, match="no asset's name"):
        store.write(asset, "TSLA", FRIDAY, {".parquet": b""})


@pytest.mark.parametrize(
    "suffix",
    [
        "",
        "parquet",
        "/",
        "/../x",
        "/a/../../x",
        "//x",
        "/.hidden",
        ".sha256",
        ".",
        "..",
        "/a b",
        "/a/",
        ".a/../b",
        ".a/",
        ".sha256/a",
    ],
)
def test_a_suffix_can_not_leave_the_artefact(store: ArtefactStore, suffix: str):
    with pytest.raises(ValueError, match="no file of an artefact"):
        store.write("report", "TSLA", FRIDAY, {suffix: b""})


def test_a_session_is_a_plain_date(store: ArtefactStore):
    with pytest.raises(TypeError, match=r"expected a plain datetime\.date"):
        store.read("raw_prices", "TSLA", datetime.datetime(2024, 3, 8))  # noqa: DTZ001 (naive or not, it is refused)


def test_an_artefact_has_at_least_one_file(store: ArtefactStore):
    with pytest.raises(ValueError, match="TSLA 2024-03-08: report without a file"):
        store.write("report", "TSLA", FRIDAY, {})


# Missing and damaged


def test_a_missing_artefact_says_what_to_materialise(any_store: ArtefactStore):
    with pytest.raises(MissingArtefactError) as caught:
        any_store.read("raw_prices", "TSLA", FRIDAY)
    assert "TSLA 2024-03-08: there is no raw_prices" in str(caught.value)
    assert "materialise raw_prices for TSLA, session 2024-03-08" in str(caught.value)
    with pytest.raises(MissingArtefactError):
        any_store.checksum("raw_prices", "TSLA", FRIDAY)
    assert not any_store.has("raw_prices", "TSLA", FRIDAY)
    assert not any_store.is_whole("raw_prices", "TSLA", FRIDAY)


def test_without_its_seal_an_artefact_does_not_exist(any_store: ArtefactStore):
    any_store.write("raw_prices", "TSLA", FRIDAY, {".parquet": b"bars"})
    any_store.path("raw_prices", "TSLA", FRIDAY, ".parquet").with_name("2024-03-08.sha256").unlink()

    assert not any_store.has("raw_prices", "TSLA", FRIDAY)
    with pytest.raises(MissingArtefactError):
        any_store.read("raw_prices", "TSLA", FRIDAY)


@pytest.mark.parametrize(
    ("damage", "came"),
    [
        (b"bar", "came 3 bytes with sha256"),
        (b"bars.", "came 5 bytes with sha256"),
        (b"barr", "came 4 bytes with sha256"),
        (b"", "came 0 bytes with sha256"),
        (None, "the file is missing"),
    ],
    ids=["truncated", "longer", "flipped", "empty", "missing"],
)
def test_damage_is_named(any_store: ArtefactStore, damage: bytes | None, came: str):
    any_store.write("raw_prices", "TSLA", FRIDAY, {".parquet": b"bars"})
    path = any_store.path("raw_prices", "TSLA", FRIDAY, ".parquet")
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)

    with pytest.raises(DamagedArtefactError) as caught:
        any_store.read("raw_prices", "TSLA", FRIDAY)
    message = str(caught.value)
    assert message.startswith("TSLA 2024-03-08: raw_prices in ")
    assert f"2024-03-08.parquet: {came}" in message
    assert f"expected sha256 {hashlib.sha256(b'bars').hexdigest()[:16]}" in message
    assert message.endswith("materialise raw_prices for TSLA, session 2024-03-08, again")
    assert any_store.has("raw_prices", "TSLA", FRIDAY)
    assert not any_store.is_whole("raw_prices", "TSLA", FRIDAY)


def test_writing_the_same_again_mends_damage(any_store: ArtefactStore):
    any_store.write("report", "TSLA", FRIDAY, REPORT)
    any_store.path("report", "TSLA", FRIDAY, "/figures/price.png").write_bytes(b"gnp")
    any_store.write("report", "TSLA", FRIDAY, REPORT)
    assert any_store.read("report", "TSLA", FRIDAY) == REPORT


@pytest.mark.parametrize(
    "seal",
    [
        b"",
        b"garbage",
        b"\xff\xfe\n",
        b"0" * 64 + b"  2024-03-08.parquet",  # cut off before the end of the line
        b"0" * 63 + b"  2024-03-08.parquet\n",
        b"0" * 64 + b"  2024-03-11.parquet\n",  # another session's
        b"0" * 64 + b"  2024-03-08/../../../secret\n",
        b"0" * 64 + b"  /etc/passwd\n",
        (b"0" * 64 + b"  2024-03-08.parquet\n") * 2,
        b"0" * 64 + b"  2024-03-08.skops\n" + b"0" * 64 + b"  2024-03-08.json\n",  # not sorted
    ],
)
def test_a_damaged_seal_is_no_seal(any_store: ArtefactStore, seal: bytes):
    any_store.write("raw_prices", "TSLA", FRIDAY, {".parquet": b"bars"})
    any_store.path("raw_prices", "TSLA", FRIDAY, ".parquet").with_name("2024-03-08.sha256").write_bytes(seal)

    with pytest.raises(
        DamagedArtefactError, match=r"the seal 2024-03-08\.sha256 of raw_prices is not what was written"
    ):
        any_store.read("raw_prices", "TSLA", FRIDAY)
    with pytest.raises(DamagedArtefactError):
        any_store.checksum("raw_prices", "TSLA", FRIDAY)
    any_store.write("raw_prices", "TSLA", FRIDAY, {".parquet": b"bars"})
    assert any_store.is_whole("raw_prices", "TSLA", FRIDAY)


def test_a_file_that_is_no_part_of_the_artefact_is_named(any_store: ArtefactStore):
    any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest"})
    with pytest.raises(MissingArtefactError, match=r"model has no file 2024-03-08\.json; it has 2024-03-08\.skops"):
        any_store.read("model", "TSLA", FRIDAY, suffixes=[".json"])


def test_an_unknown_file_beside_an_artefact_harms_nobody(any_store: ArtefactStore):
    any_store.write("report", "TSLA", FRIDAY, REPORT)
    for name in ("2024-03-08.note.sha256.txt", "notes.txt"):
        any_store.path("report", "TSLA", FRIDAY, "/report.html").parent.with_name(name).write_bytes(b"mine")
    assert any_store.read("report", "TSLA", FRIDAY) == REPORT
    assert any_store.sessions("report", "TSLA") == [FRIDAY]


# Writing again


def test_identical_content_is_not_written_again(store: ArtefactStore, tmp_path: Path):
    seal = store.write("report", "TSLA", FRIDAY, REPORT)
    folder = tmp_path / "data/report/TSLA"
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert store.write("report", "TSLA", FRIDAY, dict(REPORT)) == seal
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_files_no_longer_part_of_the_artefact_are_removed(any_store: ArtefactStore):
    any_store.write("report", "TSLA", FRIDAY, REPORT)
    any_store.write("report", "TSLA", MONDAY, REPORT)
    any_store.write("report", "TSLA", FRIDAY, {".html": b"<html>"})

    assert any_store.read("report", "TSLA", FRIDAY) == {".html": b"<html>"}
    assert not any_store.path("report", "TSLA", FRIDAY, "/figures/price.png").exists()
    assert not any_store.path("report", "TSLA", FRIDAY, "/report.html").parent.exists()
    assert any_store.read("report", "TSLA", MONDAY) == REPORT, "another session's files are not touched"


def test_a_flat_file_no_longer_part_of_the_artefact_is_removed(any_store: ArtefactStore):
    any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest", ".json": b"card"})
    any_store.write("model", "TSLA", FRIDAY, {".skops": b"forest"})
    assert not any_store.path("model", "TSLA", FRIDAY, ".json").exists()


def test_leftovers_of_a_killed_writer_are_removed(store: ArtefactStore, tmp_path: Path):
    folder = tmp_path / "data/model/TSLA"
    store.write("model", "TSLA", FRIDAY, {".skops": b"forest"})
    (folder / ".2024-03-08.abc.0.tmp").write_bytes(b"half")
    (folder / ".2024-03-11.abc.0.tmp").write_bytes(b"of a writer of another session, perhaps at work")
    store.write("model", "TSLA", FRIDAY, {".skops": b"forest"})
    assert files_below(folder) == {"2024-03-08.skops", "2024-03-08.sha256", ".2024-03-11.abc.0.tmp"}


# Disk full


@pytest.mark.parametrize("failing_call", range(12))
def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int
):
    store.write("report", "TSLA", FRIDAY, {"/report.html": b"old"})
    calls = iter(range(1000))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if next(calls) == failing_call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if failing_call < 9:
        with pytest.raises(ArtefactError, match=r"TSLA 2024-03-08: report could not be written to .* No space left on"):
            store.write("report", "TSLA", FRIDAY, REPORT)
    else:
        store.write("report", "TSLA", FRIDAY, REPORT)
    assert not [name for name in files_below(tmp_path) if name.endswith(".tmp")]
    if store.has("report", "TSLA", FRIDAY):
        assert store.read("report", "TSLA", FRIDAY) == (REPORT if failing_call >= 8 else {"/report.html": b"old"})
    else:
        assert 4 <= failing_call < 8, "as long as only temporary files were written, the old version stands"


def test_a_base_that_is_a_file_is_an_error(tmp_path: Path):
    (tmp_path / "data").write_text("not a folder")
    store = ArtefactStore(tmp_path / "data")
    with pytest.raises(ArtefactError, match="could not be written"):
        store.write("report", "TSLA", FRIDAY, REPORT)


# Kills


@pytest.fixture(scope="module", params=["at_each_step", "at_random"])
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stores of the first version, whose writers of the second were killed."""
    base = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        [sys.executable, "-m", "stock_assets_tests.storage.killed_writers", request.param, str(base)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return [base / str(number) for number in range(int(done.stdout))]


def test_a_killed_writer_leaves_the_artefact_whole_or_absent(killed: list[Path]):
    states = []
    for base in killed:
        store = ArtefactStore(base)
        if store.has("report", "TSLA", FRIDAY):
            found = store.read("report", "TSLA", FRIDAY)
            assert found in (killed_writers.FIRST, killed_writers.SECOND)
            states.append("first" if found == killed_writers.FIRST else "second")
        else:
            states.append("absent")
    assert len(states) >= 15
    assert "first" in states, "a test that never killed early"
    if len(states) > 15:
        assert states == sorted(states, key=["first", "absent", "second"].index), "one step after the other"
        assert set(states) == {"first", "absent", "second"}


def test_the_next_writer_clears_up_after_a_killed_one(killed: list[Path]):
    for base in killed:
        ArtefactStore(base).write("report", "TSLA", FRIDAY, killed_writers.SECOND)
        assert ArtefactStore(base).read("report", "TSLA", FRIDAY) == killed_writers.SECOND
        assert files_below(base / "report/TSLA") == {
            "2024-03-08/report.html",
            "2024-03-08/figures/price.png",
            "2024-03-08.json",
            "2024-03-08.parquet/2010-01-04.parquet",
            "2024-03-08.parquet/2024-01-02.parquet",
            "2024-03-08.sha256",
            "2024-03-07.parquet/2010-01-04.parquet",
            "2024-03-07.parquet/2024-01-02.parquet",
            "2024-03-07.sha256",
        }
        assert (base / "report/TSLA/2024-03-08.parquet/2010-01-04.parquet").stat().st_nlink == 2


def test_a_killed_writer_harms_no_session_that_it_shares_parts_with(killed: list[Path]):
    for base in killed:
        assert ArtefactStore(base).read("report", "TSLA", killed_writers.NEIGHBOUR) == killed_writers.NEIGHBOURS


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_writer_killed_between_objects_leaves_the_artefact_whole_or_absent(memory_store: ArtefactStore):
    second = {"/report.html": b"second", "/figures/price.png": b"second"}
    real, states = memory_store.base.fs, []

    class Mortal:
        steps = 0

        def __getattr__(self, name: str):
            def operation(*args):
                self.steps -= 1
                if self.steps < 0:
                    raise Killed
                return getattr(real, name)(*args)

            return operation if name in ("cat_file", "pipe_file", "rm_file", "find") else getattr(real, name)

    contents = {f"2024-03-08{suffix}": data for suffix, data in second.items()}
    for steps in range(30):
        memory_store.write("report", "TSLA", FRIDAY, REPORT)
        folder = folders.RemoteFolder(memory_store.base / "report" / "TSLA")
        folder.fs = mortal = Mortal()
        mortal.steps = steps
        with contextlib.suppress(Killed):
            folder.replace(seals.Artefact("report", "TSLA", FRIDAY), contents, seals.of(contents))
        whole = memory_store.has("report", "TSLA", FRIDAY) and memory_store.read("report", "TSLA", FRIDAY)
        states.append({False: "absent", True: "second" if whole == second else "first"}[bool(whole)])
        assert whole in (False, REPORT, second)
    assert list(dict.fromkeys(states)) == ["first", "absent", "second"]


# Rivals


def test_two_processes_writing_at_once_leave_one_whole_version(store: ArtefactStore, tmp_path: Path):
    program = (
        "import datetime, sys\n"
        "from stock_assets.storage.artefacts import ArtefactStore\n"
        "store, me = ArtefactStore(sys.argv[1]), sys.argv[2]\n"
        "for n in range(60):\n"
        "    files = {'/report.html': f'{me} {n}'.encode() * 5000, f'/figures/{me}.png': f'{me} {n}'.encode()}\n"
        "    store.write('report', 'TSLA', datetime.date(2024, 3, 8), files)\n"
    )
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "data"), name], cwd=ROOT, stderr=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    seen = set()
    while any(rival.poll() is None for rival in rivals):
        try:
            files = store.read("report", "TSLA", FRIDAY)
        except MissingArtefactError:
            continue
        text, figure = files.pop("/report.html"), files.popitem()
        assert not files
        assert text == figure[1] * 5000, "a reader sees one writer's files"
        seen.add(figure[1])
    for rival in rivals:
        assert rival.communicate()[1] == b""
        assert rival.returncode == 0
    assert seen, "a test that never read anything"
    assert store.is_whole("report", "TSLA", FRIDAY)
    assert len(files_below(tmp_path / "data/report/TSLA")) == 3


class Turns:
    """Lets two threads take turns at a file system, operation by operation, as a list of bools says."""

    def __init__(self, turns: list[bool]) -> None:
        self.turns = iter(turns)
        self.gate = threading.Condition()
        self.waiting: set[bool] = set()
        self.alive = {False, True}
        self.next: bool | None = None

    def wait(self, me: bool) -> None:
        with self.gate:
            self.waiting.add(me)
            self._choose()
            self.gate.wait_for(lambda: self.next == me)
            self.waiting.discard(me)
            self.next = None

    def leave(self, me: bool) -> None:
        with self.gate:
            self.alive.discard(me)
            self._choose()

    def _choose(self) -> None:
        if self.waiting and self.waiting == self.alive and self.next is None:
            self.next = min(self.waiting) if len(self.waiting) == 1 else next(self.turns, True)
            self.gate.notify_all()


@hypothesis.settings(deadline=None, max_examples=60, derandomize=True)
@hypothesis.given(turns=st.lists(st.booleans(), min_size=10, max_size=80))
def test_rivals_without_a_lock_leave_one_whole_version(turns: list[bool]):
    store = ArtefactStore(f"memory://{uuid.uuid4().hex}")
    order, outcome = Turns(turns), {}

    class Watched:
        def __init__(self, me: bool) -> None:
            self.me = me

        def __getattr__(self, name: str):
            real = getattr(store.base.fs, name)

            def operation(*args):
                order.wait(self.me)
                return real(*args)

            return operation if name in ("cat_file", "pipe_file", "rm_file", "find") else real

    def write(me: bool) -> None:
        folder = folders.RemoteFolder(store.base / "report" / "TSLA")
        folder.fs = Watched(me)
        data = str(me).encode()
        contents = {"2024-03-08/report.html": data, "2024-03-08.json": data}
        try:
            folder.replace(seals.Artefact("report", "TSLA", FRIDAY), contents, seals.of(contents))
            outcome[me] = "written"
        finally:
            order.leave(me)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "_PAUSE_SECONDS", 0)
        threads = [threading.Thread(target=write, args=(me,)) for me in (False, True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcome == {False: "written", True: "written"}
    assert len(set(store.read("report", "TSLA", FRIDAY).values())) == 1


# S3


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    with s3.server() as url:
        yield url


@pytest.fixture
def s3_store(s3_server: str) -> Iterator[ArtefactStore]:
    with s3.bucket(s3_server) as bucket:
        yield ArtefactStore(f"s3://{bucket}/prefix")


def test_s3_round_trip(s3_store: ArtefactStore):
    seal = s3_store.write("report", "TSLA", FRIDAY, REPORT)
    assert s3_store.write("report", "TSLA", FRIDAY, REPORT) == seal
    s3_store.write("report", "TSLA", MONDAY, {"/report.html": b"<html>"})

    assert s3_store.read("report", "TSLA", FRIDAY) == REPORT
    assert s3_store.checksum("report", "TSLA", FRIDAY) == seal.checksum
    assert s3_store.sessions("report", "TSLA") == [FRIDAY, MONDAY]
    assert s3_store.sessions("report", "STX") == []
    assert str(s3_store.path("report", "TSLA", FRIDAY, "/report.html")).endswith("/report/TSLA/2024-03-08/report.html")


def test_s3_replaces_removes_and_notices_damage(s3_store: ArtefactStore):
    s3_store.write("report", "TSLA", FRIDAY, REPORT)
    s3_store.write("report", "TSLA", FRIDAY, {"/report.html": b"new"})
    assert s3_store.read("report", "TSLA", FRIDAY) == {"/report.html": b"new"}
    assert not s3_store.path("report", "TSLA", FRIDAY, "/figures/price.png").exists()

    s3_store.path("report", "TSLA", FRIDAY, "/report.html").write_bytes(b"wen")
    with pytest.raises(DamagedArtefactError, match="TSLA 2024-03-08: report in s3://"):
        s3_store.read("report", "TSLA", FRIDAY)


def test_s3_holds_tables_in_parts(s3_store: ArtefactStore):
    """In full of each session; and nothing is left of what was one file, or of a part too many."""
    history, tails = ".parquet/2010-01-04.parquet", (".parquet/2023-01-03.parquet", ".parquet/2024-01-02.parquet")
    s3_store.write("features", "TSLA", FRIDAY, {".parquet": b"one file"})
    for session in (FRIDAY, MONDAY):
        s3_store.write("features", "TSLA", session, {history: b"history", tails[0]: b"tail"})
        s3_store.write("features", "TSLA", session, {history: b"history", tails[1]: str(session).encode()})
        assert s3_store.read("features", "TSLA", session, suffixes=[".parquet"]) == {
            history: b"history",
            tails[1]: str(session).encode(),
        }
    objects = s3_store.base.fs.find(s3_store.base.path)
    assert sorted(name.partition("/features/TSLA/")[2] for name in objects) == [
        f"{session}{suffix}" for session in (FRIDAY, MONDAY) for suffix in (history, tails[1], ".sha256")
    ]
    s3_store.write("features", "TSLA", FRIDAY, {".parquet": b"one file"})
    assert s3_store.read("features", "TSLA", FRIDAY) == {".parquet": b"one file"}


def test_s3_shows_what_another_process_wrote_after_a_listing(s3_store: ArtefactStore):
    import s3fs

    s3_store.write("report", "TSLA", FRIDAY, REPORT)
    assert s3_store.sessions("report", "TSLA") == [FRIDAY]
    another = s3fs.S3FileSystem(skip_instance_cache=True)
    folder = folders.RemoteFolder(s3_store.base / "report" / "TSLA")
    folder.fs = another
    contents = {"2024-03-11.json": b"{}"}
    folder.replace(seals.Artefact("report", "TSLA", MONDAY), contents, seals.of(contents))

    assert s3_store.has("report", "TSLA", MONDAY)
    assert s3_store.read("report", "TSLA", MONDAY) == {".json": b"{}"}
    assert s3_store.sessions("report", "TSLA") == [FRIDAY, MONDAY]


def test_s3_without_the_bucket_is_an_error(s3_store: ArtefactStore):
    with pytest.raises(ArtefactError, match="TSLA 2024-03-08: report could not be written to s3://nowhere"):
        ArtefactStore("s3://nowhere-at-all").write("report", "TSLA", FRIDAY, REPORT)
