"""Deleting all that belongs to a user, as one deletion in one transaction, and taking that back.

Locks are taken in one order: idempotency key, runs, drafts, metrics; within each kind by id.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.v1.persistence_service_pb2 import (
    CallScope,
    IdempotencyClaim,
    PersistenceServiceDeleteUserDataRequest,
    PersistenceServiceDeleteUserDataResponse,
    PersistenceServiceUndeleteUserDataRequest,
    PersistenceServiceUndeleteUserDataResponse,
)
from persistence_service.drafts import deleting as drafts
from persistence_service.idempotency.answers import AnswerClaim, answered_once
from persistence_service.idempotency.claims import DELETE_USER_DATA, UNDELETE_USER_DATA, KeyScope
from persistence_service.journal.append import Clock
from persistence_service.journal.entries import Actor
from persistence_service.metrics import deleting as metrics
from persistence_service.runs.records import RunRecords, scope_of
from persistence_service.runs.write import mass_deletion as runs

Response = TypeVar("Response", bound=Message)


async def delete_user_data(
    records: RunRecords, request: PersistenceServiceDeleteUserDataRequest
) -> PersistenceServiceDeleteUserDataResponse:
    """Deletes a user's runs, drafts and metrics, all or nothing.

    Raises:
        IllegalState: one of the runs has not ended.
    """
    deletion_id, scope = str(uuid7()), request.scope
    actor = Actor(scope.caller, request.user, scope.request_id)

    def effect(connection: Connection, clock: Clock) -> PersistenceServiceDeleteUserDataResponse:
        of_user = (connection, clock, scope.tenant, actor, deletion_id)
        counts = {
            "run_count": runs.delete_of_user(connection, clock, scope_of(scope), request.user, deletion_id),
            "draft_count": drafts.delete_of_user(*of_user),
            "metric_count": metrics.delete_of_user(*of_user),
        }
        is_any = any(counts.values())
        return PersistenceServiceDeleteUserDataResponse(deletion_id=deletion_id if is_any else "", **counts)

    claim = _claim(scope, DELETE_USER_DATA, "", request.idempotency)
    return await _once(records, claim, effect, PersistenceServiceDeleteUserDataResponse)


async def undelete_user_data(
    records: RunRecords, request: PersistenceServiceUndeleteUserDataRequest
) -> PersistenceServiceUndeleteUserDataResponse:
    """Restores what went with one deletion."""
    deletion_id, scope = request.deletion_id, request.scope
    actor = Actor(scope.caller, "", scope.request_id)

    def effect(connection: Connection, clock: Clock) -> PersistenceServiceUndeleteUserDataResponse:
        of_deletion = (connection, clock, scope.tenant, actor, deletion_id)
        return PersistenceServiceUndeleteUserDataResponse(
            run_count=runs.undelete_deletion(connection, clock, scope_of(scope), deletion_id),
            draft_count=drafts.undelete_deletion(*of_deletion),
            metric_count=metrics.undelete_deletion(*of_deletion),
        )

    claim = _claim(scope, UNDELETE_USER_DATA, deletion_id, request.idempotency)
    return await _once(records, claim, effect, PersistenceServiceUndeleteUserDataResponse)


def _claim(scope: CallScope, operation: str, resource: str, claim: IdempotencyClaim) -> AnswerClaim | None:
    if not claim.key:
        return None
    key = KeyScope(scope.tenant, scope.caller, operation, resource, claim.key)
    return AnswerClaim(key, claim.fingerprint)


async def _once(
    records: RunRecords,
    claim: AnswerClaim | None,
    effect: Callable[[Connection, Clock], Response],
    answer: type[Response],
) -> Response:
    """What the effect answers, or what it answered when the key was used first."""
    ttl = timedelta(seconds=records.options.idempotency_key_ttl_seconds)

    def unit(connection: Connection, clock: Clock) -> bytes:
        def stored() -> bytes:
            return effect(connection, clock).SerializeToString()

        if claim is None:
            return stored()
        now = clock(connection)
        return answered_once(connection, claim, now, now + ttl, stored)

    return answer.FromString(await records.change(unit, "user data", rerun_when_lost=claim is not None))
