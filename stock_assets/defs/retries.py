"""Which steps are tried again.

A price fetch meets passing faults, so it is tried three times more, each after a longer wait; then the pipeline halts.
Validation, cleaning and training give the same answer every time: never again. Every other step once more, for the
disk or the machine that had a bad moment. Errors about the data itself are never retried (see logs.working).
"""

import random

import dagster as dg

FETCH_RETRIES = 3

ONCE = dg.RetryPolicy(max_retries=1, delay=1)


def fetch_wait(first_delay: float, retries_so_far: int) -> float:
    """Seconds to wait before the next fetch: `first_delay`, doubled for each retry, with jitter of up to a quarter
    either way so that many tickers don't come back at once."""
    return first_delay * 2**retries_so_far * random.uniform(0.75, 1.25)


def fetch_again(first_delay: float, retries_so_far: int) -> dg.RetryRequested:
    """What to raise when a fetch met a passing fault. Dagster gives up after three retries."""
    return dg.RetryRequested(max_retries=FETCH_RETRIES, seconds_to_wait=fetch_wait(first_delay, retries_so_far))
