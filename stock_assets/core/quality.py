"""What a reader of a report should know of the prices behind it: how many, what is missing, repaired and revised.

Facts only, in a form that JSON can hold. Whether one of them is worth a warning is asked in checks, what cleaning does
about a fault in cleaning; how a page tells of them is for reporting.
"""

import datetime
import math
from typing import Any

import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.validation import history

MAX_LISTED = 20
"""So many sessions and revised values are listed; the counts beside them are of all."""


def describe(
    raw: pd.DataFrame,
    clean: pd.DataFrame,
    earlier: pd.DataFrame | str,
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
    checksum: str,
) -> dict[str, Any]:
    """The quality of one snapshot of prices.

    It holds: ticker, as_of, source, checksum; n_bars, the rows as served; n_sessions, the rows after cleaning, with
    first_session and last_session; and

    - missing: sessions of the exchange between those two without a row, be it that none was served or that it was left
      out;
    - left_out: sessions that were served, but of which no row was kept (a bar that came twice is kept once);
    - repairs: each kind of repair by name, the number of sessions with it, and the latest;
    - revisions: what the source says differently of the past than it did in `earlier`, see `_revisions`.

    Of missing and left_out, n counts all and `sessions` lists the latest 20, in order.

    Args:
        raw: The raw snapshot, schemas.RAW_PRICES.
        clean: What cleaning made of it, schemas.CLEAN_PRICES; at least one row.
        earlier: The raw snapshot of an earlier session, or why there is none to compare with.
        ticker: Ticker.
        as_of: Session after whose close this is known.
        source: Where the prices came from.
        checksum: SHA-256 of the stored raw snapshot, in hex: which bytes all this is about.
    """
    kept = clean.index
    first, last = kept[0].date(), kept[-1].date()
    known = sessions.sessions_between(max(first, sessions.FIRST_SESSION), min(last, sessions.LAST_SESSION))
    served = raw.index.unique()
    return {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "checksum": checksum,
        "n_bars": len(raw),
        "n_sessions": len(clean),
        "first_session": first.isoformat(),
        "last_session": last.isoformat(),
        "missing": _listed(known.difference(kept)),
        "left_out": _listed(served.difference(kept)),
        "repairs": _repairs(clean),
        "revisions": _revisions(raw, earlier, ticker=ticker, as_of=as_of),
    }


def _listed(found: pd.Index) -> dict[str, Any]:
    return {"n": len(found), "sessions": [_iso(session) for session in found.sort_values()[-MAX_LISTED:]]}


def _repairs(clean: pd.DataFrame) -> list[dict[str, Any]]:
    repairs = clean["repairs"].str.split(",").explode()
    repairs = repairs[repairs != ""]
    return [
        {"repair": str(kind), "sessions": len(rows), "latest": _iso(rows.index[-1])}
        for kind, rows in repairs.groupby(repairs)
    ]


def _revisions(raw: pd.DataFrame, earlier: pd.DataFrame | str, *, ticker: str, as_of: datetime.date) -> dict[str, Any]:
    """What the check `history_is_unrevised` found, as JSON.

    compared_with: the last session of `earlier`. n: how many values are others now. rows: the first 20 runs of
    neighbouring sessions that were revised in one proportion, each with its first session, the column, the value
    before (in today's shares) and now, its last session as `until`, and how many `values` it has; a value that is null
    was not there, or is no finite number. explanation: the one cause behind many of them, null where none is seen.

    Where nothing could be compared all of that is null or empty, and why says why; else why is null.
    """
    found = history.history_is_unrevised(raw, earlier, ticker=ticker, as_of=as_of)
    if isinstance(found.observed, str) or isinstance(earlier, str):
        return {"compared_with": None, "n": None, "why": str(found.observed), "explanation": None, "rows": []}
    return {
        "compared_with": _iso(earlier.index[-1]),
        "n": int(found.observed),
        "why": None,
        "explanation": found.note or None,
        "rows": [
            {
                "session": _iso(row["session"]),
                "column": str(row["column"]),
                "before": _finite(row["before"]),
                "now": _finite(row["after"]),
                "until": _iso(row["last_session"]),
                "values": int(row["rows"]),
            }
            for row in found.offending.head(MAX_LISTED).reset_index().to_dict("records")
        ],
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _iso(session: Any) -> str:
    return f"{session:%Y-%m-%d}"
