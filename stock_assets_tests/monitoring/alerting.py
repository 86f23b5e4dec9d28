"""Runs to be told of, and receivers that remember what they took. No test lives here."""

import datetime
from dataclasses import dataclass, field

import sqlalchemy as sa

from stock_assets.monitoring import condition_store, intake, outbox, tables
from stock_assets.monitoring.database import Database
from stock_assets.monitoring.receivers import DeliveryError, Message
from stock_assets.monitoring.records import CheckRecord, RunRecord, StepRecord

FRIDAY = datetime.date(2026, 11, 20)
MONDAY = datetime.date(2026, 11, 23)
EVENING = datetime.datetime(2026, 11, 20, 22, 30, tzinfo=datetime.UTC)
UI = "http://127.0.0.1:3000"


def after(minutes: float) -> datetime.datetime:
    """A moment of the evening."""
    return EVENING + datetime.timedelta(minutes=minutes)


def run(
    ticker: str = "TSLA",
    minute: float = 0,
    session: datetime.date = FRIDAY,
    fails: str | None = None,
    check: str | None = None,
    name: str | None = None,
) -> RunRecord:
    """A run of one step, `raw_prices`: done, failed with `fails`, or with a check that passes, warns or is an error."""
    step = StepRecord("raw_prices", "failure" if fails else "success", attempts=1, error=fails)
    checks = ()
    steps = [step]
    if check:
        severity = "warn" if check == "warn" else "error"
        blocking = severity == "error"
        checks = (
            CheckRecord(
                "raw_prices",
                "is_right",
                ticker,
                session,
                check == "pass",
                severity,
                blocking,
                after(minute),
                observed=f"{check} came",
            ),
        )
        steps.append(StepRecord("raw_prices_checks", "failure" if check == "error" else "success", attempts=1))
    failed = fails or check == "error"
    return RunRecord(
        run_id=name or f"{ticker}-{session}-{minute}",
        job="daily_job",
        status="failure" if failed else "success",
        ended=after(minute),
        ticker=ticker,
        session=session,
        steps=tuple(steps),
        checks=checks,
    )


def take(database: Database, *runs: RunRecord, now: datetime.datetime | None = None) -> None:
    """As the sensor does: each run in a transaction of its own."""
    for one in runs:
        with database.begin() as connection:
            intake.take(connection, one)
            condition_store.take_run(connection, one, now or one.ended)


@dataclass
class Collector:
    """A receiver that remembers; while `down` is an error, it raises that."""

    name: str = "webhook"
    taken: list[Message] = field(default_factory=list)
    down: DeliveryError | None = None
    asked: int = 0

    def send(self, message: Message, now: datetime.datetime) -> str:
        self.asked += 1
        if self.down is not None:
            raise self.down
        self.taken.append(message)
        return "taken"

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.taken]


def send(database: Database, now: datetime.datetime, *to, limit: int = 50) -> outbox.Sent:
    return outbox.send_due(database, to, now, ui_url=UI, limit=limit)


def evening(database: Database, start: float, end: float, *to, step: float = 0.5) -> None:
    """Send every half minute, as the sensor does."""
    minute = start
    while minute <= end:
        send(database, after(minute), *to)
        minute += step


def everything(database: Database) -> dict[str, list]:
    """All that the database holds."""
    with database.reading() as connection:
        return {
            name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for name, table in tables.metadata.tables.items()
        }
