"""Room on the pages of rows that are updated, so that the newer version stands beside the older.

On PostgreSQL an update that finds no room on its row's page writes all indexes of the row anew. Rows
written from now on leave room; those that are there already move with their next update.

Revision: 0006
Revises: 0005
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Per cent that inserts fill. An attempt is updated once, and grows; a run and its head several times.
FILL = {"attempts": 45, "runs": 50, "stream_heads": 50}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, percent in FILL.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in FILL:
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
