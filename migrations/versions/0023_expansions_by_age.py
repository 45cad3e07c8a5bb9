"""Expansions are found by age, to be removed.

Revision: 0023
Revises: 0022

Does the release before work on this schema, reading and writing?
    Yes: it does not name the index.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    On PostgreSQL SHARE on expansions while the index is made, which writers of expansions wait for: a second
    for a million of them.
Can it be undone, and what is lost then?
    Yes, and nothing is lost.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_expansions_create_time", "expansions", ["create_time"])


def downgrade() -> None:
    op.drop_index("ix_expansions_create_time", "expansions")
