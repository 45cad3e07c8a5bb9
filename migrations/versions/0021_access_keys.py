"""Access keys of callers.

Revision: 0021
Revises: 0020

Does the release before work on this schema, reading and writing?
    Yes: it knows nothing of the table, and asks nobody for a key.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; all keys are lost, and every caller needs a new one.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("key_id", ordered(16), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("roles", sa.String(400), nullable=False),
        sa.Column("bound_user", sa.String(255), nullable=False),
        sa.Column("bound_prefix", sa.String(255), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("creator", sa.String(255), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("expire_time", INSTANT, nullable=True),
        sa.Column("revoke_time", INSTANT, nullable=True),
        sa.Column("last_use_time", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "key_id", name=op.f("pk_access_keys")),
    )
    op.create_index("ix_access_keys_id", "access_keys", ["key_id"], unique=True)
    op.create_index("ix_access_keys_time", "access_keys", ["tenant", "create_time", "key_id"])


def downgrade() -> None:
    op.drop_table("access_keys")
