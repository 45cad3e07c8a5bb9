"""Settings that runs share, stored once: a specification names them by their digest.

Settings that are there get a digest of the text that the database has of them, which is not that of the
canonical form by which later runs name theirs: the same settings may stand twice, once for either kind.

Revision: 0009
Revises: 0008
"""

import hashlib
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DIGEST = sa.LargeBinary(32)

# Stand only until the next statement; SQLite adds no column that must have a value without one.
NO_DIGEST = {"postgresql": sa.text("''::bytea"), "sqlite": sa.text("x''")}
NO_SETTINGS = sa.text("'{}'")

# What runs share of their settings is all but the draft.
DRAFT = {"postgresql": "settings ->> 'draft_id'", "sqlite": "json_extract(settings, '$.draft_id')"}
SHARED = {"postgresql": "settings - 'draft_id'", "sqlite": "json_remove(settings, '$.draft_id')"}
DIGEST_OF_SHARED = {
    "postgresql": "sha256(convert_to((settings - 'draft_id')::text, 'UTF8'))",
    "sqlite": "sha256(json_remove(settings, '$.draft_id'))",
}
WITH_DRAFT = {
    "postgresql": "shared.settings || jsonb_strip_nulls(jsonb_build_object('draft_id', draft_id))",
    "sqlite": "json_patch(shared.settings, json_object('draft_id', draft_id))",
}


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        give_sqlite_sha256()
    op.create_table(
        "run_settings",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_run_settings")),
    )
    op.add_column("run_specifications", sa.Column("draft_id", ordered(64), nullable=True))
    settings_digest = sa.Column("settings_digest", DIGEST, nullable=False, server_default=NO_DIGEST[dialect])
    op.add_column("run_specifications", settings_digest)
    op.execute(
        f"INSERT INTO run_settings SELECT DISTINCT tenant, {DIGEST_OF_SHARED[dialect]}, {SHARED[dialect]} "  # noqa: S608 - of constants
        "FROM run_specifications"
    )
    change_specifications(f"draft_id = {DRAFT[dialect]}, settings_digest = {DIGEST_OF_SHARED[dialect]}")
    op.drop_column("run_specifications", "settings")
    if dialect == "postgresql":
        op.alter_column("run_specifications", "settings_digest", server_default=None)
    refuse_changes()


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    settings = sa.Column("settings", JSON, nullable=False, server_default=NO_SETTINGS)
    op.add_column("run_specifications", settings)
    change_specifications(
        f"settings = (SELECT {WITH_DRAFT[dialect]} FROM run_settings AS shared "  # noqa: S608 - of constants
        "WHERE shared.tenant = run_specifications.tenant AND digest = settings_digest)"
    )
    if dialect == "postgresql":
        op.alter_column("run_specifications", "settings", server_default=None)
    op.drop_column("run_specifications", "settings_digest")
    op.drop_column("run_specifications", "draft_id")
    op.drop_table("run_settings")


def give_sqlite_sha256() -> None:
    """PostgreSQL has it."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.create_function("sha256", 1, lambda text: hashlib.sha256(text.encode()).digest())


def change_specifications(changes: str) -> None:
    """Changes every row, which the database refuses otherwise."""
    change = f"UPDATE run_specifications SET {changes}"  # noqa: S608 - of constants
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE run_specifications DISABLE TRIGGER run_specifications_refuse_row")
        op.execute(change)
        op.execute("ALTER TABLE run_specifications ENABLE TRIGGER run_specifications_refuse_row")
    else:
        op.execute("DROP TRIGGER run_specifications_refuse_update")
        op.execute(change)
        refuse_on_sqlite("run_specifications", "UPDATE")


def refuse_changes() -> None:
    if op.get_bind().dialect.name == "sqlite":
        refuse_on_sqlite("run_settings", "UPDATE")
        refuse_on_sqlite("run_settings", "DELETE")
        return
    for name, events, level in (("row", "UPDATE OR DELETE", "ROW"), ("statement", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER run_settings_refuse_{name} BEFORE {events} ON run_settings "
            f"FOR EACH {level} EXECUTE FUNCTION refuse_change()"
        )


def refuse_on_sqlite(table: str, event: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
    )
