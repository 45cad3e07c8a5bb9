"""How long each lease was granted for, and what a run's records are judged by: its proposal and bytes.

Revision: 0011
Revises: 0010

Does the release before work on this schema, reading and writing?
    Yes: it names none of the columns. A lease that it grants has the length of the one before, or none: it
    ends when it says. A run whose proposal it records is looked up by the release that asks; the bytes of
    reviews that it records are not counted.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    ACCESS EXCLUSIVE on `runs` for the catalogue alone: the columns may be absent and have no default.
Can it be undone, and what is lost then?
    Yes; nothing that is needed without it.
What becomes of the rows that are there, on both databases?
    They have none of it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("lease_microseconds", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("is_expanded", sa.Boolean(), nullable=True))
    op.add_column("runs", sa.Column("review_bytes", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "review_bytes")
    op.drop_column("runs", "is_expanded")
    op.drop_column("runs", "lease_microseconds")
