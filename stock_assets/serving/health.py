"""Whether there is something to serve, and whether it is what should be there by now: the document of /health. Pure."""

import datetime
from collections.abc import Mapping
from typing import Any

from stock_assets.core import evenings, freshness, sessions
from stock_assets.serving.listing import Listing


def document(
    listing: Listing,
    troubles: Mapping[str, str],
    *,
    now: datetime.datetime,
    deadline: datetime.timedelta,
    version: str,
    source: str,
) -> dict[str, Any]:
    """The document, as `schemas.HEALTH` has it.

    `status` is "degraded" when something is in trouble, or when the forecast or the model of a followed ticker is not
    what it should be at `now`; of a ticker that is followed no longer nothing is expected.
    """
    closed = sessions.latest_available(now)
    expected = freshness.freshness(now, None, deadline=deadline).expected
    found = {ticker: _ticker(listing, ticker, now, closed, deadline) for ticker in listing.tickers}
    wanted = [one for one in found.values() if one["is_followed"]]
    told = {**listing.troubles, **troubles}
    well = not told and not any(one["is_stale"] or one["model_age_sessions"] is None for one in wanted)
    newest = max(listing.newest.values(), default=None)
    return {
        "status": "nothing to serve" if newest is None else "ok" if well else "degraded",
        "version": version,
        "source": source,
        "now": now.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "newest_session": _iso(newest),
        "expected_session": expected.isoformat(),
        "tickers": found,
        "troubles": told,
    }


def _ticker(
    listing: Listing, ticker: str, now: datetime.datetime, closed: datetime.date, deadline: datetime.timedelta
) -> dict[str, Any]:
    newest, model = listing.newest.get(ticker), listing.models.get(ticker)
    return {
        "as_of": _iso(newest),
        "is_stale": freshness.freshness(now, newest, deadline=deadline).state is freshness.State.LATE,
        "is_followed": ticker in listing.followed,
        "model_as_of": _iso(model),
        "model_age_sessions": evenings.model_age(closed, model),
    }


def _iso(date: datetime.date | None) -> str | None:
    return None if date is None else date.isoformat()
