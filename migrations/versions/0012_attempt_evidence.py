"""What was said of a failed attempt, and what of an answer was put right, in a column of its own.

Revision: 0012
Revises: 0011

Does the release before work on this schema, reading and writing?
    Yes: it names the columns that it writes, and the new one may be NULL.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    PostgreSQL locks `attempts` exclusively for a change of its catalogue alone: no row is visited. SQLite has
    one writer at a time, and does the same.
Can it be undone, and what is lost then?
    Yes; what stands in the column is lost.
What becomes of the rows that are there, on both databases?
    Nothing: NULL says that nothing is known.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("evidence", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "evidence")
