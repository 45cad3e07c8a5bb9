"""What people say of a run beside its panel.

Revision: 0018
Revises: 0017

Does the release before work on this schema, reading and writing?
    Yes: it does not know the table, and shows decisions without what stands there.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; people's reviews are lost. Decisions stay as they are, with or without.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TABLE = "human_reviews"


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("review_id", ordered(64), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "review_id", name=op.f("pk_human_reviews")),
    )
    op.create_index("ix_human_reviews_time", TABLE, ["tenant", "create_time", "review_id"])
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    op.drop_table(TABLE)


def refuse_changes_on_postgresql() -> None:
    for name, event, level, function in (
        ("row", "UPDATE", "ROW", "refuse_change"),
        ("run", "DELETE", "ROW", "refuse_while_run_stands"),
        ("statement", "TRUNCATE", "STATEMENT", "refuse_change"),
    ):
        op.execute(
            f"CREATE TRIGGER {TABLE}_refuse_{name} BEFORE {event} ON {TABLE} "
            f"FOR EACH {level} EXECUTE FUNCTION {function}()"
        )


def refuse_changes_on_sqlite() -> None:
    of_a_run = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for event, condition in (("UPDATE", ""), ("DELETE", of_a_run)):
        op.execute(
            f"CREATE TRIGGER {TABLE}_refuse_{event.lower()} BEFORE {event} ON {TABLE} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {TABLE} are only ever added'); END"
        )
