"""Writers that are killed: a program for the tests of the store, since killing needs processes of its own.

`python -m stock_assets_tests.storage.killed_writers at_each_step|at_random BASE` leaves below BASE one store for each
kill, and prints how many there are.
"""

import datetime
import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stock_assets.storage.artefacts import ArtefactStore

SESSION = datetime.date(2024, 3, 8)
FIRST = {"/report.html": b"first" * 60_000, "/figures/price.png": b"1" * 300_000, "/figures/dropped.png": b"1"}
SECOND = {"/report.html": b"second" * 60_000, "/figures/price.png": b"2" * 300_000, ".json": b"{}"}

# Python's audit events for what touches the disk.
STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "fcntl.flock")


def write(base: Path, files: dict[str, bytes]) -> None:
    ArtefactStore(base).write("report", "TSLA", SESSION, files)


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
        child = in_a_fork(lambda store=store: replace_forever(store))
        time.sleep(moments.uniform(0.001, 0.04))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return times


if __name__ == "__main__":
    print({"at_each_step": at_each_step, "at_random": at_random}[sys.argv[1]](Path(sys.argv[2])))  # noqa: T201
