"""What calls to the models cost, what may be spent, and what is left of it when runs are gone.

Revision: 0020
Revises: 0019

Does the release before work on this schema, reading and writing?
    Yes: it names the columns that it writes, and the new ones may be NULL. Its calls are counted by the cost
    that stands in their evidence; it sets nothing aside before them, so that caps are set once it is gone.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    PostgreSQL locks `attempts` exclusively for a change of its catalogue, and against writes while it reads
    the table once for an index of blocks: a second for a million. SQLite has one writer at a time.
Can it be undone, and what is lost then?
    Yes; the sums of runs that were purged are lost, and what calls could have cost at most.
What becomes of the rows that are there, on both databases?
    Nothing: NULL says that no price was known, or that it stands in the evidence.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
COUNTS = ("call_count", "uncertain_call_count", "cost_micros", "uncertain_micros")
TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("currency", ordered(3), nullable=True))
    op.add_column("attempts", sa.Column("most_micros", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("charged_micros", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("price_version", sa.String(16), nullable=True))
    op.create_index("ix_attempts_start_time", "attempts", ["start_time"], postgresql_using="brin")
    op.create_table(
        "usage",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("day", INSTANT, nullable=False),
        sa.Column("step", ordered(63), nullable=False),
        sa.Column("currency", ordered(3), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("user_id", ordered(255), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*COUNTS, *TOKENS)),
        sa.PrimaryKeyConstraint("tenant", "run_id", "day", "step", "currency", name=op.f("pk_usage")),
    )
    op.create_index("ix_usage_day", "usage", ["tenant", "day"])
    op.create_table(
        "expansions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("expansion_id", ordered(64), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "expansion_id", name=op.f("pk_expansions")),
    )
    op.create_table(
        "spend",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("kind", ordered(16), nullable=False),
        sa.Column("name", ordered(255), nullable=False),
        sa.Column("day", INSTANT, nullable=False),
        sa.Column("caps_version", sa.String(64), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "name", "day", name=op.f("pk_spend")),
    )
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql("usage")
    else:
        refuse_changes_on_sqlite("usage")


def downgrade() -> None:
    for table in ("spend", "expansions", "usage"):
        op.drop_table(table)
    op.drop_index("ix_attempts_start_time", "attempts")
    for column in ("price_version", "charged_micros", "most_micros", "currency"):
        op.drop_column("attempts", column)


def refuse_changes_on_postgresql(table: str) -> None:
    for name, event, level in (
        ("row", "UPDATE OR DELETE", "ROW"),
        ("statement", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{name} BEFORE {event} ON {table} "
            f"FOR EACH {level} EXECUTE FUNCTION refuse_change()"
        )


def refuse_changes_on_sqlite(table: str) -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
        )
