"""The tables of events and metrics.

Revision: 0002
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DIGEST = sa.LargeBinary(32)


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    create_events()
    create_metrics()


def downgrade() -> None:
    op.drop_table("metrics")
    op.drop_table("events")


def create_events() -> None:
    op.create_table(
        "events",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("event_type", ordered(100), nullable=False),
        sa.Column("occur_time", INSTANT, nullable=False),
        sa.Column("data_digest", DIGEST, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("event_key", ordered(255), nullable=False),
        sa.Column("draft_id", ordered(64), nullable=True),
        sa.Column("user_id", ordered(255), nullable=True),
        sa.Column("recipient_id", ordered(255), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "event_type", "occur_time", "data_digest", name=op.f("pk_events")),
    )
    op.create_index("ix_events_time", "events", ["tenant", "occur_time", "position"])
    op.create_index("ix_events_position", "events", ["position"])
    index_data("events")
    for name in ("draft", "user", "recipient"):
        index_present("events", name, f"{name}_id")


def create_metrics() -> None:
    op.create_table(
        "metrics",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("metric_id", ordered(64), nullable=False),
        sa.Column("metric_type", ordered(100), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("user_id", ordered(255), nullable=True),
        sa.Column("org_id", ordered(255), nullable=True),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.Column("delete_time", INSTANT, nullable=True),
        sa.Column("deletion_id", ordered(64), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "metric_id", name=op.f("pk_metrics")),
    )
    newest_first = ("create_time", "metric_id")
    op.create_index("ix_metrics_time", "metrics", ["tenant", *newest_first])
    op.create_index("ix_metrics_type", "metrics", ["tenant", "metric_type", *newest_first])
    for name in ("user", "org"):
        index_present("metrics", name, f"{name}_id", *newest_first)
    index_data("metrics")
    op.create_index("ix_metrics_update_time", "metrics", ["update_time"])


def index_present(table: str, name: str, column: str, *more: str) -> None:
    """Index the rows in which a column has a value."""
    present = sa.text(f"{column} IS NOT NULL")
    columns = ["tenant", column, *more]
    op.create_index(f"ix_{table}_{name}", table, columns, postgresql_where=present, sqlite_where=present)


def index_data(table: str) -> None:
    """Index what the data contains; SQLite has no such index: there it holds nothing."""
    op.create_index(
        f"ix_{table}_data",
        table,
        ["data"],
        postgresql_using="gin",
        postgresql_ops={"data": "jsonb_path_ops"},
        sqlite_where=sa.text("data IS NULL"),
    )
