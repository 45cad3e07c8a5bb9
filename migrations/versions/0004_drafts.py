"""The tables of drafts; segments and turns of the ring are only ever added.

Revision: 0004
Revises: 0003
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
DIGEST = sa.LargeBinary(32)

# All but what a deletion sets.
WRITTEN_ONCE = {
    "draft_segments": (
        "tenant",
        "draft_id",
        "position",
        "segment_id",
        "author",
        "author_display",
        "holder",
        "content",
        "create_time",
    ),
    "draft_turns": ("tenant", "draft_id", "position", "holder", "passed_by", "receive_time"),
}


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    create_drafts()
    create_contents()
    create_people()
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()


def downgrade() -> None:
    for table in ("draft_invitations", "draft_members", "draft_turns", "draft_segments", "drafts"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_while_draft_stands()")


def key() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("draft_id", ordered(64), nullable=False),
    ]


def deletion() -> list[sa.Column[Any]]:
    return [
        sa.Column("delete_time", INSTANT, nullable=True),
        sa.Column("deletion_id", ordered(64), nullable=True),
    ]


def create_drafts() -> None:
    op.create_table(
        "drafts",
        *key(),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("creator", ordered(255), nullable=False),
        sa.Column("holder", ordered(255), nullable=False),
        sa.Column("ring_time", INSTANT, nullable=False),
        sa.Column("segment_count", sa.Integer(), nullable=False),
        sa.Column("turn_count", sa.Integer(), nullable=False),
        sa.Column("collaborator_count", sa.Integer(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.Column("complete_time", INSTANT, nullable=True),
        *deletion(),
        sa.PrimaryKeyConstraint("tenant", "draft_id", name=op.f("pk_drafts")),
    )


def create_contents() -> None:
    op.create_table(
        "draft_segments",
        *key(),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("segment_id", ordered(64), nullable=False),
        sa.Column("author", ordered(255), nullable=False),
        sa.Column("author_display", sa.String(16), nullable=False),
        sa.Column("holder", ordered(255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        *deletion(),
        sa.PrimaryKeyConstraint("tenant", "draft_id", "position", name=op.f("pk_draft_segments")),
    )
    op.create_table(
        "draft_turns",
        *key(),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("holder", ordered(255), nullable=False),
        sa.Column("passed_by", ordered(255), nullable=False),
        sa.Column("receive_time", INSTANT, nullable=False),
        *deletion(),
        sa.PrimaryKeyConstraint("tenant", "draft_id", "position", name=op.f("pk_draft_turns")),
    )


def create_people() -> None:
    op.create_table(
        "draft_members",
        *key(),
        sa.Column("user_id", ordered(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=True),
        sa.Column("is_author", sa.Boolean(), nullable=False),
        sa.Column("added_by", ordered(255), nullable=False),
        sa.Column("join_time", INSTANT, nullable=False),
        sa.Column("draft_create_time", INSTANT, nullable=False),
        *deletion(),
        sa.PrimaryKeyConstraint("tenant", "draft_id", "user_id", name=op.f("pk_draft_members")),
    )
    by_user = ["tenant", "user_id", "draft_create_time", "draft_id"]
    op.create_index("ix_draft_members_user", "draft_members", by_user)
    op.create_table(
        "draft_invitations",
        *key(),
        sa.Column("invitation_id", ordered(64), nullable=False),
        sa.Column("token_digest", DIGEST, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("invitee", ordered(255), nullable=False),
        sa.Column("invited_by", ordered(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("expire_time", INSTANT, nullable=False),
        sa.Column("answered_by", ordered(255), nullable=False),
        sa.Column("answer_time", INSTANT, nullable=True),
        *deletion(),
        sa.PrimaryKeyConstraint("tenant", "draft_id", "invitation_id", name=op.f("pk_draft_invitations")),
    )
    op.create_index(
        "ix_draft_invitations_token", "draft_invitations", ["tenant", "draft_id", "token_digest"], unique=True
    )


def refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_while_draft_stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT FROM drafts WHERE tenant = OLD.tenant AND draft_id = OLD.draft_id) THEN "
        "RAISE EXCEPTION 'DELETE refused: the draft of this row of % stands', TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD; END $$"
    )
    for table, columns in WRITTEN_ONCE.items():
        op.execute(
            f"CREATE TRIGGER {table}_refuse_row BEFORE UPDATE OF {', '.join(columns)} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_draft BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_while_draft_stands()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_statement BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def refuse_changes_on_sqlite() -> None:
    for table, columns in WRITTEN_ONCE.items():
        refuse_on_sqlite(table, "update", f"UPDATE OF {', '.join(columns)}")
        refuse_on_sqlite(
            table,
            "delete",
            "DELETE",
            "WHEN EXISTS (SELECT 1 FROM drafts WHERE tenant = OLD.tenant AND draft_id = OLD.draft_id) ",
        )


def refuse_on_sqlite(table: str, name: str, event: str, condition: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_refuse_{name} BEFORE {event} ON {table} {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{name} refused: rows of {table} are only ever added'); END"
    )
