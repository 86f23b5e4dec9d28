"""While a writer replaces a store, every answer is one whole version: never the row of one and the model of another."""

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from stock_assets.core.errors import NotWholeError
from stock_assets.serving import forecast
from stock_assets.serving.forecasts import Forecast, Forecasts
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.serving import stores

TICKER = "TSLA"
ROUNDS = 12
ENOUGH = 5
OLD, NEW, LANDING = stores.later(-1), stores.SESSION, stores.later(1)

Version = tuple[str, str, str]
"""Checksums of the forecast, its model and its clean prices."""


def version_in(folder: Path, version: int, sessions: list[dt.date]) -> ArtefactStore:
    """One version of everything, with the models of the first session."""
    store = ArtefactStore(folder)
    for session in sessions:
        made = stores.snapshot(TICKER, session, model_as_of=sessions[0], version=version)
        stores.write(store, TICKER, session, made)
    return store


def versions_of(store: ArtefactStore) -> dict[Version, dict]:
    """What a store holds: the checksums of each whole forecast, and its row."""
    model_as_of = store.sessions("model", TICKER)[0]
    model = store.checksum("model", TICKER, model_as_of)
    found = {}
    for session in store.sessions("predictions", TICKER):
        at = (TICKER, session)
        key = (store.checksum("predictions", *at), model, store.checksum("clean_prices", *at))
        table = Snapshot(store, *at).table("predictions")
        found[key] = dict(forecast.plain_row(table, ticker=TICKER, as_of=session))
    return found


@contextmanager
def writer(live: Path, versions: list[Path]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "stock_assets_tests.serving.replacing", str(live), *map(str, versions)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        assert process.poll() is None, "the writer went on to the end"
    finally:
        process.kill()
        process.communicate()


def wait_for_rounds(process: subprocess.Popen[str], n: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= n:
            return


@pytest.fixture
def staged(tmp_path: Path) -> tuple[list[Path], dict[Version, dict]]:
    """Three versions of two sessions, the last of which has a third session too; and all that may ever be answered."""
    dates = [[OLD, NEW], [OLD, NEW], [OLD, NEW, LANDING]]
    folders = [tmp_path / f"version_{n}" for n in range(3)]
    known: dict[Version, dict] = {}
    for n, (folder, sessions) in enumerate(zip(folders, dates, strict=True)):
        known |= versions_of(version_in(folder, n, sessions))
    assert len(known) == 7
    return folders, known


def test_no_answer_is_ever_of_two_versions(tmp_path: Path, staged: tuple[list[Path], dict[Version, dict]]) -> None:
    folders, known = staged
    store = version_in(tmp_path / "live", 0, [OLD, NEW])
    shared = Forecasts(store, refresh_seconds=0)
    shared.newest(TICKER)
    answers: list[Forecast] = []
    unexpected: list[BaseException] = []
    stop = threading.Event()

    def ask_shared() -> None:
        while not stop.is_set():
            answers.append(shared.newest(TICKER))  # held from before: there always is an answer
            for as_of in (OLD, NEW):
                with between_versions():
                    answers.append(shared.of(TICKER, as_of))

    def ask_anew() -> None:
        """As a process does that has just been started: nothing is held."""
        while not stop.is_set():
            anew = Forecasts(store, refresh_seconds=0)
            with between_versions():
                answers.append(anew.of(TICKER, OLD))
            with between_versions():
                answers.append(anew.newest(TICKER))

    def between_versions() -> AbstractContextManager[None]:
        # There is nothing whole to tell then.
        return suppress(NotWholeError)

    def run(ask) -> None:
        try:
            ask()
        except BaseException as error:
            unexpected.append(error)
            raise

    threads = [threading.Thread(target=run, args=(ask,)) for ask in (ask_shared, ask_shared, ask_anew)]
    with writer(tmp_path / "live", folders) as process:
        for thread in threads:
            thread.start()
        wait_for_rounds(process, ROUNDS)
        # On a slow machine the readers may have had few turns by then.
        for more in range(1, 50 * ROUNDS):
            whole = {one.forecast_checksum: one.as_of for one in answers.copy() if one.model_checksum is not None}
            if len(whole) >= ENOUGH and {*whole.values()} == {OLD, NEW, LANDING}:
                break
            wait_for_rounds(process, ROUNDS + more)
        stop.set()
        for thread in threads:
            thread.join()
    assert not unexpected
    rows = {checksums[0]: row for checksums, row in known.items()}
    seen = set()
    for answer in {id(one): one for one in answers}.values():
        checksums = (answer.forecast_checksum, answer.model_checksum, answer.data_checksum)
        assert dict(answer.row) == rows[answer.forecast_checksum]
        if answer.model_checksum is None:
            assert answer.data_checksum is None
            assert any("not verified" in warning for warning in answer.warnings)
        else:
            assert checksums in known
            seen.add(checksums)
    assert len(seen) >= ENOUGH, "the writer was seen at work"
    assert {row["as_of"] for checksums, row in known.items() if checksums in seen} == {OLD, NEW, LANDING}


def test_what_was_landed_last_is_told_in_the_end(tmp_path: Path) -> None:
    store = version_in(tmp_path, 0, [OLD, NEW])
    shared = Forecasts(store, refresh_seconds=0)
    assert shared.newest(TICKER).as_of == NEW
    version_in(tmp_path, 1, [OLD, NEW, LANDING])
    whole = versions_of(store)
    for as_of in (OLD, NEW, LANDING):
        answer = shared.of(TICKER, as_of)
        assert (answer.forecast_checksum, answer.model_checksum, answer.data_checksum) in whole
    assert shared.newest(TICKER) is shared.of(TICKER, LANDING)
    assert shared.troubles() == {}
