"""Is what should be there there? By the exchange's calendar, so that weekends and holidays are no alarm.

Pure: the moment and what is there are given. An old session that is made again doesn't count: what is asked for is the
newest closed one. Checks and alerts that tell it live in defs and monitoring.
"""

import datetime
import enum
from typing import NamedTuple

from stock_assets.core import evenings, sessions

DEADLINE = datetime.timedelta(hours=4)
"""After the prices of a session count as final; time enough for a source that hiccups, and for a week's training."""

EXPIRING_FROM = 7
"""Age in sessions from which a model that should be renewed weekly was evidently not."""


class State(enum.Enum):
    """How the newest session stands."""

    FRESH = "fresh"
    DUE = "due"
    """Not there, but its deadline has not passed; the session before is there."""
    LATE = "late"


class Freshness(NamedTuple):
    """What is expected of a ticker at a moment, and what is there."""

    state: State
    expected: datetime.date
    """The session that has to be there: the newest closed one, before its deadline the one before."""
    deadline: datetime.datetime
    """Until when `expected` had to be there."""
    newest: datetime.date | None
    """The newest session that is there."""


def freshness(
    now: datetime.datetime, newest: datetime.date | None, *, deadline: datetime.timedelta = DEADLINE
) -> Freshness:
    """Whether a ticker's artefacts are up to date at `now`, `newest` being the newest session that is there and whole.

    A session is expected from its deadline on: 22:00 UTC of that session (`sessions.available_from`) and `deadline`.
    """
    closed = sessions.latest_available(now)
    if newest is not None and newest >= closed:
        return Freshness(State.FRESH, closed, sessions.available_from(closed) + deadline, newest)
    expected = closed
    while now < sessions.available_from(expected) + deadline:
        expected = sessions.previous_session(expected)
    there = newest is not None and newest >= expected
    return Freshness(State.DUE if there else State.LATE, expected, sessions.available_from(expected) + deadline, newest)


class ModelState(enum.Enum):
    """Whether forecasts can still be made with the newest model."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"


def model_state(session: datetime.date, model: datetime.date | None) -> ModelState:
    """How a model trained after `model` (None: there is none) stands after the close of `session`."""
    age = evenings.model_age(session, model)
    if age is None:
        return ModelState.EXPIRED
    return ModelState.EXPIRING if age >= EXPIRING_FROM else ModelState.VALID
