"""Places of Dagster's pools, for a run that makes many partitions in one step of its own.

To Dagster such a run is one step, which would hold a place all the time; so each fetch takes one for itself here. The
limit of the pool then holds for all that goes on at this instance, ordinary runs and those by hand included (see
dagster.yaml). A place of a run that was killed Dagster's daemon gives back.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

_LOOKS_EVERY = 0.1
"""Seconds. How often the storage is really asked, Dagster decides: after one second, and then more slowly."""


@contextmanager
def taken(instance: dg.DagsterInstance, run: dg.DagsterRun, pool: str | None, step: str) -> Iterator[None]:
    """Hold a place of `pool` while the body runs, waiting for one as long as it takes; None: nothing to wait for.

    `step`: what holds it, as the UI shows under Deployment > Concurrency; no two at once of the same name in a run.
    """
    if pool is None:
        yield
        return
    # Leaving, it takes its name off the list of those who wait, should the wait be broken off.
    with InstanceConcurrencyContext(instance, run) as places:
        while not places.claim(pool, step):
            time.sleep(_LOOKS_EVERY)
        try:
            yield
        finally:
            places.free_step(step)
