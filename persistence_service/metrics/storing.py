"""Changes to metrics, each with its entry in the audit trail."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import Actor, NewEntry
from persistence_service.metrics import repository
from persistence_service.metrics.metric import NewMetric


def metrics_stream(tenant: str) -> str:
    """The stream of the entries about a tenant's metrics."""
    return f"metrics/{tenant}"


def store(
    clock: DatabaseClock,
    connection: Connection,
    tenant: str,
    actor: Actor,
    metrics: Sequence[NewMetric],
    now: datetime,
) -> None:
    """Stores a batch; its entry says how many, and the digest of what they say."""
    repository.store(connection, tenant, actor.user, metrics, now)
    entry = NewEntry(
        "metric.stored", {"count": len(metrics)}, payload_digest=repository.batch_digest(metrics)
    )
    append(connection, tenant, metrics_stream(tenant), [entry], actor, clock)
