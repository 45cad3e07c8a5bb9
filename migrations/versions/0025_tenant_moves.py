"""Tenants that are moved from one database to another.

Revision: 0025
Revises: 0024

Does the release before work on this schema, reading and writing?
    Yes: it knows nothing of the table. It would go on changing a tenant that is frozen: tenants are moved
    once none of it serves any more.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    On PostgreSQL none on a table that is there; a function of triggers is replaced, which waits for nobody.
    On SQLite triggers are made anew.
Can it be undone, and what is lost then?
    Yes; a tenant that was frozen or moved away would be served again.
What becomes of the rows that are there, on both databases?
    Nothing. What is only ever added may be deleted from now on where its tenant was moved away, or has come
    and was not opened.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
SET = "(SELECT current_setting('consensus.tenant', true))"
DIGEST = sa.LargeBinary(32)

# Rows that are only ever added, whatever becomes of what they belong to.
ADDED = ("journal", "panel_revisions", "policy_revisions", "run_settings", "usage")
GONE = "EXISTS (SELECT 1 FROM tenant_moves WHERE tenant = OLD.tenant AND state IN ('MOVED', 'ARRIVED'))"
REFUSED = (
    "RAISE EXCEPTION '% refused: rows of % are only ever added', TG_OP, TG_TABLE_NAME "
    "USING ERRCODE = 'restrict_violation'"
)


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tenant_moves",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("move_id", ordered(64), nullable=False),
        sa.Column("release_code", DIGEST, nullable=True),
        sa.Column("release_digest", DIGEST, nullable=False),
        sa.Column("content_digest", DIGEST, nullable=True),
        sa.Column("freeze_time", INSTANT, nullable=False),
        sa.Column("change_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenant_moves")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE tenant_moves ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY every_tenant ON tenant_moves USING ({SET} = '*')")
        op.execute(f"CREATE POLICY own_tenant ON tenant_moves USING (tenant = {SET})")
        # Nested: a statement's trigger has no OLD, which one condition would look at all the same.
        let_go_on_postgresql(
            f"IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' THEN IF {GONE} THEN RETURN OLD; END IF; END IF; "
        )
    else:
        let_go_on_sqlite(f"WHEN NOT {GONE} ")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        let_go_on_postgresql("")
    else:
        let_go_on_sqlite("")
    op.drop_table("tenant_moves")


def let_go_on_postgresql(unless: str) -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{unless}{REFUSED}; END $$"
    )


def let_go_on_sqlite(condition: str) -> None:
    for table in ADDED:
        op.execute(f"DROP TRIGGER {table}_refuse_delete")
        op.execute(
            f"CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, 'DELETE refused: rows of {table} are only ever added'); END"
        )
