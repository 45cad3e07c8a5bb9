"""Attempts and persona reviews take less room.

Numbers are narrower, what is not known yet is NULL. On PostgreSQL the
record of an update leaves out what the old and the new version of the row have in common at their beginning
and end, and numbers are aligned, so that the order of columns counts: the tables are made anew, and filled.

Revision: 0010
Revises: 0009
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

Item = sa.Column[Any] | sa.PrimaryKeyConstraint
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
# What said that there is nothing, and is NULL now.
NOTHING = {"http_status": "0"} | dict.fromkeys(
    ("answered_model", "provider_request_id", "raw_output", "message"), "''"
)
FILL = {"attempts": 45}


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    absent = {name: f"NULLIF({name}, {nothing})" for name, nothing in NOTHING.items()}
    remake("attempts", narrow_attempts(), absent)
    remake("persona_reviews", narrow_reviews(), {})
    refuse_changes("persona_reviews")


def downgrade() -> None:
    present = {name: f"COALESCE({name}, {nothing})" for name, nothing in NOTHING.items()}
    remake("attempts", wide_attempts(), present)
    remake("persona_reviews", wide_reviews(), {})
    refuse_changes("persona_reviews")


def dialect() -> str:
    return op.get_bind().dialect.name


def remake(table: str, items: Sequence[Item], given: dict[str, str]) -> None:
    """Makes the table anew and moves its rows, with the expressions of `given` for some of its columns."""
    before = f"{table}_before"
    op.rename_table(table, before)
    if dialect() == "postgresql":
        op.drop_constraint(f"pk_{table}", before)
    op.create_table(table, *items)
    columns = [item.name for item in items if isinstance(item, sa.Column)]
    values = ", ".join(given.get(name, name) for name in columns)
    op.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {before}")  # noqa: S608 - names
    op.drop_table(before)
    if dialect() == "postgresql" and table in FILL:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {FILL[table]})")


def refuse_changes(table: str) -> None:
    """As for all that is written of a run: no update, and no removal while the run stands."""
    if dialect() == "postgresql":
        for name, event, level, function in (
            ("row", "UPDATE", "ROW", "refuse_change"),
            ("run", "DELETE", "ROW", "refuse_while_run_stands"),
            ("statement", "TRUNCATE", "STATEMENT", "refuse_change"),
        ):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{name} BEFORE {event} ON {table} "
                f"FOR EACH {level} EXECUTE FUNCTION {function}()"
            )
        return
    stands = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for event, condition in (("UPDATE", ""), ("DELETE", stands)):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
        )


def narrow_attempts() -> list[Item]:
    return [
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("step", ordered(63), nullable=False),
        sa.Column("attempt_number", sa.Integer(), nullable=False),
        sa.Column("max_output_tokens", sa.Integer(), nullable=False),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("start_time", INSTANT, nullable=False),
        sa.Column("is_repair", sa.Boolean(), nullable=False),
        sa.Column("requested_model", sa.String(200), nullable=False),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in TOKENS),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("answered_model", sa.String(200), nullable=True),
        sa.Column("provider_request_id", sa.String(200), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("raw_output", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", "step", "attempt_number", name=op.f("pk_attempts")),
    ]


def wide_attempts() -> list[Item]:
    return [
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("step", ordered(63), nullable=False),
        sa.Column("attempt_number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("requested_model", sa.String(200), nullable=False),
        sa.Column("answered_model", sa.String(200), nullable=False),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("is_repair", sa.Boolean(), nullable=False),
        sa.Column("max_output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("start_time", INSTANT, nullable=False),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("http_status", sa.BigInteger(), nullable=False),
        sa.Column("provider_request_id", sa.String(200), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in TOKENS),
        sa.Column("raw_output", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "step", "attempt_number", name=op.f("pk_attempts")),
    ]


def narrow_reviews() -> list[Item]:
    return [
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("persona_id", ordered(63), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in TOKENS),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("blocking_issues_present", sa.Boolean(), nullable=False),
        sa.Column("security_concerns_present", sa.Boolean(), nullable=False),
        sa.Column("persona_name", sa.String(100), nullable=False),
        sa.Column("requested_model", sa.String(200), nullable=True),
        sa.Column("answered_model", sa.String(200), nullable=True),
        sa.Column("persona_template_version", sa.String(50), nullable=True),
        sa.Column("prompt_digest", sa.String(64), nullable=True),
        sa.Column("provider_request_id", sa.String(200), nullable=True),
        sa.Column("truncated_fields", JSON, nullable=True),
        sa.Column("reused_from_run_id", ordered(64), nullable=True),
        sa.Column("content", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "persona_id", name=op.f("pk_persona_reviews")),
    ]


def wide_reviews() -> list[Item]:
    return [
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("persona_id", ordered(63), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("persona_name", sa.String(100), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("blocking_issues_present", sa.Boolean(), nullable=False),
        sa.Column("security_concerns_present", sa.Boolean(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("requested_model", sa.String(200), nullable=True),
        sa.Column("answered_model", sa.String(200), nullable=True),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("persona_template_version", sa.String(50), nullable=True),
        sa.Column("prompt_digest", sa.String(64), nullable=True),
        sa.Column("attempt_count", sa.BigInteger(), nullable=True),
        sa.Column("provider_request_id", sa.String(200), nullable=True),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("truncated_fields", JSON, nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in TOKENS),
        sa.Column("reused_from_run_id", ordered(64), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", "persona_id", name=op.f("pk_persona_reviews")),
    ]
