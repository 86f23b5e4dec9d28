"""What the monitoring database holds, for SQLite and PostgreSQL alike. How the tables came to be is in `migrations`.

Moments are UTC with a time zone (SQLite keeps none: `Moment` gives it back). Sessions are dates. Everything that is
taken from a run carries its `run_id`, so that taking it again replaces it and changes nothing.
"""

import datetime

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime.datetime]):
    """A moment in UTC; a value without a time zone is refused rather than guessed at."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: sa.Dialect) -> datetime.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the moment {value!s} has no time zone; expected an aware datetime in UTC")
        return value.astimezone(datetime.UTC)

    def process_result_value(self, value: datetime.datetime | None, dialect: sa.Dialect) -> datetime.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


metadata = sa.MetaData(
    # So that migrations can name what they change.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _run_id() -> sa.Column:
    return sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False)


runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("job", sa.String(128), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, comment="success, failure or canceled"),
    sa.Column("ticker", sa.String(32), index=True, comment="Null when the run is not about one ticker"),
    sa.Column("session", sa.Date, index=True, comment="Null when the run is not about one session"),
    sa.Column("started", Moment),
    sa.Column("ended", Moment, nullable=False, index=True),
    sa.Column("error", sa.Text, comment="Why it failed, in a line; null when it did not"),
)

steps = sa.Table(
    "steps",
    metadata,
    _run_id(),
    sa.Column("step", sa.String(128), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, comment="success, failure or skipped"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, comment="Of the last attempt; null when it never ended"),
    sa.Column("error", sa.Text),
    sa.PrimaryKeyConstraint("run_id", "step"),
)

materialisations = sa.Table(
    "materialisations",
    metadata,
    _run_id(),
    sa.Column("asset", sa.String(128), nullable=False),
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("source", sa.String(64), comment="Where the prices came from, as the metadata says"),
    sa.Column("rows", sa.Integer),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("checksum", sa.String(128)),
    sa.Column("made", Moment, nullable=False),
    sa.PrimaryKeyConstraint("run_id", "asset", "ticker", "session"),
    sa.Index(None, "asset", "ticker", "session"),
)

check_results = sa.Table(
    "check_results",
    metadata,
    _run_id(),
    sa.Column("asset", sa.String(128), nullable=False),
    sa.Column("check", sa.String(128), nullable=False),
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("severity", sa.String(8), nullable=False, comment="warn or error"),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("observed", sa.Text),
    sa.Column("expected", sa.Text),
    sa.Column("threshold", sa.Text),
    sa.Column("told", sa.Text, comment="The check's own words"),
    sa.Column("evaluated", Moment, nullable=False),
    sa.PrimaryKeyConstraint("run_id", "asset", "check", "ticker", "session"),
    sa.Index(None, "ticker", "session"),
)

fetch_attempts = sa.Table(
    "fetch_attempts",
    metadata,
    _run_id(),
    sa.Column("attempt", sa.Integer, nullable=False, comment="1 is the first"),
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("ended", Moment, nullable=False),
    sa.PrimaryKeyConstraint("run_id", "attempt"),
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False, comment="After whose close the forecast was made"),
    sa.Column(
        "checksum", sa.String(128), nullable=False, comment="Of the artefact: a forecast made otherwise is another"
    ),
    sa.Column("target_session", sa.Date, nullable=False),
    sa.Column("made", Moment, nullable=False),
    sa.Column("run_id", sa.String(64), comment="Of the run that first made it; null when it was served"),
    sa.Column("origin", sa.String(16), nullable=False, comment="asset or served"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("last_close", sa.Float, nullable=False),
    sa.Column("probability_up", sa.Float, nullable=False),
    sa.Column("expected_return", sa.Float, nullable=False),
    sa.Column("predicted_close", sa.Float, nullable=False),
    sa.Column("interval_low", sa.Float, nullable=False),
    sa.Column("interval_high", sa.Float, nullable=False),
    sa.Column("interval_level", sa.Float, nullable=False),
    sa.Column("naive_close", sa.Float, nullable=False),
    sa.Column("naive_probability_up", sa.Float, comment="Share of rises so far; null when not known"),
    sa.Column("model_session", sa.Date, nullable=False),
    sa.Column("beats_naive", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("ticker", "session", "checksum"),
    sa.Index(None, "ticker", "target_session"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False, comment="After whose close the forecast was made"),
    sa.Column("target_session", sa.Date, nullable=False),
    sa.Column("known_from", sa.Date, nullable=False, comment="Session of the snapshot it was first read from"),
    sa.Column("realised_return", sa.Float, nullable=False, comment="Total return, close to close"),
    sa.Column("realised_close", sa.Float, nullable=False, comment="In the basis of the forecast, splits taken out"),
    sa.PrimaryKeyConstraint("ticker", "session", "target_session"),
)

served = sa.Table(
    "served",
    metadata,
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("session", sa.Date, nullable=False, comment="After whose close the forecast was made"),
    sa.Column("checksum", sa.String(128), nullable=False, comment="Of the forecast, as in forecasts"),
    sa.Column("route", sa.String(32), nullable=False, comment="Who answered with it: predict, batch ..."),
    sa.Column("minute", Moment, nullable=False, comment="The minute in which it was served, by its beginning"),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("ticker", "session", "checksum", "route", "minute"),
)

conditions = sa.Table(
    "conditions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False, comment="check_failed, run_failed, data_late or model_expired"),
    sa.Column("ticker", sa.String(32), nullable=False),
    sa.Column("asset", sa.String(128), nullable=False, comment="Empty when it is not about one asset"),
    sa.Column(
        "check",
        sa.String(128),
        nullable=False,
        comment="Of a run that failed at no step, its job; empty when about no check",
    ),
    sa.Column("session", sa.Date, nullable=False, comment="The one it was first seen on"),
    sa.Column("last_session", sa.Date, nullable=False, comment="The newest one it was seen on"),
    sa.Column("severity", sa.String(8), nullable=False, comment="warn or error; the worst so far"),
    sa.Column("observed", sa.Text),
    sa.Column("expected", sa.Text),
    sa.Column("told", sa.Text, nullable=False),
    sa.Column("run_id", sa.String(64), comment="The run that showed it; null when no run did"),
    sa.Column("opened", Moment, nullable=False),
    sa.Column("recovered", Moment, comment="Null while it lasts"),
    sa.Column("recovered_session", sa.Date),
    sa.UniqueConstraint("kind", "ticker", "asset", "check", "session", "opened"),
    sa.Index(None, "recovered"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True, comment="Sent along, so that a receiver can tell a repetition"),
    sa.Column("number", sa.Integer, nullable=False, unique=True, comment="In the order in which they are told"),
    sa.Column("group", sa.String(300), nullable=False, index=True, comment="What may be told in one message"),
    sa.Column("event", sa.String(16), nullable=False, comment="opened, worsened, recovered or test"),
    sa.Column("severity", sa.String(8), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("created", Moment, nullable=False),
)

message_conditions = sa.Table(
    "message_conditions",
    metadata,
    sa.Column("condition_id", sa.Integer, sa.ForeignKey("conditions.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", sa.String(16), nullable=False, comment="opened, worsened or recovered"),
    sa.Column(
        "due", Moment, nullable=False, comment="When it is told at the latest; others of its group join until then"
    ),
    sa.Column("message_id", sa.String(36), sa.ForeignKey("messages.id"), comment="Null while it waits for others"),
    sa.PrimaryKeyConstraint("condition_id", "event"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("message_id", sa.String(36), sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    sa.Column("receiver", sa.String(32), nullable=False, comment="log, webhook or email"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt", Moment, nullable=False),
    sa.Column("delivered", Moment, comment="Null until the receiver has taken it"),
    sa.Column("error", sa.Text, comment="Of the last attempt"),
    sa.PrimaryKeyConstraint("message_id", "receiver"),
    sa.Index(None, "delivered", "next_attempt"),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""How far something was read; changed in the transaction that stores what was read."""
