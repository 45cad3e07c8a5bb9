"""What runs work on beside an idea: documents, proposals, attachments.

Revision: 0014
Revises: 0012

Does the release before work on this schema, reading and writing?
    Yes: it writes runs over ideas alone, which have no row here. It shows a run over a document with an empty
    idea, and its review service must not work on one: documents are sent once every process is replaced.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    None on a table that is there.
Can it be undone, and what is lost then?
    Yes; documents, proposals that callers wrote and attachments are lost, and the digests of their runs speak
    of what is gone.
What becomes of the rows that are there, on both databases?
    Nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "run_materials",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("about", JSON, nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("proposal", JSON, nullable=True),
        sa.Column("attachment_texts", JSON, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_run_materials")),
    )
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    op.drop_table("run_materials")


def refuse_changes_on_postgresql() -> None:
    for name, event, level, function in (
        ("row", "UPDATE", "ROW", "refuse_change"),
        ("run", "DELETE", "ROW", "refuse_while_run_stands"),
        ("statement", "TRUNCATE", "STATEMENT", "refuse_change"),
    ):
        op.execute(
            f"CREATE TRIGGER run_materials_refuse_{name} BEFORE {event} ON run_materials "
            f"FOR EACH {level} EXECUTE FUNCTION {function}()"
        )


def refuse_changes_on_sqlite() -> None:
    of_a_run = "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) "
    for event, condition in (("UPDATE", ""), ("DELETE", of_a_run)):
        op.execute(
            f"CREATE TRIGGER run_materials_refuse_{event.lower()} BEFORE {event} ON run_materials {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of run_materials are only ever added'); END"
        )
