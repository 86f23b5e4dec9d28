"""Our definitions as a code location whose schedules tick every minute, each time as if it were the same evening.

Loaded by the processes of `cluster`, not by pytest. The evening is that of SCHEDULED_EVENING, a moment in ISO's form;
all else is as in `stock_assets.definitions`.
"""

import datetime as dt
import os
from collections.abc import Callable
from typing import Any

from stock_assets.core import evenings
from stock_assets.definitions import build_defs
from stock_assets.defs import schedules


def _on(evening: dt.datetime, due: Callable[..., Any]) -> Callable[..., Any]:
    """`evenings.due`, whenever it is asked, as of that evening."""

    def due_then(tick: dt.datetime, *given: Any, **named: Any) -> Any:
        return due(evening, *given, **named)

    return due_then


evenings.due = _on(dt.datetime.fromisoformat(os.environ["SCHEDULED_EVENING"]), evenings.due)
schedules.TICKS = ("* * * * *",)
defs = build_defs()
