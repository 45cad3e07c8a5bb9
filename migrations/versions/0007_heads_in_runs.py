"""The end of a run's journal in the run's own row, so that a record locks and writes one row, not two.

`stream_heads` keeps those of other streams, and of runs that were purged.

Revision: 0007
Revises: 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Stands only until the next statement; SQLite adds no column that must have a value without one.
NOTHING = {"postgresql": sa.text("''::bytea"), "sqlite": sa.text("x''")}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    head_hash = sa.Column("head_hash", sa.LargeBinary(32), nullable=False, server_default=NOTHING[dialect])
    op.add_column("runs", head_hash)
    op.execute(
        "UPDATE runs SET head_hash = (SELECT hash FROM stream_heads "
        "WHERE stream_heads.tenant = runs.tenant AND stream = 'runs/' || runs.run_id)"
    )
    op.execute(
        "DELETE FROM stream_heads WHERE EXISTS (SELECT 1 FROM runs "
        "WHERE stream_heads.tenant = runs.tenant AND stream = 'runs/' || runs.run_id)"
    )
    if dialect == "postgresql":
        op.alter_column("runs", "head_hash", server_default=None)


def downgrade() -> None:
    op.execute(
        "INSERT INTO stream_heads (tenant, stream, sequence, hash, update_time) "
        "SELECT tenant, 'runs/' || run_id, last_sequence, head_hash, update_time FROM runs"
    )
    op.drop_column("runs", "head_hash")
