"""Panels, and each of their revisions.

Revision: 0013
Revises: 0012

Does the release before work on this schema, reading and writing?
    Yes: it knows neither table.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; all panels are lost. Runs hold what they were reviewed by themselves.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "panels",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("panel_id", ordered(63), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.Column("delete_time", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "panel_id", name=op.f("pk_panels")),
    )
    op.create_table(
        "panel_revisions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("panel_id", ordered(63), nullable=False),
        sa.Column("revision", ordered(64), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "panel_id", "revision", name=op.f("pk_panel_revisions")),
    )
    op.create_index(
        "ix_panel_revisions_time", "panel_revisions", ["tenant", "panel_id", "create_time", "revision"]
    )
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    op.drop_table("panel_revisions")
    op.drop_table("panels")


def refuse_changes_on_postgresql() -> None:
    for name, event, level in (("row", "UPDATE OR DELETE", "ROW"), ("statement", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER panel_revisions_refuse_{name} BEFORE {event} ON panel_revisions "
            f"FOR EACH {level} EXECUTE FUNCTION refuse_change()"
        )


def refuse_changes_on_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER panel_revisions_refuse_{event.lower()} BEFORE {event} ON panel_revisions "
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of panel_revisions are only ever added'); END"
        )
