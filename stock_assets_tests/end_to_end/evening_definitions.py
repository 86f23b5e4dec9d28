"""Our definitions as a code location for tests that don't wait for hours: another clock, and everything ticks at once.

Loaded by the processes of `services`, not by pytest. The clock tells what is written in the file that EVENINGS_CLOCK
names; schedules tick every minute and sensors whenever the daemon looks; Yahoo is waited for with patience. All else is
as in `stock_assets.definitions`.
"""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stock_assets.core import evenings
from stock_assets.definitions import build_defs
from stock_assets.defs import freshness_sensor, resources, schedules, sensors, watchlist_sensor
from stock_assets.settings import Settings
from stock_assets.sources.yahoo import YahooSource
from stock_assets_tests.place import PATIENCE

VARIABLE = "EVENINGS_CLOCK"


class WrittenClock:
    """Tells the time that is written in a file: it goes on when a test says so, for all processes alike."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self._path.read_text())


def _by(clock: WrittenClock, due: Callable[..., Any]) -> Callable[..., Any]:
    """`evenings.due` for ticks of the daemon, which come at this machine's time, as if they came at the clock's time.

    A tick that somebody only simulates (a dry run) keeps its own.
    """

    def due_by_the_clock(tick: dt.datetime, *given: Any, **named: Any) -> Any:
        is_real = abs(dt.datetime.now(dt.UTC) - tick) < dt.timedelta(hours=1)
        return due(clock.now() if is_real else tick, *given, **named)

    return due_by_the_clock


def _patient(settings: Settings) -> YahooSource:
    """Yahoo's client, which waits for an answer however slow this machine is."""
    source = yahoo(settings)
    source.timeout = PATIENCE
    return source


clock = WrittenClock(Path(os.environ[VARIABLE]))
evenings.due = _by(clock, evenings.due)
yahoo, resources.yahoo = resources.yahoo, _patient
schedules.TICKS = ("* * * * *",)
sensors.SECONDS = freshness_sensor.EVERY_SECONDS = 1
watchlist_sensor.EVERY_SECONDS = 15
defs = build_defs(clock=clock)
