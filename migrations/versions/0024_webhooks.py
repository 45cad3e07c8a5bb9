"""Webhooks: the ends of runs that a receiver is told.

Revision: 0024
Revises: 0023

Does the release before work on this schema, reading and writing?
    Yes: it knows nothing of the table, and tells nobody of the runs that end in it.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; nobody is told of what was waiting.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
WAITS, SETTLED = sa.text("settle_time IS NULL"), sa.text("settle_time IS NOT NULL")
SET = "(SELECT current_setting('consensus.tenant', true))"


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("message", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("next_attempt_time", INSTANT, nullable=False),
        sa.Column("last_failure", sa.String(100), nullable=True),
        sa.Column("settle_time", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", "sequence", name=op.f("pk_webhook_deliveries")),
    )
    for name, column, condition in (
        ("due", "next_attempt_time", WAITS),
        ("waiting", "create_time", WAITS),
        ("settled", "settle_time", SETTLED),
    ):
        op.create_index(
            f"ix_webhook_deliveries_{name}",
            "webhook_deliveries",
            [column],
            postgresql_where=condition,
            sqlite_where=condition,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY every_tenant ON webhook_deliveries USING ({SET} = '*')")
        op.execute(f"CREATE POLICY own_tenant ON webhook_deliveries USING (tenant = {SET})")


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
