"""Messages on their way: kept, sent in order, tried again, each told once. How they come about is in gathering.

Each receiver has a queue of its own: it gets its messages in order, and one that is down holds back its own only.

A message is claimed in one transaction, sent outside of any, and marked as delivered in another. So two processes never
send the same one at once; one that is killed before it sent leaves a message that is sent after `LEASE`. One that is
killed, or loses the database, between the receiver's answer and the mark leaves a message that is sent a second time,
with the same id: the only case of that.
"""

import contextlib
import datetime
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from stock_assets.monitoring import alert_texts, gathering, mail, receivers, tables
from stock_assets.monitoring.conditions import Severity
from stock_assets.monitoring.receivers import DeliveryError, Message, Receiver

if TYPE_CHECKING:
    from stock_assets.monitoring.database import Database

FIRST_WAIT = datetime.timedelta(seconds=30)
LONGEST_WAIT = datetime.timedelta(hours=1)
LEASE = datetime.timedelta(minutes=2)
"""How long a message that is being sent is left to its sender; longer than any receiver can take."""
REFUSALS = 3
"""Attempts after which a message that a receiver calls bad is given up, if that has ever taken another one: one that
has not may be set wrongly, whatever it answers."""
NEVER = datetime.datetime(9000, 1, 1, tzinfo=datetime.UTC)
"""The next attempt of a message that was given up."""
SECONDS = 15.0
"""Of one call, after which nobody is sent a further message: a tick of a sensor, of which this is a part, has to end
within Dagster's minute, however slow the receivers are."""

_REFUSED = "refused: "
_logger = logging.getLogger(__name__)


def receivers_of(
    *, log_dir: Path, webhook: str | None, smtp_url: str | None, email_to: Sequence[str], email_from: str | None
) -> list[Receiver]:
    """Where messages go by these settings: always the log, and what is set. Raises `SettingsError` for a bad one.

    The database needs no receiver: every message is in it, delivered or not.
    """
    found: list[Receiver] = [receivers.Log(log_dir)]
    if webhook is not None:
        found.append(receivers.Webhook(webhook))
    if smtp_url is not None and email_to:
        found.append(mail.Email(mail.parse_server(smtp_url), email_to, email_from))
    return found


class Sent(NamedTuple):
    """What a call did."""

    delivered: int
    problems: list[str]
    """A line for each message that could not be delivered now, or was given up."""


class Unsent(NamedTuple):
    """A message that a receiver has not taken. `given_up`: it won't be sent any more."""

    title: str
    created: datetime.datetime
    receiver: str
    attempts: int
    next_attempt: datetime.datetime
    given_up: bool
    error: str | None


def send_due(
    database: "Database", to: Sequence[Receiver], now: datetime.datetime, *, ui_url: str, limit: int = 50
) -> Sent:
    """Make messages of what has waited long enough, and send what is due: at most `limit` messages a receiver.

    They take turns, so that a slow one does not use up the time (`SECONDS`) of the others; what is left waits for the
    next call. Raises `MonitoringError` when the database fails; what was sent before that stays sent.
    """
    with database.reading() as connection:
        due = _something_is_due(connection, now)
    if not due:
        return Sent(0, [])
    with database.begin() as connection:
        gathering.gather(connection, [receiver.name for receiver in to], now, ui_url=ui_url)
    delivered, problems = 0, []
    asking, started = list(to), time.monotonic()
    for _ in range(limit):
        if not asking or time.monotonic() - started > SECONDS:
            break
        for receiver in tuple(asking):
            claim = _claim(database, receiver.name, now)
            if claim is None:
                asking.remove(receiver)
                continue
            problem = _deliver(database, receiver, claim, now)
            if problem is None:
                delivered += 1
            else:
                problems.append(problem)
                _tell(to, problem, now)
    return Sent(delivered, problems)


def _something_is_due(connection: sa.Connection, now: datetime.datetime) -> bool:
    told, deliveries = tables.message_conditions, tables.deliveries
    unheard = sa.select(told.c.event).where(told.c.message_id.is_(None), told.c.due <= now).limit(1)
    unsent = sa.select(deliveries.c.receiver).where(deliveries.c.delivered.is_(None), deliveries.c.next_attempt <= now)
    return any(connection.execute(query).first() is not None for query in (unheard, unsent.limit(1)))


class _Claim(NamedTuple):
    message: Message
    attempts: int
    """This one included."""
    error: str | None
    """Of the attempt before."""


