"""The tables of runs, attempts, the journal, idempotency keys, signing keys, and what the schema needs.

Revision: 0001
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# The oldest release that can work with the schema as this revision leaves it.
OLDEST_RELEASE = "0.1.0"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")  # there in microseconds
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DIGEST = sa.LargeBinary(32)

APPEND_ONLY = ("audit_log",)
# Of a run, written once; they may go only after the run's own row, as when it is purged.
OF_A_RUN = ("run_specifications", "proposal_versions", "persona_reviews", "decisions")


def ordered(length: int) -> sa.String:
    """Text that every server orders by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    create_runs()
    create_attempts()
    create_journal()
    create_others()
    if op.get_bind().dialect.name == "postgresql":
        refuse_changes_on_postgresql()
    else:
        refuse_changes_on_sqlite()
    state_compatibility()


def downgrade() -> None:
    for table in (
        "schema_compatibility",
        "signing_keys",
        "idempotency_keys",
        "stream_heads",
        "audit_log",
        "attempts",
        "decisions",
        "persona_reviews",
        "proposal_versions",
        "run_specifications",
        "runs",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
        op.execute("DROP FUNCTION refuse_while_run_stands()")


def create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("run_type", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("user_id", ordered(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("parent_run_id", ordered(64), nullable=True),
        sa.Column("decision_label", sa.String(16), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("decision_policy_version", sa.String(50), nullable=True),
        sa.Column("decision_notes", sa.Text(), nullable=True),
        sa.Column("failure", JSON, nullable=True),
        sa.Column("run_timeout_microseconds", sa.BigInteger(), nullable=False),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("take_over_count", sa.Integer(), nullable=False),
        sa.Column("barren_take_over_count", sa.Integer(), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("last_record_id", sa.BigInteger(), nullable=False),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.String(255), nullable=True),
        sa.Column("lease_expire_time", INSTANT, nullable=True),
        sa.Column("lease_was_released", sa.Boolean(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("start_time", INSTANT, nullable=True),
        sa.Column("finish_time", INSTANT, nullable=True),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.Column("expire_time", INSTANT, nullable=True),
        sa.Column("budget_start_time", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_created", "runs", ["tenant", "create_time", "run_id"], unique=False)
    op.create_index(
        "ix_runs_decision",
        "runs",
        ["tenant", "decision_label", "create_time", "run_id"],
        unique=False,
        postgresql_where=sa.text("decision_label IS NOT NULL"),
        sqlite_where=sa.text("decision_label IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["create_time"],
        unique=False,
        postgresql_where=sa.text("state IN ('QUEUED', 'RUNNING')"),
        sqlite_where=sa.text("state IN ('QUEUED', 'RUNNING')"),
    )
    op.create_index(
        "ix_runs_parent",
        "runs",
        ["tenant", "parent_run_id", "create_time", "run_id"],
        unique=False,
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.create_index("ix_runs_state", "runs", ["tenant", "state", "create_time", "run_id"], unique=False)
    op.create_index(
        "ix_runs_user",
        "runs",
        ["tenant", "user_id", "create_time", "run_id"],
        unique=False,
        postgresql_where=sa.text("user_id <> ''"),
        sqlite_where=sa.text("user_id <> ''"),
    )
    op.create_table(
        "run_specifications",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("idea", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("settings", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_run_specifications")),
    )
    op.create_table(
        "proposal_versions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("problem_statement", sa.Text(), nullable=False),
        sa.Column("proposed_solution", sa.Text(), nullable=False),
        sa.Column("assumptions", JSON, nullable=False),
        sa.Column("scope_non_goals", JSON, nullable=False),
        sa.Column("raw_expanded_proposal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_proposal_versions")),
    )
    op.create_table(
        "persona_reviews",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("persona_id", ordered(63), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("persona_name", sa.String(100), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("blocking_issues_present", sa.Boolean(), nullable=False),
        sa.Column("security_concerns_present", sa.Boolean(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("requested_model", sa.String(200), nullable=True),
        sa.Column("answered_model", sa.String(200), nullable=True),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("persona_template_version", sa.String(50), nullable=True),
        sa.Column("prompt_digest", sa.String(64), nullable=True),
        sa.Column("attempt_count", sa.BigInteger(), nullable=True),
        sa.Column("provider_request_id", sa.String(200), nullable=True),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("truncated_fields", JSON, nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", "persona_id", name=op.f("pk_persona_reviews")),
    )
    op.create_table(
        "decisions",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.String(50), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", name=op.f("pk_decisions")),
    )


def create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("run_id", ordered(64), nullable=False),
        sa.Column("step", ordered(63), nullable=False),
        sa.Column("attempt_number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("requested_model", sa.String(200), nullable=False),
        sa.Column("answered_model", sa.String(200), nullable=False),
        sa.Column("temperature", sa.Integer(), nullable=True),
        sa.Column("is_repair", sa.Boolean(), nullable=False),
        sa.Column("max_output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("start_time", INSTANT, nullable=False),
        sa.Column("latency_nanoseconds", sa.BigInteger(), nullable=True),
        sa.Column("http_status", sa.BigInteger(), nullable=False),
        sa.Column("provider_request_id", sa.String(200), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("raw_output", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "run_id", "step", "attempt_number", name=op.f("pk_attempts")),
    )


def create_journal() -> None:
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
    by_time = ["tenant", "event_time"]
    op.create_index("ix_audit_log_time", "audit_log", by_time)
    severe = sa.text("severity >= 30")
    op.create_index("ix_audit_log_severe", "audit_log", by_time, postgresql_where=severe, sqlite_where=severe)
    op.create_table(
        "stream_heads",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("stream", ordered(80), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.Column("update_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "stream", name=op.f("pk_stream_heads")),
    )


def create_others() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", ordered(64), nullable=False),
        sa.Column("caller", ordered(255), nullable=False),
        sa.Column("operation", ordered(64), nullable=False),
        sa.Column("resource", ordered(64), nullable=False),
        sa.Column("key", ordered(255), nullable=False),
        sa.Column("fingerprint", DIGEST, nullable=False),
        sa.Column("run_id", ordered(64), nullable=True),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.Column("expire_time", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant", "caller", "operation", "resource", "key", name=op.f("pk_idempotency_keys")
        ),
    )
    op.create_index("ix_idempotency_keys_expiry", "idempotency_keys", ["expire_time"], unique=False)
    op.create_table(
        "signing_keys",
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "schema_compatibility",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("oldest_release", sa.String(32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_schema_compatibility_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_compatibility")),
    )


def state_compatibility() -> None:
    table = sa.table("schema_compatibility", sa.column("id"), sa.column("oldest_release"))
    op.bulk_insert(table, [{"id": 1, "oldest_release": OLDEST_RELEASE}])


def refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% refused: rows of % are only ever added', TG_OP, TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE FUNCTION refuse_while_run_stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) THEN "
        "RAISE EXCEPTION 'DELETE refused: the run of this row of % stands', TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD; END $$"
    )
    for table in APPEND_ONLY:
        refuse_on_postgresql(table, "row", "UPDATE OR DELETE", "refuse_change")
        refuse_on_postgresql(table, "statement", "TRUNCATE", "refuse_change")
    for table in OF_A_RUN:
        refuse_on_postgresql(table, "row", "UPDATE", "refuse_change")
        refuse_on_postgresql(table, "run", "DELETE", "refuse_while_run_stands")
        refuse_on_postgresql(table, "statement", "TRUNCATE", "refuse_change")


def refuse_on_postgresql(table: str, name: str, events: str, function: str) -> None:
    level = "STATEMENT" if events == "TRUNCATE" else "ROW"
    op.execute(
        f"CREATE TRIGGER {table}_refuse_{name} BEFORE {events} ON {table} "
        f"FOR EACH {level} EXECUTE FUNCTION {function}()"
    )


def refuse_changes_on_sqlite() -> None:
    for table in APPEND_ONLY:
        refuse_on_sqlite(table, "UPDATE")
        refuse_on_sqlite(table, "DELETE")
    for table in OF_A_RUN:
        refuse_on_sqlite(table, "UPDATE")
        refuse_on_sqlite(
            table,
            "DELETE",
            "WHEN EXISTS (SELECT 1 FROM runs WHERE tenant = OLD.tenant AND run_id = OLD.run_id) ",
        )


def refuse_on_sqlite(table: str, event: str, condition: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{event} refused: rows of {table} are only ever added'); END"
    )
