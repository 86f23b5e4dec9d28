"""Which artefacts are kept, and which may go: the promise of housekeeping. Pure: names in, names out.

Of each ticker whole sessions are kept: the latest ones, and the last one of each month. At such a session everything
can still be shown, and made again, so what its artefacts were made from is kept too, where that is of another session.
What no later run could make again is kept for ever: forecasts, which the track record is made of, the ledger of trials,
and what a person made by hand.

Deleting is for storage.inventory, deciding to for defs.housekeeping.
"""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stock_assets.core import model_card, sessions

ALWAYS = frozenset({"predictions", "trials", "tuning", "summary"})
"""Kept whatever their session."""

RECENT = ("model", "backtest", "evaluation")
"""Read by forecasts and reports until they expire; not always the newest, which may be younger than the report."""

EARLIER = ("raw_prices", "backtest")
"""Read by reports, for what the source has revised, and by track records, of the newest session before their own."""

WHOLE = ("report", "watchlist_page")
"""What is made last: a month is remembered by the last session that has one of these."""

Present = Mapping[str, Collection[datetime.date]]
"""Asset -> sessions, of one ticker."""


@dataclass(frozen=True)
class Policy:
    """How much is kept: the latest `sessions` of a ticker, at least 1, and the last one of each month or not."""

    sessions: int = 60
    month_ends: bool = True

    def __post_init__(self) -> None:
        if self.sessions < 1:
            raise ValueError(f"{self.sessions} sessions are to be kept; expected at least 1")


def kept_sessions(present: Present, policy: Policy) -> set[datetime.date]:
    """The sessions that are kept whole: of those on which anything was made that is not kept anyway."""
    made = _union(dates for asset, dates in present.items() if asset not in ALWAYS)
    latest = set(sorted(made)[-policy.sessions :])
    if not policy.month_ends:
        return latest
    whole = _union(dates for asset, dates in present.items() if asset in WHOLE)
    month_ends: dict[tuple[int, int], datetime.date] = {}
    for session in sorted(whole):
        month_ends[session.year, session.month] = session
    return latest | set(month_ends.values())


def kept(present: Present, policy: Policy) -> dict[str, set[datetime.date]]:
    """What is kept of what is `present` of one ticker, by asset."""
    whole = kept_sessions(present, policy)
    found = {asset: set(dates) if asset in ALWAYS else whole & set(dates) for asset, dates in present.items()}
    for session in whole:
        oldest = sessions.previous_session(session, model_card.EXPIRES_AFTER_SESSIONS - 1)
        for asset in RECENT:
            found.setdefault(asset, set()).update(one for one in present.get(asset, ()) if oldest <= one <= session)
        for asset in EARLIER:
            before = [one for one in present.get(asset, ()) if one < session]
            found.setdefault(asset, set()).update(sorted(before)[-1:])
    return found


def to_go(present: Present, policy: Policy) -> list[tuple[str, datetime.date]]:
    """What may go of what is `present` of one ticker: (asset, session), in order."""
    staying = kept(present, policy)
    return sorted((asset, one) for asset, dates in present.items() for one in set(dates) - staying[asset])


def _union(several) -> set[datetime.date]:
    return {one for dates in several for one in dates}
