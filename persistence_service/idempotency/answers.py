"""Keys whose answer is stored: the same request is answered as it was, without a second effect."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from sqlalchemy import Connection, bindparam, select, update

from consensus_contract.errors import IdempotencyKeyReused
from consensus_journal import digest, reference_json
from persistence_service.idempotency.claims import KeyScope
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.schema.base import insert

_KEY = IdempotencyKeyRow
_SCOPE = (_KEY.tenant, _KEY.caller, _KEY.operation, _KEY.resource, _KEY.key)
_IS_SCOPE = tuple(column == bindparam(f"of_{column.key}") for column in _SCOPE)
_NEW = insert(_KEY)
_REPLACED = ("fingerprint", "run_id", "response", "create_time", "expire_time")
# A key that has expired and was not purged yet is claimed anew by the same statement.
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=list(_SCOPE),
    set_={name: _NEW.excluded[name] for name in _REPLACED},
    where=_KEY.expire_time <= _NEW.excluded.create_time,
).returning(_KEY.key)
_FIND = select(_KEY.fingerprint, _KEY.response).where(*_IS_SCOPE)
_ANSWER = (
    update(_KEY.__table__)  # type: ignore[arg-type]  # FromClause in the stubs
    .where(*_IS_SCOPE)
    .values(response=bindparam("answer"))
)


@dataclass(frozen=True, slots=True)
class AnswerClaim:
    """A request's claim on a key, and what it means: see `request_fingerprint`."""

    scope: KeyScope
    fingerprint: bytes


def request_fingerprint(request: Message) -> bytes:
    """SHA-256 over the canonical JSON of the request without its key; unset fields count as absent."""
    meaning = MessageToDict(request, preserving_proto_field_name=True)
    meaning.pop("idempotency_key", None)
    return digest(reference_json(meaning))


def answered_once(
    connection: Connection,
    claim: AnswerClaim,
    now: datetime,
    expire_time: datetime,
    effect: Callable[[], bytes],
) -> bytes:
    """What `effect` answers, or what it answered when the key was used first; then it is not called.

    Comes first in its transaction, before any check of the effect itself. Needs READ COMMITTED: who claims
    the same key at the same time waits, and then has to see what was committed.

    Raises:
        IdempotencyKeyReused: the key was used with another request.
    """
    scope = {column.key: getattr(claim.scope, column.key) for column in _SCOPE}
    row = {"fingerprint": claim.fingerprint, "run_id": None, "response": None}
    claimed = connection.execute(
        _CLAIM, {**scope, **row, "create_time": now, "expire_time": expire_time}
    ).first()
    of_scope = {f"of_{name}": value for name, value in scope.items()}
    if claimed is None:
        return _found(connection, claim, of_scope)
    answer = effect()
    connection.execute(_ANSWER, {**of_scope, "answer": answer})
    return answer


def _found(connection: Connection, claim: AnswerClaim, of_scope: dict[str, str]) -> bytes:
    found = connection.execute(_FIND, of_scope).one()
    if bytes(found.fingerprint) != claim.fingerprint:
        raise IdempotencyKeyReused(idempotency_key=claim.scope.key)
    return bytes(found.response)
