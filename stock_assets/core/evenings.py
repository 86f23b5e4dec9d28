"""Which sessions of which tickers an evening has to make, and which of them with training: what schedules ask.

Pure: the moment and what is there already are given. Nothing here starts a run (defs.schedules does).
"""

import datetime
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from stock_assets.core import model_card, sessions

CATCH_UP = 5
"""Sessions that are caught up at most after a standstill; older ones are for a backfill, by hand."""

TURNS = 5
"""Of many tickers a fifth is trained after each session: a model lives twice as long, so a turn that is missed is made
up for by the next one."""


class Due(NamedTuple):
    """A partition that is to be made, and whether a model is to be trained in it."""

    ticker: str
    session: datetime.date
    training: bool


def due(
    now: datetime.datetime,
    tickers: Sequence[str],
    *,
    made: Callable[[str], Collection[datetime.date]],
    last_model: Callable[[str, datetime.date], datetime.date | None],
    catch_up: int = CATCH_UP,
    in_turns: bool = False,
) -> list[Due]:
    """What is closed at `now` and not made yet: the oldest session first, tickers in the order given.

    A ticker is owed each of the latest `catch_up` sessions that is missing, except those before the first one ever made
    of it; one that was never made is owed the latest only. Training is due on the last session of a week, or each
    ticker in its turn, and wherever the newest model would have expired, models that are due themselves counted as
    there. The latest session doesn't count on those: should their training fail, it is made all the same.

    Args:
        now: The moment, with a time zone.
        tickers: Those to look after.
        made: The sessions of a ticker whose artefacts are there up to the report.
        last_model: The newest session with a model of a ticker, not after a given session; None when there is none.
        catch_up: At least 1.
        in_turns: Whether to spread training over all sessions instead of the last one of each week; see `is_its_turn`.
    """
    newest = sessions.latest_available(now)
    owed = [
        (session, place) for place, ticker in enumerate(tickers) for session in _owed(newest, made(ticker), catch_up)
    ]
    found: list[Due] = []
    trained: dict[str, datetime.date] = {}
    for session, place in sorted(owed):
        ticker = tickers[place]
        model = last_model(ticker, session)
        if session != newest:
            model = max(filter(None, (trained.get(ticker), model)), default=None)
        planned = is_its_turn(ticker, session) if in_turns else ends_a_week(session)
        training = planned or model_age(session, model) is None
        if training:
            trained[ticker] = session
        found.append(Due(ticker, session, training))
    return found


def _owed(newest: datetime.date, made: Collection[datetime.date], catch_up: int) -> list[datetime.date]:
    first = min(made, default=newest)
    latest = [sessions.previous_session(newest, n) for n in reversed(range(catch_up))]
    # Made of a later session only: a ticker that is new, to whoever asks about an earlier moment.
    return [session for session in latest if session >= min(first, newest) and session not in made]


def ends_a_week(session: datetime.date) -> bool:
    """Whether `session` is the last one before a Saturday: mostly a Friday, a Thursday before Good Friday."""
    return sessions.next_session(session).isocalendar()[:2] != session.isocalendar()[:2]


def is_its_turn(ticker: str, session: datetime.date) -> bool:
    """Whether `ticker` is trained on `session` where tickers take turns: every fifth session, holidays or not.

    Which of the five depends on the ticker's name alone: nobody's turn moves when other tickers come or go.
    """
    return (sessions.position(session) - zlib.crc32(ticker.encode())) % TURNS == 0


def model_age(session: datetime.date, model: datetime.date | None) -> int | None:
    """How many sessions before `session` the model was trained, 0 on the session itself; None when it has expired.

    A model may be used on `model_card.EXPIRES_AFTER_SESSIONS` sessions, the one it was trained after included. A model
    of a later session is none, as it knows what came.
    """
    if model is None or model > session:
        return None
    for age in range(model_card.EXPIRES_AFTER_SESSIONS):
        if sessions.previous_session(session, age) == model:
            return age
    return None