def _claim(database: "Database", receiver: str, now: datetime.datetime) -> _Claim | None:
    """The receiver's next message, kept from other senders for `LEASE`; None while it has to wait, or there is none."""
    deliveries, messages = tables.deliveries, tables.messages
    query = (
        sa.select(messages, deliveries.c.attempts, deliveries.c.next_attempt, deliveries.c.error)
        .join(messages, messages.c.id == deliveries.c.message_id)
        .where(deliveries.c.receiver == receiver, deliveries.c.delivered.is_(None), deliveries.c.next_attempt < NEVER)
        .order_by(messages.c.number)
        .limit(1)
    )
    with database.begin() as connection:
        row = connection.execute(query).mappings().first()
        if row is None or row["next_attempt"] > now:
            return None
        claimed = {"attempts": row["attempts"] + 1, "next_attempt": now + LEASE}
        connection.execute(deliveries.update().where(*_of(row["id"], receiver)).values(claimed))
    message = Message(**{name: row[name] for name in Message.__dataclass_fields__})
    return _Claim(message, row["attempts"] + 1, row["error"])


def _of(message_id: str, receiver: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.deliveries.c.message_id == message_id, tables.deliveries.c.receiver == receiver


def _deliver(database: "Database", receiver: Receiver, claim: _Claim, now: datetime.datetime) -> str | None:
    """Send a claimed message and keep what came of it; a line that says so when it was not delivered."""
    message, problem = claim.message, None
    try:
        receiver.send(message, now)
    except DeliveryError as error:
        refused_again = error.refused and (claim.error or "").startswith(_REFUSED)
        gave_up = refused_again and claim.attempts >= REFUSALS and _has_taken_one(database, receiver.name)
        wait = max(back_off(claim.attempts), error.retry_after or datetime.timedelta())
        outcome = {
            "next_attempt": NEVER if gave_up else now + wait,
            "error": f"{_REFUSED if error.refused else ''}{error}",
        }
        how = f"given up after {claim.attempts} attempts" if gave_up else f"next attempt in {wait}"
        problem = f"{receiver.name} did not take alert {message.id} ({message.title}): {error}; {how}"
    else:
        outcome = {"delivered": now, "error": None}
    with database.begin() as connection:
        # But what another sender delivered, after this one was held up for longer than its lease, stays delivered.
        mine = (*_of(message.id, receiver.name), tables.deliveries.c.delivered.is_(None))
        connection.execute(tables.deliveries.update().where(*mine).values(outcome))
    return problem


def _has_taken_one(database: "Database", receiver: str) -> bool:
    deliveries = tables.deliveries
    taken = sa.select(deliveries.c.receiver).where(
        deliveries.c.receiver == receiver, deliveries.c.delivered.is_not(None)
    )
    with database.reading() as connection:
        return connection.execute(taken.limit(1)).first() is not None


def back_off(attempts: int) -> datetime.timedelta:
    """How long to wait after so many failed attempts, at least 1: 30 s, doubled each time, at most an hour."""
    return min(FIRST_WAIT * 2 ** min(attempts - 1, 10), LONGEST_WAIT)


def _tell(to: Iterable[Receiver], problem: str, now: datetime.datetime) -> None:
    """Say in the logs what did not arrive elsewhere."""
    _logger.warning("%s", problem)
    for receiver in to:
        if isinstance(receiver, receivers.Log):
            with contextlib.suppress(DeliveryError):  # told by the line above
                receiver.note(logging.WARNING, problem, now)


def send_test(
    database: "Database", to: Sequence[Receiver], now: datetime.datetime, *, ui_url: str
) -> list[tuple[str, bool, str]]:
    """Send a test through every receiver now, past what waits: (receiver, whether it took it, what it answered).

    It is kept like other messages, and not sent again whatever came of it. Raises `MonitoringError`.
    """
    with database.begin() as connection:
        message = gathering.write(connection, "test", "test", Severity.WARN, alert_texts.test_words(ui_url), (), now)
    answers = []
    for receiver in to:
        try:
            answers.append((receiver.name, True, receiver.send(message, now)))
        except DeliveryError as error:
            answers.append((receiver.name, False, str(error)))
    with database.begin() as connection:
        for name, taken, answer in answers:
            outcome = {"delivered": now if taken else None, "error": None if taken else answer, "attempts": 1}
            values = {"message_id": message.id, "receiver": name, "next_attempt": NEVER, **outcome}
            connection.execute(tables.deliveries.insert().values(values))
    return answers


def unsent(connection: sa.Connection) -> list[Unsent]:
    """What receivers have not taken, in the order it was to be told."""
    deliveries, messages = tables.deliveries, tables.messages
    query = (
        sa.select(deliveries, messages.c.title, messages.c.created)
        .join(messages, messages.c.id == deliveries.c.message_id)
        .where(deliveries.c.delivered.is_(None), messages.c.event != "test")
        .order_by(messages.c.number, deliveries.c.receiver)
    )
    return [
        Unsent(
            row["title"],
            row["created"],
            row["receiver"],
            row["attempts"],
            row["next_attempt"],
            row["next_attempt"] >= NEVER,
            row["error"],
        )
        for row in connection.execute(query).mappings()
    ]
