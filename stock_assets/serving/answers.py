"""What is told about a forecast: its facts, and whether it may still be relied on. Pure: the moment is given.

How it is told to whom is for the routes and the batch; which forecast it is, for forecasts.
"""

import datetime
import functools
import json
from typing import Any, NamedTuple

from stock_assets.core import evenings, freshness, model_card, sessions
from stock_assets.serving import forecast as one_forecast
from stock_assets.serving.forecast import Forecast

COLUMNS = (
    *one_forecast.TYPES,
    "horizon_sessions",
    "verdict",
    "model_checksum",
    "data_checksum",
    "forecast_checksum",
    "is_simulated",
    "is_stale",
    "model_expired",
    "warnings",
)
"""Everything that is told of a forecast, in order: the keys of the JSON, the columns of the CSV."""

_TOLD = 4096


class Standing(NamedTuple):
    """How far a forecast may be relied on at some moment. Each reason is a sentence without its full stop."""

    is_stale: bool
    """A later session's forecast had to be there by now."""
    model_expired: bool
    """Its model may not be used any more after the newest close."""
    reasons: tuple[str, ...]
    """Why it is stale, or its model expired; empty when neither."""
    warnings: tuple[str, ...]
    """The reasons, and what there is to know of the forecast at any moment."""


def standing(forecast: Forecast, now: datetime.datetime, deadline: datetime.timedelta) -> Standing:
    """How a forecast stands at `now`, aware.

    Stale: the newest session whose deadline, 22:00 UTC of that session and `deadline`, has passed is later than the
    forecast's own. Expired: on the newest closed session its model could not have been used any more.
    """
    closed = sessions.latest_available(now)
    fresh = freshness.freshness(now, forecast.as_of, deadline=deadline)
    is_stale = fresh.state is freshness.State.LATE
    # A forecast of the session that closes tonight is no older than the newest close, whatever clock made it.
    expired = evenings.model_age(max(closed, forecast.as_of), forecast.model_as_of) is None
    reasons: tuple[str, ...] = ()
    if is_stale:
        reasons += (
            f"stale: the forecast was made after the close of {forecast.as_of}; that of {fresh.expected} had to be "
            f"there by {fresh.deadline:%Y-%m-%d %H:%M} UTC",
        )
    if expired:
        reasons += (
            f"expired: the model was trained after the close of {forecast.model_as_of}, more than "
            f"{model_card.EXPIRES_AFTER_SESSIONS} sessions ago",
        )
    return Standing(is_stale, expired, reasons, (*reasons, *forecast.warnings))


def refusal(standing: Standing) -> str | None:
    """Why a forecast is not told to somebody who asks for the newest; None when it is.

    Whoever asks for a session by its date asks for the past, and is not refused.
    """
    return "; ".join(standing.reasons) or None


def as_json(forecast: Forecast, standing: Standing) -> dict[str, Any]:
    """Every column of `COLUMNS`: dates as ISO text, checksums that are not known as None, warnings as a list."""
    row = {
        name: value.isoformat() if isinstance(value, datetime.date) else value for name, value in forecast.row.items()
    }
    return row | {
        "horizon_sessions": forecast.horizon_sessions,
        "verdict": forecast.verdict,
        "model_checksum": forecast.model_checksum,
        "data_checksum": forecast.data_checksum,
        "forecast_checksum": forecast.forecast_checksum,
        "is_simulated": forecast.is_simulated,
        "is_stale": standing.is_stale,
        "model_expired": standing.model_expired,
        "warnings": list(standing.warnings),
    }


def as_cells(forecast: Forecast, standing: Standing) -> list[str]:
    """The same facts as the cells of a CSV row, in the order of `COLUMNS`, not quoted.

    Numbers with every digit, so that reading them gives the same ones; true and false; nothing for a checksum that is
    not known; warnings joined by "; ".
    """
    return [_cell(value) for value in as_json(forecast, standing).values()]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "; ".join(value)
    return "" if value is None else str(value)


@functools.lru_cache(maxsize=_TOLD)
def json_text(forecast: Forecast, standing: Standing) -> bytes:
    """`as_json` as UTF-8, a line with its end; made once for each forecast and standing."""
    return (json.dumps(as_json(forecast, standing), ensure_ascii=False, allow_nan=False) + "\n").encode()
