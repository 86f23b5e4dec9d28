"""Runs of this command whose process was killed: Dagster would take them for running, and keep their places for them.

Each run holds a lock on a file under `<DAGSTER_HOME>/running` while it lives. The kernel lets go of it when the process
dies, however it dies, so a file without a lock is a dead run's.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

_FOLDER = "running"


@contextmanager
def alive(dagster_home: Path, run_id: str) -> Iterator[None]:
    """Mark the run as living while the body runs. Raises `OSError` when the folder can't be written to."""
    path = dagster_home / _FOLDER / run_id
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def bury(instance: dg.DagsterInstance, dagster_home: Path) -> list[str]:
    """Report the dead runs as failed, free what they held in Dagster's pools, and return their ids."""
    dead = []
    for path in sorted((dagster_home / _FOLDER).glob("*")):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # it has just ended
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            run = instance.get_run_by_id(path.name)
            if run is not None:
                if not run.is_finished:
                    instance.report_run_failed(run, "The process that ran this was killed.")
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                dead.append(run.run_id)
            path.unlink(missing_ok=True)
    return dead
