"""Keys that content is sealed with.

Revision: 0019
Revises: 0018

Does the release before work on this schema, reading and writing?
    Yes, while no key is given: then nothing is sealed. It cannot read what was sealed.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; what was sealed can then be opened by nobody. Do not, unless nothing was.
What becomes of the rows that are there, on both databases?
    Nothing: they stay as they are, and are read beside sealed ones.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds


def upgrade() -> None:
    op.create_table(
        "content_keys",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("wrapping_key_id", sa.String(32), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("wrap_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_content_keys")),
    )


def downgrade() -> None:
    op.drop_table("content_keys")
