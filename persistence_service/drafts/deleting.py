"""Deleting drafts so that they can be restored, restoring them, and removing them for good."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.v1 import draft_service_pb2
from persistence_service.drafts import statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.repository import DraftKey, draft_stream
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import NOBODY, Actor, NewEntry


def delete(
    change: Change, _request: draft_service_pb2.DeleteDraftRequest
) -> draft_service_pb2.DeleteDraftResponse:
    """The draft and all that stands with it, under one deletion; a deleted one stays as it is."""
    draft = change.lock(show_deleted=True)
    change.check_owner(show_deleted=True)
    if draft["delete_time"] is None:
        _mark(change, str(uuid7()), change.now)
    return draft_service_pb2.DeleteDraftResponse(draft=change.short_draft())


def undelete(
    change: Change, _request: draft_service_pb2.UndeleteDraftRequest
) -> draft_service_pb2.UndeleteDraftResponse:
    """All that went with the draft's deletion; one that is not deleted stays as it is."""
    draft = change.lock(show_deleted=True)
    change.check_owner(show_deleted=True)
    if draft["delete_time"] is not None:
        _restore(change, draft["deletion_id"])
    return draft_service_pb2.UndeleteDraftResponse(draft=change.short_draft())


def lock_of_user(connection: Connection, tenant: str, user: str) -> None:
    """Nobody else changes the drafts that the user created until the transaction ends."""
    connection.execute(statements.LOCK_DRAFTS_OF_CREATOR, {"tenant": tenant, "user_id": user})


def delete_of_user(
    connection: Connection, clock: DatabaseClock, tenant: str, actor: Actor, deletion_id: str, at: datetime
) -> int:
    """Deletes all drafts that the user created, as of one instant; how many. The user is the actor's."""
    of_user = {"tenant": tenant, "user_id": actor.user}
    ids = connection.scalars(statements.LOCK_DRAFTS_OF_CREATOR, of_user).all()
    for change in _changes(connection, clock, tenant, actor, ids):
        _mark(change, deletion_id, at)
        change.finish()
    return len(ids)


def undelete_deletion(
    connection: Connection, clock: DatabaseClock, tenant: str, actor: Actor, deletion_id: str
) -> int:
    """Restores all drafts that went with a deletion; how many."""
    of_deletion = {"tenant": tenant, "deletion": deletion_id}
    ids = connection.scalars(statements.LOCK_DRAFTS_OF_DELETION, of_deletion).all()
    for change in _changes(connection, clock, tenant, actor, ids):
        _restore(change, deletion_id)
        change.finish()
    return len(ids)


def purge_deleted(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes drafts that were deleted before an instant; how many. An entry for each stays."""
    rows = statements.LOCK_DELETED_LONG_AGO.rows(connection, max_count, before=before)
    keys = sorted((row.tenant, row.draft_id) for row in rows)
    if not keys:
        return 0
    for removed in statements.PURGE:
        removed.count(connection, keys)
    for tenant, draft_id in keys:
        entry = NewEntry("draft.purged", {"because": "deleted"})
        append(connection, tenant, draft_stream(draft_id), [entry], NOBODY, clock)
    return len(keys)


def _changes(
    connection: Connection, clock: DatabaseClock, tenant: str, actor: Actor, ids: Sequence[str]
) -> list[Change]:
    keys: list[DraftKey] = [(tenant, draft_id) for draft_id in ids]
    changes = [Change(connection, key, actor, clock, clock(connection)) for key in keys]
    for change in changes:
        change.lock(show_deleted=True)
    return changes


def _mark(change: Change, deletion_id: str, at: datetime) -> None:
    change.update()
    for statement in statements.DELETE_WITH.values():
        change.connection.execute(statement, {**change.of_draft, "at": at, "deletion": deletion_id})
    change.note("draft.deleted", {"deletion_id": deletion_id})


def _restore(change: Change, deletion_id: str) -> None:
    change.update()
    for statement in statements.RESTORE_WITH.values():
        change.connection.execute(statement, {**change.of_draft, "deletion": deletion_id})
    change.note("draft.undeleted", {"deletion_id": deletion_id})
