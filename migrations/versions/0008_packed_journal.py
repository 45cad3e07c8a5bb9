"""The entries that a commit leaves in a stream as one row, and the rows of before as a view.

A row an entry repeated tenant, stream, time, caller and request up to seven times a commit, in the table
and in two indexes. `audit_log` still shows an entry a row, to those who read it in SQL.

Revision: 0008
Revises: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DIGEST = sa.LargeBinary(32)
SHARED = "tenant, stream, event_time, caller, user_id, request_id"

# Each entry of before becomes a row of its own: the same entries, and so the same hashes.
PACK = {
    "postgresql": "json_build_array(json_build_array(event_type, record_id, persona_id, data, severity, "
    "encode(payload_digest, 'hex')))",
    "sqlite": "json_array(json_array(event_type, record_id, persona_id, json(data), severity, "
    "CASE WHEN payload_digest IS NULL THEN NULL ELSE lower(hex(payload_digest)) END))",
}
# An entry a row, as the view shows it.
ENTRIES = {
    "postgresql": """
SELECT tenant, stream, first_sequence + (place - 1)::integer AS sequence, event_time,
    entry ->> 0 AS event_type, caller, user_id, request_id,
    coalesce((entry ->> 4)::smallint, 20::smallint) AS severity, entry ->> 2 AS persona_id,
    (entry -> 3)::jsonb AS data, (entry ->> 1)::bigint AS record_id, entry ->> 5 AS payload_digest,
    encode(substr(previous_hashes, (32 * place - 31)::integer, 32), 'hex') AS previous_hash,
    severity AS commit_severity
FROM journal, json_array_elements(entries) WITH ORDINALITY AS packed (entry, place)
""",
    "sqlite": """
SELECT tenant, stream, first_sequence + key AS sequence, event_time,
    json_extract(value, '$[0]') AS event_type, caller, user_id, request_id,
    coalesce(json_extract(value, '$[4]'), 20) AS severity, json_extract(value, '$[2]') AS persona_id,
    json_extract(value, '$[3]') AS data, json_extract(value, '$[1]') AS record_id,
    json_extract(value, '$[5]') AS payload_digest,
    lower(hex(substr(previous_hashes, 32 * key + 1, 32))) AS previous_hash, severity AS commit_severity
FROM journal, json_each(entries)
""",
}
UNHEX = {"postgresql": "decode({}, 'hex')", "sqlite": "unhex_text({})"}


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    create_journal()
    op.execute(
        f"INSERT INTO journal ({SHARED}, first_sequence, severity, previous_hashes, entries) "  # noqa: S608 - names of columns
        f"SELECT {SHARED}, sequence, severity, previous_hash, {PACK[dialect]} FROM audit_log"
    )
    op.drop_table("audit_log")
    op.execute(f"CREATE VIEW audit_log AS {ENTRIES[dialect]}")
    refuse_changes("journal")


def downgrade() -> None:
    op.execute("DROP VIEW audit_log")
    create_audit_log()
    copy_back(op.get_bind())
    op.drop_table("journal")
    refuse_changes("audit_log")


def create_journal() -> None:
    op.create_table(
        "journal",
        sa.Column("event_time", INSTANT, nullable=False),
        sa.Column("first_sequence", sa.Integer(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("stream", ordered(80), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("previous_hashes", sa.LargeBinary(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "stream", "first_sequence", name=op.f("pk_journal")),
    )
    index_time("journal")


def create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("stream", ordered(80), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("event_time", INSTANT, nullable=False),
        sa.Column("event_type", sa.String(40), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("persona_id", sa.String(63), nullable=True),
        sa.Column("data", JSON, nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("payload_digest", DIGEST, nullable=True),
        sa.Column("previous_hash", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "stream", "sequence", name=op.f("pk_audit_log")),
    )
    index_time("audit_log")


def index_time(table: str) -> None:
    by_time, severe = ["tenant", "event_time"], sa.text("severity >= 30")
    op.create_index(f"ix_{table}_time", table, by_time)
    op.create_index(f"ix_{table}_severe", table, by_time, postgresql_where=severe, sqlite_where=severe)


def copy_back(connection: sa.Connection) -> None:
    dialect = connection.dialect.name
    if dialect == "sqlite":  # which has no such function of its own before 3.41
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.create_function("unhex_text", 1, lambda text: text and bytes.fromhex(text))
    columns = f"{SHARED}, sequence, event_type, severity, persona_id, data, record_id"
    digests = ", ".join(UNHEX[dialect].format(name) for name in ("payload_digest", "previous_hash"))
    op.execute(
        f"INSERT INTO audit_log ({columns}, payload_digest, previous_hash) "  # noqa: S608 - names of columns
        f"SELECT {columns}, {digests} FROM ({ENTRIES[dialect]}) AS unpacked"
    )


def refuse_changes(table: str) -> None:
    """The functions of PostgreSQL's triggers are there since 0001."""
    if op.get_bind().dialect.name == "postgresql":
        for level, events in (("row", "UPDATE OR DELETE"), ("statement", "TRUNCATE")):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{level} BEFORE {events} ON {table} "
                f"FOR EACH {level} EXECUTE FUNCTION refuse_change()"
            )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
        )
