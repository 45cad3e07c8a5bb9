"""${message}

Revision: ${up_revision}
Revises: ${down_revision | comma,n}

Does the release before work on this schema, reading and writing?
    TODO
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    TODO
Can it be undone, and what is lost then?
    TODO
What becomes of the rows that are there, on both databases?
    TODO
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: Sequence[str] | None = ${repr(branch_labels)}
depends_on: Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
