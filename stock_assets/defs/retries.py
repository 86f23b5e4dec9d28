"""Which steps are tried again.

A price fetch meets passing faults, so it is tried three times more, each after a longer wait, and no sooner than the
source asked for (Retry-After); then the pipeline halts. Validation, cleaning and training give the same answer every
time: never again. Every other step once more, for the disk or the machine that had a bad moment. Errors about the data
itself are never retried (see logs.working).
"""

import random

import dagster as dg

from stock_assets.core.errors import SourceUnavailableError

FETCH_RETRIES = 3
LONGEST_WAIT = 300.0

ONCE = dg.RetryPolicy(max_retries=1, delay=1)


def fetch_wait(first_delay: float, retries_so_far: int) -> float:
    """Seconds to wait before the next fetch: `first_delay`, doubled for each retry, with jitter of up to a quarter
    either way so that many tickers don't come back at once."""
    return first_delay * 2**retries_so_far * random.uniform(0.75, 1.25)


def fetch_again(error: SourceUnavailableError, first_delay: float, retries_so_far: int) -> Exception:
    """What to raise when a fetch met the passing fault `error`: another try later, or a failure when that is hopeless.

    Dagster gives up after three retries. A source that asks to be left alone for longer than `LONGEST_WAIT` would hold
    up a place for runs all that time, so that is a failure at once.
    """
    asked = error.retry_after or 0.0
    if asked > LONGEST_WAIT:
        told = f"{error}; it asks to be left alone for {asked:.0f} s, and {LONGEST_WAIT:.0f} s is the longest wait"
        return dg.Failure(description=told, allow_retries=False)
    wait = max(asked, fetch_wait(first_delay, retries_so_far))
    return dg.RetryRequested(max_retries=FETCH_RETRIES, seconds_to_wait=wait)
