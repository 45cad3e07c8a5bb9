"""What people say instead of a panel.

Revision: 0017
Revises: 0016

Does the release before work on this schema, reading and writing?
    Yes: it knows none of the tables, shows decisions as the panel made them, and escalates none of its runs.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; overrides, escalations and their resolutions are lost. Decisions stay as they are, with or without.
What becomes of the rows that are there, on both databases?
    Nothing: runs that ended before are not escalated.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
TABLES = ("decision_overrides", "escalations", "escalation_resolutions")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "decision_overrides",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("override_id", ordered(64), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "override_id", name=op.f("pk_decision_overrides")),
    )
    op.create_table(
        "escalations",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "sequence", name=op.f("pk_escalations")),
    )
    op.create_index("ix_escalations_time", "escalations", ["tenant", "create_time", "run_id"])
    op.create_table(
        "escalation_resolutions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("resolution_id", ordered(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "resolution_id", name=op.f("pk_escalation_resolutions")),
    )
    refuse = (
        refuse_changes_on_postgresql
        if op.get_bind().dialect.name == "postgresql"
        else refuse_changes_on_sqlite
    )
    for table in TABLES:
        refuse(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def refuse_changes_on_postgresql(table: str) -> None:
    for name, event, level, function in (
        ("row", "UPDATE", "ROW", "refuse_change"),
        ("run", "DELETE", "ROW", "refuse_while_run_stands"),
        ("statement", "TRUNCATE", "STATEMENT", "refuse_change"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{name} BEFORE {event} ON {table} "
            f"FOR EACH {level} EXECUTE FUNCTION {function}()"
        )


def refuse_changes_on_sqlite(table: str) -> None:
    of_a_run = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for event, condition in (("UPDATE", ""), ("DELETE", of_a_run)):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
        )
