"""What has changed in a ticker's freshness since it was last told: nothing is told twice, and nothing forgotten.

Pure: the moment, what is there and what was told are given. Whether something is late or expired is freshness's to say;
who is told, and where it is remembered what they were told, is a matter for defs.
"""

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from stock_assets.core import freshness, sessions
from stock_assets.core.freshness import DEADLINE, Freshness, ModelState, State

REMEMBERED = 10
"""For so many sessions a report that was told to be late is waited for; older ones nobody makes by himself."""


@dataclass(frozen=True)
class Told:
    """What was last told of a ticker."""

    since: datetime.datetime
    """When it was first looked at: a ticker that has no report yet is not late before it had its chance."""
    fresh: datetime.date | None = None
    """The newest session whose report was told to be there."""
    late: tuple[datetime.date, ...] = ()
    """Sessions told to be late whose report has not come since, in order."""
    model: ModelState | None = None

    def __post_init__(self) -> None:
        if self.since.tzinfo is None:
            raise ValueError(f"the moment {self.since!s} has no time zone; expected an aware datetime")


class Change(NamedTuple):
    """What is to be told of a ticker, and what is told once it was."""

    told: Told
    freshness: Freshness
    reports: tuple[tuple[datetime.date, bool], ...] = ()
    """Sessions whose report is there now (True), or late."""
    model: "ModelNews | None" = None


class ModelNews(NamedTuple):
    """How the model trained after `model` (None: there is none) stands after `session`."""

    session: datetime.date
    model: datetime.date | None
    state: ModelState


def is_settled(now: datetime.datetime, told: Told | None) -> bool:
    """Whether nothing can have changed, so that nobody need look what is there: all is well with the newest session."""
    if told is None or told.late or told.model is not ModelState.VALID:
        return False
    return told.fresh is not None and told.fresh >= sessions.latest_available(now)


def change(
    now: datetime.datetime,
    told: Told | None,
    reports: Collection[datetime.date],
    last_model: Callable[[datetime.date], datetime.date | None],
    *,
    deadline: datetime.timedelta = DEADLINE,
) -> Change | None:
    """What has to be told at `now` of a ticker with those reports; None when nothing has.

    A report that comes is told for its own session, be it late or not; one that is late once, at its deadline. A model
    is told when its state changes, for the session that has to be there.

    Args:
        now: The moment, with a time zone.
        told: What was told; None when the ticker was never looked at.
        reports: Sessions with a report.
        last_model: The newest session with a model, not after a given session; None when there is none.
        deadline: After the prices of a session count as final.
    """
    before = told or Told(since=now)
    closed = sessions.latest_available(now)
    found = freshness.freshness(now, max((one for one in reports if one <= closed), default=None), deadline=deadline)
    if found.newest is None and found.deadline <= before.since:
        return None if told else Change(before, found)
    came = {session for session in before.late if session in reports}
    missed = [session for session in before.late if session not in came and _age_is_below(REMEMBERED, session, closed)]
    after = replace(before, late=tuple(missed))
    news = dict.fromkeys(sorted(came), True)
    if found.state is State.FRESH and before.fresh != closed:
        news[closed] = True
        after = replace(after, fresh=closed)
    if found.state is State.LATE and found.expected not in after.late:
        news[found.expected] = False
        after = replace(after, late=(*after.late, found.expected))
    model = last_model(found.expected)
    state = freshness.model_state(found.expected, model)
    of_model = ModelNews(found.expected, model, state) if state is not before.model else None
    after = replace(after, model=state)
    if after == told:
        return None
    return Change(after, found, tuple(news.items()), of_model)


def _age_is_below(n: int, session: datetime.date, closed: datetime.date) -> bool:
    return session > sessions.previous_session(closed, n)
