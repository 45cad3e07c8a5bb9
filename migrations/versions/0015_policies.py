"""Policies of decision, and outcomes of runs.

Revision: 0015
Revises: 0014

Does the release before work on this schema, reading and writing?
    Yes: it knows none of the tables. A run that pinned a policy it takes for one of the built-in policy, so
    policies are named in requests once every process is replaced.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; policies and outcomes are lost. Runs hold the policy that they pinned themselves.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("policy_id", ordered(63), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "policy_id", name=op.f("pk_policies")),
    )
    op.create_table(
        "policy_revisions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("policy_id", ordered(63), nullable=False),
        sa.Column("revision", ordered(64), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("creator", sa.String(255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "policy_id", "revision", name=op.f("pk_policy_revisions")),
    )
    op.create_index(
        "ix_policy_revisions_time", "policy_revisions", ["tenant", "policy_id", "create_time", "revision"]
    )
    op.create_table(
        "outcomes",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("outcome_id", ordered(64), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("reliability", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "outcome_id", name=op.f("pk_outcomes")),
    )
    op.create_index("ix_outcomes_time", "outcomes", ["tenant", "create_time", "outcome_id"])
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    op.drop_table("outcomes")
    op.drop_table("policy_revisions")
    op.drop_table("policies")


def refuse_changes_on_postgresql() -> None:
    for table, name, event, level, function in (
        ("policy_revisions", "row", "UPDATE OR DELETE", "ROW", "refuse_change"),
        ("policy_revisions", "statement", "TRUNCATE", "STATEMENT", "refuse_change"),
        ("outcomes", "row", "UPDATE", "ROW", "refuse_change"),
        ("outcomes", "run", "DELETE", "ROW", "refuse_while_run_stands"),
        ("outcomes", "statement", "TRUNCATE", "STATEMENT", "refuse_change"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{name} BEFORE {event} ON {table} "
            f"FOR EACH {level} EXECUTE FUNCTION {function}()"
        )


def refuse_changes_on_sqlite() -> None:
    of_a_run = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for table, event, condition in (
        ("policy_revisions", "UPDATE", ""),
        ("policy_revisions", "DELETE", ""),
        ("outcomes", "UPDATE", ""),
        ("outcomes", "DELETE", of_a_run),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
        )
