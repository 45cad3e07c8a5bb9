"""Every table, in one place: importing this module completes `schema.metadata`."""

from persistence_service.diagnostics import tables as diagnostics
from persistence_service.drafts import tables as drafts
from persistence_service.events import tables as events
from persistence_service.idempotency import tables as idempotency
from persistence_service.journal import tables as journal
from persistence_service.metrics import tables as metrics
from persistence_service.paging import tables as paging
from persistence_service.runs.form import attempt_tables as attempts
from persistence_service.runs.form import tables as runs
from persistence_service.schema.base import metadata

__all__ = [
    "attempts",
    "diagnostics",
    "drafts",
    "events",
    "idempotency",
    "journal",
    "metadata",
    "metrics",
    "paging",
    "runs",
]
