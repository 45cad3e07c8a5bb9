"""Row-level security by tenant, on PostgreSQL.

Revision: 0022
Revises: 0021

Does the release before work on this schema, reading and writing?
    Not by itself: it sets no tenant, and so it sees no row and may write none. `ALTER ROLE name SET
    consensus.tenant = '*'` lets its connections see all rows; RESET it once that release is gone.
Which locks does it take, for how long, and does it end within the lock and statement time-outs?
    ACCESS EXCLUSIVE on one table after the other, all kept to the end, for a change of the catalogue alone.
Can it be undone, and what is lost then?
    Yes, and nothing is lost.
What becomes of the rows that are there, on both databases?
    Nothing. On SQLite, which knows no such thing, nothing is done.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OF_TENANTS = (
    "access_keys",
    "attempts",
    "decision_overrides",
    "decisions",
    "draft_invitations",
    "draft_members",
    "draft_segments",
    "draft_turns",
    "drafts",
    "escalation_resolutions",
    "escalations",
    "events",
    "expansions",
    "human_reviews",
    "idempotency_keys",
    "journal",
    "metrics",
    "outcomes",
    "panel_revisions",
    "panels",
    "persona_reviews",
    "policies",
    "policy_revisions",
    "proposal_versions",
    "revisions",
    "run_materials",
    "run_settings",
    "run_specifications",
    "runs",
    "spend",
    "stream_heads",
    "usage",
)
OF_NOBODY = ("content_keys", "schema_compatibility", "signing_keys")

# In a query of its own, which is asked once for a statement and not once for a row.
SET = "(SELECT current_setting('consensus.tenant', true))"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*OF_TENANTS, *OF_NOBODY):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY every_tenant ON {table} USING ({SET} = '*')")
    for table in OF_TENANTS:
        op.execute(f"CREATE POLICY own_tenant ON {table} USING (tenant = {SET})")
    # Else whoever made it would decide which rows it shows.
    op.execute("ALTER VIEW audit_log SET (security_invoker = true)")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER VIEW audit_log RESET (security_invoker)")
    for table in OF_TENANTS:
        op.execute(f"DROP POLICY own_tenant ON {table}")
    for table in (*OF_TENANTS, *OF_NOBODY):
        op.execute(f"DROP POLICY every_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
