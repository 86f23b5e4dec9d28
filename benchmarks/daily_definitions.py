"""Our definitions as a code location for `evening`: on another evening, whose schedules tick at once.

Loaded by Dagster's processes, not by the benchmark. The clock goes as ever, but so many seconds behind this machine's
as STOCK_ASSETS_BENCHMARK_BEHIND says; schedules tick every minute; up to STOCK_ASSETS_BENCHMARK_ALONE tickers, where
that is set, have runs of their own; nothing is trained where STOCK_ASSETS_BENCHMARK_UNTRAINED is set. All else is as in
`stock_assets.definitions`.
"""

import datetime as dt
import os
from typing import Any

from stock_assets.core import evenings
from stock_assets.definitions import build_defs
from stock_assets.defs import schedules

BEHIND = "STOCK_ASSETS_BENCHMARK_BEHIND"
ALONE = "STOCK_ASSETS_BENCHMARK_ALONE"
UNTRAINED = "STOCK_ASSETS_BENCHMARK_UNTRAINED"

_behind = dt.timedelta(seconds=float(os.environ[BEHIND]))
_due = evenings.due


class _ClockBehind:
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) - _behind


def _due_on_that_evening(tick: dt.datetime, *given: Any, **named: Any) -> Any:
    due = _due(tick - _behind, *given, **named)
    return [one._replace(training=False) for one in due] if UNTRAINED in os.environ else due


evenings.due = _due_on_that_evening
schedules.TICKS = ("* * * * *",)
schedules.MOST_ALONE = int(os.environ.get(ALONE, schedules.MOST_ALONE))
defs = build_defs(clock=_ClockBehind())
