"""Changes to metrics, each with its entry in the audit trail."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection

from consensus_journal import canonical_json, digest
from persistence_service.journal.append import Clock, append
from persistence_service.journal.entries import Actor, Draft
from persistence_service.metrics import repository
from persistence_service.metrics.metric import NewMetric

NOBODY = Actor(caller="", user="", request_id="")
"""Who acts in the background."""


def metrics_stream(tenant: str) -> str:
    """The stream of the entries about a tenant's metrics."""
    return f"metrics/{tenant}"


def store(
    clock: Clock,
    connection: Connection,
    tenant: str,
    actor: Actor,
    metrics: Sequence[NewMetric],
    now: datetime,
) -> None:
    """Stores a batch; its entry says how many, and the digest of what they say."""
    repository.store(connection, tenant, actor.user, metrics, now)
    entry = Draft("metric.stored", {"count": len(metrics)}, payload_digest=repository.batch_digest(metrics))
    append(connection, tenant, metrics_stream(tenant), [entry], actor, clock)


def purge_some(clock: Clock, connection: Connection, before: datetime, max_count: int) -> int:
    """Deletes metrics that were stored last before an instant; how many. An entry for each tenant."""
    purged = repository.purge_some(connection, before, max_count)
    for tenant, keys in groupby(purged, key=itemgetter(0)):
        ids = [metric_id for _, metric_id in keys]
        entry = Draft("metric.purged", {"count": len(ids)}, payload_digest=digest(canonical_json(ids)))
        append(connection, tenant, metrics_stream(tenant), [entry], NOBODY, clock)
    return len(purged)
