"""How many requests go out from this machine, all processes together.

One token bucket in one file. Who takes tokens, and what for, does not live here.

pyrate-limiter would do for the threads of one process, or for processes of one thread each, but (4.5, by a note in its
own source) not for both, and its buckets across processes count in windows; the whole of ours is one number in a file.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import filelock

BURST = 10
"""Tokens in a full bucket. A fetch in a new folder makes four requests: two tickers side by side never wait."""

LONGEST_WAIT = 120.0
"""Seconds after which waiting for a token is given up: by then 240 other requests are in front at the default rate."""

_LONG_WAIT = 5.0
_SHORT_WAIT = 1.0

_log = logging.getLogger(__name__)


class NoTokenError(TimeoutError):
    """The next free token is more than `LONGEST_WAIT` away; `wait` is how many seconds.

    A `TimeoutError`, as that is what it is to those who wait for an answer.
    """

    def __init__(self, wait: float, per_minute: float) -> None:
        super().__init__(
            f"not sent: the next of {per_minute:g} requests a minute is {wait:.0f} s away; "
            f"expected at most {LONGEST_WAIT:.0f} s (STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE)"
        )
        self.wait = wait


class Throttle:
    """At most `per_minute` requests a minute from all processes that name the same `file`, `burst` of them at once.

    `file` holds one number: the moment, in seconds since 1970, at which the bucket would be full again. Each token
    taken moves it on by 60 / `per_minute` seconds; a token is there when it is less than `burst` tokens ahead of now
    (the generic cell rate algorithm: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). Tokens are given out
    in the order of asking. A process that dies while it waits takes its token along and nothing else: the lock beside
    the file ends with the process.
    """

    def __init__(
        self,
        file: Path,
        per_minute: float,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = file
        self._per_minute = per_minute
        self._seconds_a_token = 60 / per_minute
        self._burst = burst
        self._clock = clock
        self._sleep = sleep

    def take(self) -> float:
        """Wait for a token and take it; the seconds waited. A wait of seconds is logged.

        Raises `NoTokenError`, at once, when it would have to wait longer than `LONGEST_WAIT`; `OSError` when the file
        can't be written.
        """
        wait = self._reserve()
        if wait > 0:
            if wait >= _SHORT_WAIT:
                level = logging.WARNING if wait >= _LONG_WAIT else logging.INFO
                _log.log(level, "waiting %.1f s for one of %g requests a minute", wait, self._per_minute)
            self._sleep(wait)
        return wait

    def _reserve(self) -> float:
        """Take the next token, be it one of the future; the seconds until it may be used."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self._file.with_name(f"{self._file.name}.lock")):
            now = self._clock()
            full_at = max(now, self._stored(now)) + self._seconds_a_token
            wait = max(0.0, full_at - now - self._burst * self._seconds_a_token)
            if wait > LONGEST_WAIT:
                raise NoTokenError(wait, self._per_minute)
            self._file.write_text(repr(full_at))
        return wait

    def _stored(self, now: float) -> float:
        try:
            full_at = float(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return now  # never used, or cut off by a kill: a full bucket
        # No process reserves further ahead than this: the machine's clock was put back.
        furthest = now + LONGEST_WAIT + self._burst * self._seconds_a_token
        return full_at if math.isfinite(full_at) and full_at <= furthest else now
