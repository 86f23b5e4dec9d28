"""Commands that are killed, and commands at the same moment on the same partition, data folder and DAGSTER_HOME."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end.conftest import SESSION, Run
from stock_assets_tests.place import PROGRAM, Place, at_once

RUN = ("run", "STX", "--source", "csv", "--as-of", SESSION)
KILLS = 3


@pytest.fixture
def alone(csv_run: Run) -> dict[str, bytes]:
    """What a run of STX leaves that nobody disturbed."""
    return of_stx(csv_run.place)


def of_stx(place: Place) -> dict[str, bytes]:
    """Without the page of all tickers, which tells of runs that go on at the same time."""
    return {name: content for name, content in place.files().items() if f"/STX/{SESSION}" in name}


def test_two_runs_of_one_partition_at_once(csv_run: Run, alone: dict[str, bytes], tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    for done in at_once(lambda: place.run(*RUN), lambda: place.run(*RUN)):
        assert (done.code, done.err) == (0, "")
        assert "\nSTX  done in" in done.out
    assert of_stx(place) == alone


def test_runs_that_are_killed_and_the_one_that_follows(csv_run: Run, alone: dict[str, bytes], tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails)
    moments = random.Random(seed)
    for _ in range(KILLS):
        process = subprocess.Popen(
            [str(PROGRAM), *RUN],
            cwd=tmp_path,
            env=place.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # At the beginning of one of its steps, but for the last, or a moment later.
        before, steps = begun(place), moments.randrange(1, len(ALL))
        while begun(place) < before + steps and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.02))
        process.kill()
        out, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, out
        stored = place.files()
        for asset in ALL:
            if f"{asset}/STX/{SESSION}.sha256" in stored:
                assert finished(asset, stored) == finished(asset, alone)
    done = place.run(*RUN)
    assert (done.code, done.err) == (0, "")
    assert of_stx(place) == alone


def begun(place: Place) -> int:
    """How many steps of all runs have begun."""
    return sum(log.read_text().count(" started, run ") for log in (place.folder / "logs").glob("*.log"))


def finished(asset: str, stored: dict[str, bytes]) -> dict[str, bytes]:
    """The files of an asset, without those that a killed writer had under way."""
    return {
        name: content for name, content in stored.items() if name.startswith(f"{asset}/") and not name.endswith(".tmp")
    }
