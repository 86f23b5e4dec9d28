"""Writers that are killed: a program for the tests of the store, since killing needs processes of its own.

`python -m stock_assets_tests.storage.killed_writers at_each_step|at_random BASE` leaves below BASE one store for each
kill, and prints how many there are.

`python -m stock_assets_tests.storage.killed_writers real_ones STORE COPY KILLS SEED` replaces copies of all that STORE
holds of one session, again and again, and prints as JSON in which states they were found after each kill.
"""

import collections
import datetime
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stock_assets.core.errors import DamagedArtefactError
from stock_assets.storage.artefacts import ArtefactStore

SESSION = datetime.date(2024, 3, 8)
FIRST = {
    "/report.html": b"first" * 60_000,
    "/figures/price.png": b"1" * 300_000,
    "/figures/dropped.png": b"1",
    ".parquet": b"a table in one file" * 1_000,
}
SECOND = {
    "/report.html": b"second" * 60_000,
    "/figures/price.png": b"2" * 300_000,
    ".json": b"{}",
    ".parquet/2010-01-04.parquet": b"history" * 10_000,
    ".parquet/2024-01-02.parquet": b"tail" * 100,
}

NEIGHBOUR = datetime.date(2024, 3, 7)
NEIGHBOURS = {
    ".parquet/2010-01-04.parquet": SECOND[".parquet/2010-01-04.parquet"],
    ".parquet/2024-01-02.parquet": b"another tail",
}
"""Sealed of the session before: the second version's first part is a link to its own."""

# Python's audit events for what touches the disk.
STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "fcntl.flock")


def write(base: Path, files: dict[str, bytes], session: datetime.date = SESSION) -> None:
    ArtefactStore(base).write("report", "TSLA", session, files)


def in_a_fork(action: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        action()
        os._exit(0)
    return child


def kill_myself_at_step(number: int) -> None:
    steps = itertools.count()

    def hook(event: str, _: object) -> None:
        if event in STEPS and next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def at_each_step(base: Path) -> int:
    for number in itertools.count():
        store = base / str(number)
        write(store, FIRST)
        write(store, NEIGHBOURS, NEIGHBOUR)

        def replace(number: int = number, store: Path = store) -> None:
            kill_myself_at_step(number)
            write(store, SECOND)

        _, status = os.waitpid(in_a_fork(replace), 0)
        if status == 0:
            return number
    raise AssertionError("count() has no end")


def at_random(base: Path) -> int:
    moments = random.Random(20240308)
    times = 15

    def replace_forever(store: Path) -> None:
        while True:
            write(store, SECOND)
            write(store, FIRST)

    for number in range(times):
        store = base / str(number)
        write(store, FIRST)
        write(store, NEIGHBOURS, NEIGHBOUR)
        child = in_a_fork(lambda store=store: replace_forever(store))
        time.sleep(moments.uniform(0.001, 0.04))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return times


def real_ones(of: Path, to: Path, kills: int, seed: int) -> dict[str, Any]:
    """How often which state was found (`first`, `second`, `absent`, or what is wrong), and how often a writer of 100
    was killed with a temporary file open."""
    moments = random.Random(seed)
    store, copy = ArtefactStore(of), ArtefactStore(to)
    assets = sorted(path.name for path in of.iterdir())
    first = {asset: store.read(asset, "TSLA", SESSION) for asset in assets}
    second = {asset: another(files) for asset, files in first.items()}
    versions = {}

    def replace(rounds: int) -> None:
        for _ in range(rounds):
            for name, contents in (("first", first), ("second", second)):
                for asset in assets:
                    versions[asset, copy.write(asset, "TSLA", SESSION, contents[asset]).checksum] = name

    replace(1)
    started = time.perf_counter()
    replace(1)
    round_seconds = time.perf_counter() - started
    states, midway = collections.Counter(), 0
    for _ in range(kills):
        child = in_a_fork(lambda: replace(1_000_000))
        time.sleep(moments.uniform(0, round_seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        midway += any(to.rglob("*.tmp"))
        states.update(state(copy, asset, versions) for asset in assets)
    return {"artefacts": len(assets), "states": states, "midway": midway, "round_seconds": round_seconds}


def another(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Another version: every file ends differently; of several, one goes and one comes."""
    changed = {suffix: data + b"another" for suffix, data in sorted(files.items())[len(files) > 1 :]}
    return changed | {".new": b"new"} if len(files) > 1 else changed


def state(store: ArtefactStore, asset: str, versions: Mapping[tuple[str, str], str]) -> str:
    if not store.has(asset, "TSLA", SESSION):
        return "absent"
    try:
        store.read(asset, "TSLA", SESSION)
    except DamagedArtefactError as error:
        return str(error)
    return versions[asset, store.checksum(asset, "TSLA", SESSION)]


if __name__ == "__main__":
    if sys.argv[1] == "real_ones":
        _, _, source, target, how_many, begin = sys.argv
        json.dump(real_ones(Path(source), Path(target), int(how_many), int(begin)), sys.stdout)
    else:
        print({"at_each_step": at_each_step, "at_random": at_random}[sys.argv[1]](Path(sys.argv[2])))  # noqa: T201
