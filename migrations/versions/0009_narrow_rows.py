"""Attempts take less room: narrower numbers, nothing for what is not known yet, what never changes first.

On PostgreSQL the record of an update leaves out what the old and the new version of the row have in common
at their beginning and end, so that the order of columns counts. The table is made anew and filled.

Revision: 0009
Revises: 0007
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

Item = sa.Column[Any] | sa.PrimaryKeyConstraint
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
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


def downgrade() -> None:
    present = {name: f"COALESCE({name}, {nothing})" for name, nothing in NOTHING.items()}
    remake("attempts", wide_attempts(), present)


def remake(table: str, items: Sequence[Item], given: dict[str, str]) -> None:
    """Makes the table anew and moves its rows, with the expressions of `given` for some of its columns."""
    before = f"{table}_before"
    op.rename_table(table, before)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(f"pk_{table}", before)
    op.create_table(table, *items)
    columns = [item.name for item in items if isinstance(item, sa.Column)]
    values = ", ".join(given.get(name, name) for name in columns)
    op.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {before}")  # noqa: S608 - names
    op.drop_table(before)
    if op.get_bind().dialect.name == "postgresql" and table in FILL:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {FILL[table]})")


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
