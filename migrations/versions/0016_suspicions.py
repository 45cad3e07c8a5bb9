"""What a run's proposal is suspected of, in the run's own row.

Revision: 0016
Revises: 0015

Does the release before work on this schema, reading and writing?
    Yes: it names the columns that it writes, and the new one may be NULL. It knows no policy 1.2.0, and
    leaves runs that name it to this release.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    PostgreSQL locks `runs` exclusively for a change of its catalogue alone: no row is visited. SQLite has one
    writer at a time, and does the same.
Can it be undone, and what is lost then?
    Yes; what stands in the column is lost, and stands in the journal still.
What becomes of the rows that are there, on both databases?
    Nothing: NULL says that nothing is suspected.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("suspicions", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "suspicions")
