"""How often each forecast was served."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table `served`."""
    op.create_table(
        "served",
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="After whose close the forecast was made"),
        sa.Column("checksum", sa.String(length=128), nullable=False, comment="Of the forecast, as in forecasts"),
        sa.Column("route", sa.String(length=32), nullable=False, comment="Who answered with it: predict, batch ..."),
        sa.Column(
            "minute",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The minute in which it was served, by its beginning",
        ),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ticker", "session", "checksum", "route", "minute", name=op.f("pk_served")),
    )
