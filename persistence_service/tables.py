"""Every table, in one place: importing this module completes `schema.metadata`."""

from collections.abc import Mapping

from persistence_service.access import tables as access
from persistence_service.content import tables as content
from persistence_service.database import tables as moves
from persistence_service.diagnostics import tables as diagnostics
from persistence_service.drafts import tables as drafts
from persistence_service.events import tables as events
from persistence_service.idempotency import tables as idempotency
from persistence_service.journal import tables as journal
from persistence_service.metrics import tables as metrics
from persistence_service.paging import tables as paging
from persistence_service.panels import tables as panels
from persistence_service.policies import tables as policies
from persistence_service.runs.form import attempt_tables as attempts
from persistence_service.runs.form import human_tables as humans
from persistence_service.runs.form import outcome_tables as outcomes
from persistence_service.runs.form import tables as runs
from persistence_service.runs.form import usage_tables as usage
from persistence_service.schema.base import metadata
from persistence_service.webhooks import tables as webhooks

__all__ = [
    "DISTRIBUTED_TABLES",
    "REMOVED",
    "RIGHTS",
    "WHOLE_ON_EACH_SERVER",
    "access",
    "attempts",
    "content",
    "diagnostics",
    "drafts",
    "events",
    "humans",
    "idempotency",
    "journal",
    "metadata",
    "metrics",
    "moves",
    "outcomes",
    "paging",
    "panels",
    "policies",
    "runs",
    "usage",
    "webhooks",
]

_CHANGED = {
    "access_keys",
    "attempts",
    "content_keys",
    "draft_invitations",
    "draft_members",
    "draft_segments",
    "draft_turns",
    "drafts",
    "expansions",
    "idempotency_keys",
    "metrics",
    "panels",
    "policies",
    "runs",
    "spend",
    "stream_heads",
    "webhook_deliveries",
}
_TAKEN_BACK = {"draft_members"}
RIGHTS: Mapping[str, tuple[str, ...]] = {
    name: (
        *("SELECT", "INSERT"),
        *(("UPDATE",) if name in _CHANGED else ()),
        *(("DELETE",) if name in _TAKEN_BACK else ()),
    )
    for name in sorted(metadata.tables)
    if name != "schema_compatibility"
}
"""By table, what the service's role must be allowed; what only purging deletes is `REMOVED`."""

WHOLE_ON_EACH_SERVER = frozenset(
    {
        # Written seldom, and read with nearly every call or run.
        *("panels", "panel_revisions", "policies", "policy_revisions"),
        "access_keys",  # found by its id alone, which is unique among those of all tenants
        *("content_keys", "signing_keys"),  # of no tenant
        "tenant_moves",  # asked by every call of one database among several; none is moved here
    }
)
"""The tables that each server of a distributed database has a copy of."""

DISTRIBUTED_TABLES = frozenset(metadata.tables) - WHOLE_ON_EACH_SERVER - {"schema_compatibility"}
"""The tables of which each such server has the rows of some tenants: what grows with the work."""

REMOVED = frozenset(
    {
        *("attempts", "decision_overrides", "decisions", "draft_invitations", "draft_members"),
        *(
            "draft_segments",
            "draft_turns",
            "drafts",
            "escalation_resolutions",
            "escalations",
            "events",
            "expansions",
        ),
        *("human_reviews", "idempotency_keys", "metrics", "outcomes", "persona_reviews"),
        *("proposal_versions", "revisions", "run_materials", "run_specifications", "runs", "spend"),
        "webhook_deliveries",
    }
)
"""The tables whose rows are deleted once they are old, or were deleted long ago."""
