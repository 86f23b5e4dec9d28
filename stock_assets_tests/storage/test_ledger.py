"""The ledger of trials: what counts as tried, as of when, and that nothing tried is lost."""

import datetime as dt
import multiprocessing

import pytest

from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.storage import ledger
from stock_assets.storage.artefacts import ArtefactStore

DAY = dt.date(2024, 3, 8)
BEFORE, AFTER = dt.date(2024, 3, 7), dt.date(2024, 3, 11)


def entry(fingerprint: str, sharpe: float | None = 0.02) -> ledger.Entry:
    return ledger.Entry(fingerprint, sharpe, "evaluation", {"horizon": 5})


@pytest.fixture
def store(tmp_path) -> ArtefactStore:
    return ArtefactStore(tmp_path)


def test_nothing_tried(store):
    assert ledger.tried(store, "TSLA", DAY) == []


def test_what_was_tried_comes_back(store):
    ledger.record(store, "TSLA", DAY, [entry("b"), entry("a", None)])
    assert ledger.tried(store, "TSLA", DAY) == [entry("a", None), entry("b")]
    assert ledger.tried(store, "STX", DAY) == []


def test_another_trial_of_the_same_partition_is_added(store):
    ledger.record(store, "TSLA", DAY, [entry("b")])
    ledger.record(store, "TSLA", DAY, [entry("a")])
    assert [found.fingerprint for found in ledger.tried(store, "TSLA", DAY)] == ["a", "b"]


def test_nothing_later_counts(store):
    for session, fingerprint in ((BEFORE, "a"), (DAY, "b"), (AFTER, "c")):
        ledger.record(store, "TSLA", session, [entry(fingerprint)])
    assert [found.fingerprint for found in ledger.tried(store, "TSLA", DAY)] == ["a", "b"]
    assert [found.fingerprint for found in ledger.tried(store, "TSLA", BEFORE)] == ["a"]


def test_trying_the_same_again_writes_nothing(store, tmp_path):
    ledger.record(store, "TSLA", BEFORE, [entry("a", 0.01)])
    ledger.record(store, "TSLA", BEFORE, [entry("a", 0.09)])
    ledger.record(store, "TSLA", DAY, [entry("a", 0.05)])
    assert ledger.tried(store, "TSLA", DAY) == [entry("a", 0.01)]
    assert store.sessions(ledger.ASSET, "TSLA") == [BEFORE]


def test_a_backfill_going_backwards_changes_nothing_that_was_told(store):
    ledger.record(store, "TSLA", DAY, [entry("a", 0.05)])
    ledger.record(store, "TSLA", BEFORE, [entry("a", 0.01)])
    assert ledger.tried(store, "TSLA", DAY) == [entry("a", 0.05)]
    assert ledger.tried(store, "TSLA", BEFORE) == [entry("a", 0.01)]


def test_the_order_of_trials_changes_no_byte(tmp_path):
    stores = [ArtefactStore(tmp_path / name) for name in ("one", "two")]
    for store, order in zip(stores, ("abc", "cba"), strict=True):
        for fingerprint in order:
            ledger.record(store, "TSLA", DAY, [entry(fingerprint)])
    first, second = (store.checksum(ledger.ASSET, "TSLA", DAY) for store in stores)
    assert first == second


def _try_ten(base: str, name: str) -> None:
    for n in range(10):
        ledger.record(ArtefactStore(base), "TSLA", DAY, [entry(f"{name}{n}")])


def test_processes_at_once_lose_nothing(store, tmp_path):
    # Threads of the parent would not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_try_ten, args=(str(tmp_path), name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    found = [each.fingerprint for each in ledger.tried(store, "TSLA", DAY)]
    assert found == sorted(f"{name}{n}" for name in "ab" for n in range(10))


def test_without_locks_a_lost_trial_is_written_again(monkeypatch):
    """Another writer's page replaces ours right after we wrote it, as it may on an object store."""
    store = ArtefactStore("memory://ledger-lost")
    ledger.record(store, "TSLA", DAY, [entry("theirs")])
    theirs = store.read(ledger.ASSET, "TSLA", DAY)
    write, replaced = ArtefactStore.write, []

    def write_and_be_replaced(self, asset, ticker, session, files):
        seal = write(self, asset, ticker, session, files)
        if not replaced:
            replaced.append(write(self, asset, ticker, session, theirs))
        return seal

    monkeypatch.setattr(ArtefactStore, "write", write_and_be_replaced)
    ledger.record(store, "TSLA", DAY, [entry("ours")])
    assert replaced
    assert [found.fingerprint for found in ledger.tried(store, "TSLA", DAY)] == ["ours", "theirs"]


def test_trials_of_all_horizons_have_the_periods_of_the_evaluation():
    """An annualised ratio of 1 is 1 / sqrt(252) a session and 1 / sqrt(50.4) a week."""
    entries = [entry("a", 1.0), entry("b", None)]
    for horizon, sharpe in ((1, 0.0629941), (5, 0.1408590)):
        found = ledger.as_trials(entries, horizon=horizon)
        assert [trial.fingerprint for trial in found] == ["a", "b"]
        assert [trial.sharpe for trial in found] == [pytest.approx(sharpe, abs=1e-6), None]


def test_a_damaged_page_says_what_to_do(store):
    ledger.record(store, "TSLA", DAY, [entry("a")])
    store.path(ledger.ASSET, "TSLA", DAY, ".json").write_text("{}")
    for act in (lambda: ledger.tried(store, "TSLA", AFTER), lambda: ledger.record(store, "TSLA", DAY, [entry("b")])):
        with pytest.raises(
            DamagedArtefactError, match=r"TSLA 2024-03-08: the ledger of trials .* delete it and its seal"
        ):
            act()


def test_a_folder_that_can_not_be(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ArtefactError, match=r"TSLA 2024-03-08: trials can't be written to .*: Not a directory"):
        ledger.record(ArtefactStore(tmp_path / "data"), "TSLA", DAY, [entry("a")])
