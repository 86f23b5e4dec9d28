"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "conditions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind", sa.String(length=16), nullable=False, comment="check_failed, run_failed, data_late or model_expired"
        ),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("asset", sa.String(length=128), nullable=False, comment="Empty when it is not about one asset"),
        sa.Column(
            "check",
            sa.String(length=128),
            nullable=False,
            comment="Of a run that failed at no step, its job; empty when about no check",
        ),
        sa.Column("session", sa.Date(), nullable=False, comment="The one it was first seen on"),
        sa.Column("last_session", sa.Date(), nullable=False, comment="The newest one it was seen on"),
        sa.Column("severity", sa.String(length=8), nullable=False, comment="warn or error; the worst so far"),
        sa.Column("observed", sa.Text(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column(
            "run_id", sa.String(length=64), nullable=True, comment="The run that showed it; null when no run did"
        ),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recovered",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Null while it lasts",
        ),
        sa.Column("recovered_session", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conditions")),
        sa.UniqueConstraint(
            "kind",
            "ticker",
            "asset",
            "check",
            "session",
            "opened",
            name=op.f("uq_conditions_kind_ticker_asset_check_session_opened"),
        ),
    )
    op.create_index(op.f("ix_conditions_recovered"), "conditions", ["recovered"], unique=False)
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "forecasts",
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="After whose close the forecast was made"),
        sa.Column(
            "checksum",
            sa.String(length=128),
            nullable=False,
            comment="Of the artefact: a forecast made otherwise is another",
        ),
        sa.Column("target_session", sa.Date(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "run_id",
            sa.String(length=64),
            nullable=True,
            comment="Of the run that first made it; null when it was served",
        ),
        sa.Column("origin", sa.String(length=16), nullable=False, comment="asset or served"),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("last_close", sa.Float(), nullable=False),
        sa.Column("probability_up", sa.Float(), nullable=False),
        sa.Column("expected_return", sa.Float(), nullable=False),
        sa.Column("predicted_close", sa.Float(), nullable=False),
        sa.Column("interval_low", sa.Float(), nullable=False),
        sa.Column("interval_high", sa.Float(), nullable=False),
        sa.Column("interval_level", sa.Float(), nullable=False),
        sa.Column("naive_close", sa.Float(), nullable=False),
        sa.Column(
            "naive_probability_up", sa.Float(), nullable=True, comment="Share of rises so far; null when not known"
        ),
        sa.Column("model_session", sa.Date(), nullable=False),
        sa.Column("beats_naive", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("ticker", "session", "checksum", name=op.f("pk_forecasts")),
    )
    op.create_index(op.f("ix_forecasts_ticker_target_session"), "forecasts", ["ticker", "target_session"], unique=False)
    op.create_table(
        "messages",
        sa.Column(
            "id", sa.String(length=36), nullable=False, comment="Sent along, so that a receiver can tell a repetition"
        ),
        sa.Column("number", sa.Integer(), nullable=False, comment="In the order in which they are told"),
        sa.Column("group", sa.String(length=300), nullable=False, comment="What may be told in one message"),
        sa.Column("event", sa.String(length=16), nullable=False, comment="opened, worsened, recovered or test"),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("number", name=op.f("uq_messages_number")),
    )
    op.create_index(op.f("ix_messages_group"), "messages", ["group"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="After whose close the forecast was made"),
        sa.Column("target_session", sa.Date(), nullable=False),
        sa.Column("known_from", sa.Date(), nullable=False, comment="Session of the snapshot it was first read from"),
        sa.Column("realised_return", sa.Float(), nullable=False, comment="Total return, close to close"),
        sa.Column(
            "realised_close", sa.Float(), nullable=False, comment="In the basis of the forecast, splits taken out"
        ),
        sa.PrimaryKeyConstraint("ticker", "session", "target_session", name=op.f("pk_outcomes")),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False, comment="success, failure or canceled"),
        sa.Column("ticker", sa.String(length=32), nullable=True, comment="Null when the run is not about one ticker"),
        sa.Column("session", sa.Date(), nullable=True, comment="Null when the run is not about one session"),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True, comment="Why it failed, in a line; null when it did not"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_ended"), "runs", ["ended"], unique=False)
    op.create_index(op.f("ix_runs_session"), "runs", ["session"], unique=False)
    op.create_index(op.f("ix_runs_ticker"), "runs", ["ticker"], unique=False)
    op.create_table(
        "check_results",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("asset", sa.String(length=128), nullable=False),
        sa.Column("check", sa.String(length=128), nullable=False),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False, comment="warn or error"),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("threshold", sa.Text(), nullable=True),
        sa.Column("told", sa.Text(), nullable=True, comment="The check's own words"),
        sa.Column("evaluated", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_check_results_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "asset", "check", "ticker", "session", name=op.f("pk_check_results")),
    )
    op.create_index(op.f("ix_check_results_ticker_session"), "check_results", ["ticker", "session"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("receiver", sa.String(length=32), nullable=False, comment="log, webhook or email"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "delivered",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Null until the receiver has taken it",
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="Of the last attempt"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_deliveries_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "receiver", name=op.f("pk_deliveries")),
    )
    op.create_index(
        op.f("ix_deliveries_delivered_next_attempt"), "deliveries", ["delivered", "next_attempt"], unique=False
    )
    op.create_table(
        "fetch_attempts",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="1 is the first"),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_fetch_attempts_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("pk_fetch_attempts")),
    )
    op.create_table(
        "materialisations",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("asset", sa.String(length=128), nullable=False),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column(
            "source", sa.String(length=64), nullable=True, comment="Where the prices came from, as the metadata says"
        ),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.String(length=128), nullable=True),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_materialisations_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "asset", "ticker", "session", name=op.f("pk_materialisations")),
    )
    op.create_index(
        op.f("ix_materialisations_asset_ticker_session"),
        "materialisations",
        ["asset", "ticker", "session"],
        unique=False,
    )
    op.create_table(
        "message_conditions",
        sa.Column("condition_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False, comment="opened, worsened or recovered"),
        sa.Column(
            "due",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it is told at the latest; others of its group join until then",
        ),
        sa.Column("message_id", sa.String(length=36), nullable=True, comment="Null while it waits for others"),
        sa.ForeignKeyConstraint(
            ["condition_id"], ["conditions.id"], name=op.f("fk_message_conditions_condition_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_conditions_message_id")),
        sa.PrimaryKeyConstraint("condition_id", "event", name=op.f("pk_message_conditions")),
    )
    op.create_table(
        "steps",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False, comment="success, failure or skipped"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True, comment="Of the last attempt; null when it never ended"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_steps_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_steps")),
    )
