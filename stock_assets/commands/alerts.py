"""`alerts`: a test through every receiver, and what is wrong now or could not be told."""

import datetime
from typing import NamedTuple

from stock_assets.monitoring import condition_store, gathering, outbox
from stock_assets.monitoring.conditions import Condition
from stock_assets.monitoring.database import open_database
from stock_assets.monitoring.receivers import Receiver
from stock_assets.settings import Settings


class Answer(NamedTuple):
    """What a receiver said to the test."""

    receiver: str
    taken: bool
    told: str


class Listing(NamedTuple):
    """What is wrong, how many changes of it wait for others of their kind, and what receivers have not taken."""

    conditions: list[Condition]
    untold: int
    unsent: list[outbox.Unsent]


def receivers_of(settings: Settings) -> list[Receiver]:
    """Where alerts go."""
    return outbox.receivers_of(
        log_dir=settings.log_dir,
        webhook=settings.alert_webhook,
        smtp_url=settings.smtp_url,
        email_to=settings.alert_email_to,
        email_from=settings.alert_email_from,
    )


def test(settings: Settings, now: datetime.datetime) -> list[Answer]:
    """Send a test through every receiver at once. Raises `MonitoringError` when the database can't be used."""
    database = open_database(settings.database_url)
    try:
        sent = outbox.send_test(database, receivers_of(settings), now, ui_url=settings.ui_url)
    finally:
        database.close()
    return [Answer("database", True, str(database)), *(Answer(*answer) for answer in sent)]


def listing(settings: Settings) -> Listing:
    """What `alerts list` shows. Raises `MonitoringError` when the database can't be used."""
    database = open_database(settings.database_url)
    try:
        with database.reading() as connection:
            return Listing(
                condition_store.open_conditions(connection), gathering.untold(connection), outbox.unsent(connection)
            )
    finally:
        database.close()


def condition_rows(found: list[Condition]) -> list[tuple[str, ...]]:
    """(severity, ticker, session, what, since, what came) of each condition, for people."""
    return [
        (
            one.severity,
            one.subject.ticker or "-",
            str(one.session) if one.session == one.last_session else f"{one.session} to {one.last_session}",
            " ".join(filter(None, (one.subject.kind.replace("_", " "), one.subject.asset, one.subject.check))),
            _moment(one.opened),
            " ".join((one.observed or one.told or "-").split()),
        )
        for one in found
    ]


def unsent_rows(found: list[outbox.Unsent]) -> list[tuple[str, ...]]:
    """(receiver, message, since, attempts, next attempt, error) of each message that was not delivered, for people."""
    return [
        (
            one.receiver,
            one.title,
            _moment(one.created),
            str(one.attempts),
            "given up" if one.given_up else _moment(one.next_attempt),
            one.error or "-",
        )
        for one in found
    ]


def _moment(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
