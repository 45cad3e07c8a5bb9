"""Deleting metrics so that they can be restored, restoring them, and removing them for good."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection

from consensus_contract.errors import MetricNotFound
from consensus_journal import canonical_json, digest
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import NOBODY, Actor, NewEntry
from persistence_service.metrics import repository
from persistence_service.metrics.storing import metrics_stream


def delete(
    connection: Connection,
    clock: DatabaseClock,
    tenant: str,
    actor: Actor,
    ids: Sequence[str],
    deletion_id: str,
) -> int:
    """Deletes those of the metrics that are not deleted; how many.

    Raises:
        MetricNotFound: one was never stored.
    """
    found = repository.lock_some(connection, tenant, ids)
    for metric_id in ids:
        if metric_id not in found:
            raise MetricNotFound(metric_id=metric_id)
    standing = [metric_id for metric_id, is_deleted in found.items() if not is_deleted]
    return _mark(connection, clock, tenant, actor, standing, deletion_id, clock(connection))


def lock_of_user(connection: Connection, tenant: str, user: str) -> None:
    """Nobody else changes the user's metrics until the transaction ends."""
    repository.lock_of_user(connection, tenant, user)


def delete_of_user(
    connection: Connection, clock: DatabaseClock, tenant: str, actor: Actor, deletion_id: str, at: datetime
) -> int:
    """Deletes all metrics that were stored for the user, as of one instant; how many. The user is the
    actor's.
    """
    ids = repository.lock_of_user(connection, tenant, actor.user)
    return _mark(connection, clock, tenant, actor, ids, deletion_id, at)


def _mark(
    connection: Connection,
    clock: DatabaseClock,
    tenant: str,
    actor: Actor,
    ids: Sequence[str],
    deletion_id: str,
    at: datetime,
) -> int:
    if ids:
        repository.mark(connection, tenant, ids, deletion_id, at)
        _note(connection, clock, tenant, actor, "metric.deleted", ids, deletion_id=deletion_id)
    return len(ids)


def undelete_deletion(
    connection: Connection, clock: DatabaseClock, tenant: str, actor: Actor, deletion_id: str
) -> int:
    """Restores all metrics that went with a deletion; how many."""
    ids = repository.lock_of_deletion(connection, tenant, deletion_id)
    if ids:
        repository.mark(connection, tenant, ids, None, None)
        _note(connection, clock, tenant, actor, "metric.undeleted", ids, deletion_id=deletion_id)
    return len(ids)


def purge_stored(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes metrics that were stored last before an instant; how many."""
    removed = repository.remove_old(connection, "update_time", before, max_count)
    return _note_purged(connection, clock, removed, "age")


def purge_deleted(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes metrics that were deleted before an instant; how many."""
    removed = repository.remove_old(connection, "delete_time", before, max_count)
    return _note_purged(connection, clock, removed, "deleted")


def _note_purged(
    connection: Connection, clock: DatabaseClock, removed: Sequence[tuple[str, str]], because: str
) -> int:
    """Leaves an entry for each tenant."""
    for tenant, keys in groupby(removed, key=itemgetter(0)):
        ids = [metric_id for _, metric_id in keys]
        _note(connection, clock, tenant, NOBODY, "metric.purged", ids, because=because)
    return len(removed)


def _note(
    connection: Connection,
    clock: DatabaseClock,
    tenant: str,
    actor: Actor,
    event_type: str,
    ids: Sequence[str],
    **more: str,
) -> None:
    """The entry says how many, and the digest of which."""
    payload_digest = digest(canonical_json(sorted(ids)))
    entry = NewEntry(event_type, {"count": len(ids), **more}, payload_digest=payload_digest)
    append(connection, tenant, metrics_stream(tenant), [entry], actor, clock)
