"""Revisions of runs: what they work on, what they changed, whose reviews they took over; indexes of lists.

Revision: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

PARTIAL_INDEXES = {
    "ix_runs_revisions": (["tenant", "create_time", "run_id"], "run_type = 'REVISION'"),
    "ix_runs_confidence": (["tenant", "confidence", "create_time", "run_id"], "confidence IS NOT NULL"),
}


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "revisions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("edit_notes", sa.Text(), nullable=False),
        sa.Column("edited_proposal", JSON, nullable=True),
        sa.Column("parent_proposal", JSON, nullable=False),
        sa.Column("asked_personas", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_revisions")),
    )
    op.add_column("proposal_versions", sa.Column("diff", JSON, nullable=True))
    op.add_column("persona_reviews", sa.Column("reused_from_run_id", ordered(64), nullable=True))
    for name, (columns, condition) in PARTIAL_INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "runs", columns, postgresql_where=where, sqlite_where=where)
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    for name in PARTIAL_INDEXES:
        op.drop_index(name, table_name="runs")
    op.drop_column("persona_reviews", "reused_from_run_id")
    op.drop_column("proposal_versions", "diff")
    op.drop_table("revisions")


def refuse_changes_on_postgresql() -> None:
    for name, event, level, function in (
        ("row", "UPDATE", "ROW", "refuse_change"),
        ("run", "DELETE", "ROW", "refuse_while_run_stands"),
        ("statement", "TRUNCATE", "STATEMENT", "refuse_change"),
    ):
        op.execute(
            f"CREATE TRIGGER revisions_refuse_{name} BEFORE {event} ON revisions "
            f"FOR EACH {level} EXECUTE FUNCTION {function}()"
        )


def refuse_changes_on_sqlite() -> None:
    of_a_run = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for event, condition in (("UPDATE", ""), ("DELETE", of_a_run)):
        op.execute(
            f"CREATE TRIGGER revisions_refuse_{event.lower()} BEFORE {event} ON revisions {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of revisions are only ever added'); END"
        )
