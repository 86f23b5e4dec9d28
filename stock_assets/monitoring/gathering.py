"""What changed becomes messages: what waits a little, for others of its kind, and is then told in one. No sending.

What changes a condition puts it down here in the same transaction (`put`). Then `gather` makes messages, in the order
in which they are to be told; the outbox sends them.
"""

import datetime
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from stock_assets.monitoring import alert_texts, tables
from stock_assets.monitoring.conditions import Condition, Event, Severity
from stock_assets.monitoring.receivers import Message

GATHER = datetime.timedelta(seconds=30)
"""How long the first of a group waits for others."""
GATHER_AGAIN = datetime.timedelta(minutes=15)
"""... and those of a group of which something was told within `AGAIN_WITHIN`."""
AGAIN_WITHIN = datetime.timedelta(hours=1)

_WAITING = tables.message_conditions.c.message_id.is_(None)
_SEVERITIES: list[str] = [*Severity]


def put(connection: sa.Connection, condition: Condition, event: Event, now: datetime.datetime) -> None:
    """Have `event` of a stored condition told; nothing when it was put before."""
    told = tables.message_conditions
    there = sa.select(told.c.due).where(told.c.condition_id == condition.id, told.c.event == event)
    if connection.execute(there).first() is None:
        values = {
            "condition_id": condition.id,
            "event": event,
            "due": _due(connection, group_of(condition, event), now),
        }
        connection.execute(told.insert().values(values))


def withdraw(connection: sa.Connection, condition_ids: sa.Select) -> None:
    """Don't tell what still waits to be told of these conditions."""
    told = tables.message_conditions
    connection.execute(told.delete().where(told.c.condition_id.in_(condition_ids), _WAITING))


def _due(connection: sa.Connection, group: str, now: datetime.datetime) -> datetime.datetime:
    """When it is told at the latest; what waits of its group already takes it along sooner."""
    messages = tables.messages
    last = connection.execute(sa.select(sa.func.max(messages.c.created)).where(messages.c.group == group)).scalar()
    return now + (GATHER_AGAIN if last is not None and now - last < AGAIN_WITHIN else GATHER)


def group_of(condition: Condition, event: Event) -> str:
    """What may be told in one message: the same event of a kind, asset, check and session, whatever the ticker."""
    kind, _, asset, check = condition.subject
    return " ".join((event, kind, asset or "-", check or "-", alert_texts.session_of(condition, event).isoformat()))


def gather(connection: sa.Connection, to: Sequence[str], now: datetime.datetime, *, ui_url: str) -> list[Message]:
    """Make messages of the groups that are due, for the receivers called `to`; in the order they are to be told."""
    made = []
    for members in _due_groups(_waiting(connection), now):
        event = members[0].event
        words = alert_texts.words([one.condition for one in members], event, ui_url)
        severity = max((one.condition.severity for one in members), key=_SEVERITIES.index)
        message = write(connection, group_of(members[0].condition, event), event, severity, words, to, now)
        told = tables.message_conditions
        ids = [one.condition.id for one in members]
        # In parts: SQLite takes so many values in a statement, and no more.
        for start in range(0, len(ids), 500):
            mine = told.c.condition_id.in_(ids[start : start + 500]) & (told.c.event == event)
            connection.execute(told.update().where(mine).values(message_id=message.id))
        made.append(message)
    return made


class _Waiting(NamedTuple):
    condition: Condition
    event: Event
    due: datetime.datetime


def _waiting(connection: sa.Connection) -> dict[str, list[_Waiting]]:
    """What waits to be told, by group."""
    told, stored = tables.message_conditions, tables.conditions
    query = sa.select(stored, told.c.event, told.c.due).join(told, told.c.condition_id == stored.c.id).where(_WAITING)
    groups: dict[str, list[_Waiting]] = {}
    for row in connection.execute(query.order_by(told.c.due, stored.c.id)).mappings():
        condition, event = Condition.from_row(row), Event(row["event"])
        groups.setdefault(group_of(condition, event), []).append(_Waiting(condition, event, row["due"]))
    return groups


def _due_groups(groups: dict[str, list[_Waiting]], now: datetime.datetime) -> Iterator[list[_Waiting]]:
    """Those that are due, each after whatever happened before to a subject of its own: that it recovered is never told
    before that it failed."""
    by_subject: dict[tuple, list[tuple[tuple, str]]] = {}
    for name, members in groups.items():
        for one in members:
            by_subject.setdefault(one.condition.subject, []).append((_place(one), name))
    done: set[str] = set()

    def with_earlier(name: str) -> Iterator[list[_Waiting]]:
        done.add(name)
        for one in groups[name]:
            for place, other in sorted(by_subject[one.condition.subject]):
                if place < _place(one) and other not in done:
                    yield from with_earlier(other)
        yield groups[name]

    for name, members in groups.items():
        if name not in done and min(one.due for one in members) <= now:
            yield from with_earlier(name)


def _place(one: _Waiting) -> tuple:
    return one.condition.opened, one.condition.id, [*Event].index(one.event)


def write(
    connection: sa.Connection,
    group: str,
    event: str,
    severity: str,
    words: alert_texts.Words,
    to: Iterable[str],
    now: datetime.datetime,
) -> Message:
    """Store a message, with a delivery to each receiver named in `to`."""
    messages = tables.messages
    # Database.begin lets one writer in at a time, so no other takes the same number.
    number = (connection.execute(sa.select(sa.func.max(messages.c.number))).scalar() or 0) + 1
    message = Message(str(uuid.uuid4()), number, event, severity, words.title, words.text, words.details, now)
    connection.execute(messages.insert().values(group=group, **vars(message)))
    for receiver in to:
        connection.execute(
            tables.deliveries.insert().values(message_id=message.id, receiver=receiver, attempts=0, next_attempt=now)
        )
    return message


def untold(connection: sa.Connection) -> int:
    """How many events wait for others of their group."""
    return connection.execute(sa.select(sa.func.count()).where(_WAITING)).scalar_one()
