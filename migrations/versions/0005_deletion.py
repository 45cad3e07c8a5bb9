"""Deletion of runs that can be taken back, and what purging and retention look for.

Revision: 0005
Revises: 0004
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds

# What belongs to a draft has columns of its own for it, and is found by its draft.
DELETABLE = ("runs", "drafts", "metrics")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("delete_time", INSTANT, nullable=True))
    op.add_column("runs", sa.Column("deletion_id", ordered(64), nullable=True))
    index_present("ix_runs_finish_time", "runs", ["finish_time"], "finish_time")
    for table in DELETABLE:
        index_present(f"ix_{table}_delete_time", table, ["delete_time"], "delete_time")
        index_present(f"ix_{table}_deletion", table, ["tenant", "deletion_id"], "deletion_id")


def downgrade() -> None:
    for table in DELETABLE:
        op.drop_index(f"ix_{table}_deletion", table_name=table)
        op.drop_index(f"ix_{table}_delete_time", table_name=table)
    op.drop_index("ix_runs_finish_time", table_name="runs")
    op.drop_column("runs", "deletion_id")
    op.drop_column("runs", "delete_time")


def index_present(name: str, table: str, columns: list[str], column: str) -> None:
    """Index the rows in which a column has a value."""
    present = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, table, columns, postgresql_where=present, sqlite_where=present)
