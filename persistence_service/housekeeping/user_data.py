"""Deleting all that belongs to a user, as one deletion in one transaction, and taking that back.

Locks are taken in one order: idempotency key, runs, drafts, metrics; within each kind by id.
"""

from datetime import datetime

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import DeletionNotFound
from persistence_service.drafts import deleting as drafts
from persistence_service.idempotency.keys import DELETE_USER_DATA, UNDELETE_USER_DATA, KeyUse
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.append import DatabaseClock
from persistence_service.journal.entries import Actor
from persistence_service.metrics import deleting as metrics
from persistence_service.runs.form.keys import run_key_use, scope_of
from persistence_service.runs.write import mass_deletion as runs

_RESOURCE = "user data"


class UserData:
    """Deletes and restores the data of users, in every concept that has any."""

    def __init__(self, once: OncePerKey, clock: DatabaseClock) -> None:
        self._once = once
        self._clock = clock

    async def delete(
        self, request: persistence_service_pb2.DeleteUserDataRequest
    ) -> persistence_service_pb2.DeleteUserDataResponse:
        """Deletes a user's runs, drafts and metrics, all or nothing.

        Raises:
            IllegalState: one of the runs has not ended.
        """
        deletion_id, scope, clock = str(uuid7()), request.scope, self._clock
        actor = Actor(scope.caller, request.user, scope.request_id)

        def effect(connection: Connection, _now: datetime) -> persistence_service_pb2.DeleteUserDataResponse:
            for lock in (runs.lock_of_user, drafts.lock_of_user, metrics.lock_of_user):
                lock(connection, scope.tenant, request.user)
            at = clock(connection)  # one for all, and after what others changed while they were waited for
            of_user = (connection, clock, scope.tenant, actor, deletion_id, at)
            of_runs = (connection, scope_of(scope), request.user, deletion_id, at)
            counts = {
                "run_count": runs.delete_of_user(*of_runs),
                "draft_count": drafts.delete_of_user(*of_user),
                "metric_count": metrics.delete_of_user(*of_user),
            }
            deleted_by = deletion_id if any(counts.values()) else ""
            return persistence_service_pb2.DeleteUserDataResponse(deletion_id=deleted_by, **counts)

        use = _key_use(request, DELETE_USER_DATA, "")
        answer = persistence_service_pb2.DeleteUserDataResponse
        return await self._once.change(scope.tenant, use, effect, answer, _RESOURCE)

    async def undelete(
        self, request: persistence_service_pb2.UndeleteUserDataRequest
    ) -> persistence_service_pb2.UndeleteUserDataResponse:
        """Restores what went with one deletion.

        Raises:
            DeletionNotFound: nothing went with it that is still there to restore.
        """
        deletion_id, scope, clock = request.deletion_id, request.scope, self._clock
        actor = Actor(scope.caller, "", scope.request_id)

        def effect(
            connection: Connection, _now: datetime
        ) -> persistence_service_pb2.UndeleteUserDataResponse:
            of_deletion = (connection, clock, scope.tenant, actor, deletion_id)
            counts = {
                "run_count": runs.undelete_deletion(connection, clock, scope_of(scope), deletion_id),
                "draft_count": drafts.undelete_deletion(*of_deletion),
                "metric_count": metrics.undelete_deletion(*of_deletion),
            }
            if not any(counts.values()):
                raise DeletionNotFound(deletion_id=deletion_id)
            return persistence_service_pb2.UndeleteUserDataResponse(**counts)

        use = _key_use(request, UNDELETE_USER_DATA, deletion_id)
        answer = persistence_service_pb2.UndeleteUserDataResponse
        return await self._once.change(scope.tenant, use, effect, answer, _RESOURCE)


def _key_use(
    request: persistence_service_pb2.DeleteUserDataRequest | persistence_service_pb2.UndeleteUserDataRequest,
    operation: str,
    resource: str,
) -> KeyUse | None:
    if not request.idempotency.key:
        return None
    return run_key_use(request.scope, operation, request.idempotency, resource=resource)
