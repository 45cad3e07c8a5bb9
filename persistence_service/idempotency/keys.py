"""Keys of requests, and what each stands for within one transaction. Pure.

A key belongs to whoever inserted it. Those who find it taken by the same request are told whose effect
it stands for; those with another request are refused before anything else is looked at.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from consensus_contract.errors import IdempotencyKeyReused
from consensus_journal import digest, reference_json
from consensus_rpc.server.identity import Identity

START, REVISE, SUBMIT = "review.start", "review.revise", "draft.submit"
CANCEL, RESUME, ANNOTATE = "run.cancel", "run.resume", "decision.annotate"
DELETE, UNDELETE = "run.delete", "run.undelete"
DELETE_USER_DATA, UNDELETE_USER_DATA = "user_data.delete", "user_data.undelete"


class KeyScope(NamedTuple):
    """What a key is unique within, and the key. Keys are locked in this order."""

    tenant: str
    caller: str
    operation: str
    resource: str
    key: str


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A request's use of a key: its fingerprint, and the run that it starts or addresses, if any."""

    scope: KeyScope
    fingerprint: bytes
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class BareKey:
    """A key of one scope of one tenant; whoever of the tenant's callers asks, it is the same."""

    tenant: str
    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a bare key was set, and when it is forgotten; `expire_time` None: never."""

    create_time: datetime
    expire_time: datetime | None


def key_use(identity: Identity, operation: str, resource: str, request: Message, key: str) -> KeyUse | None:
    """The use that a request makes of its own key; None when it names none.

    `resource` is what keys are told apart by within an operation, empty for nothing.
    """
    if not key:
        return None
    scope = KeyScope(identity.tenant, identity.caller, operation, resource, key)
    return KeyUse(scope, request_fingerprint(request))


def request_fingerprint(request: Message) -> bytes:
    """SHA-256 over the canonical JSON of the request without its key; unset fields count as absent."""
    meaning = MessageToDict(request, preserving_proto_field_name=True)
    meaning.pop("idempotency_key", None)
    return digest(reference_json(meaning))


class KeyTable:
    """The keys that a batch uses, as they stand while its operations are folded in order."""

    def __init__(self, inserted: dict[KeyScope, KeyUse], existing: dict[KeyScope, KeyUse]) -> None:
        """`inserted` are new in this transaction, with the use that each was inserted for; `existing`
        stood there before.
        """
        self._inserted = inserted
        self._holders = dict(existing)
        self.followed = {(scope.tenant, use.run_id) for scope, use in existing.items()}
        """The runs that keys from before stand for, by tenant."""

    def check(self, use: KeyUse) -> str | None:
        """The run whose effect the key stands for already; None when the key is free.

        Raises:
            IdempotencyKeyReused: it stands for another request.
        """
        holder = self._holders.get(use.scope)
        if holder is None:
            return None
        if holder.fingerprint != use.fingerprint:
            raise IdempotencyKeyReused(idempotency_key=use.scope.key, run_id=holder.run_id)
        return holder.run_id

    def take(self, use: KeyUse) -> None:
        """Gives a free key to the request, whose effect will be committed with it."""
        self._holders[use.scope] = use

    @property
    def stale(self) -> list[KeyScope]:
        """Inserted for operations that were refused: to be deleted again, in this order."""
        return sorted(scope for scope, use in self._inserted.items() if self._holders.get(scope) != use)

    @property
    def replaced(self) -> list[KeyUse]:
        """Uses that took a key which was inserted for one that was refused: to be inserted anew."""
        return [self._holders[scope] for scope in self.stale if scope in self._holders]
