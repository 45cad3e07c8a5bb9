"""Claims on idempotency keys within one transaction. Pure.

A key belongs to whoever inserted it. Those who find it taken by the same request are told whose effect
it stands for; those with another request are refused before anything else is looked at.
"""

from dataclasses import dataclass

from consensus_contract.errors import IdempotencyKeyReused

START, REVISE, SUBMIT = "review.start", "review.revise", "draft.submit"
CANCEL, RESUME, ANNOTATE = "run.cancel", "run.resume", "decision.annotate"
DELETE, UNDELETE = "run.delete", "run.undelete"
DELETE_USER_DATA, UNDELETE_USER_DATA = "user_data.delete", "user_data.undelete"


@dataclass(frozen=True, slots=True, order=True)
class KeyScope:
    """What a key is unique within, and the key. Ordered: keys are locked in this order."""

    tenant: str
    caller: str
    operation: str
    resource: str
    key: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A request's claim on a key: its fingerprint, and the run that it starts or addresses."""

    scope: KeyScope
    fingerprint: bytes
    run_id: str


class KeyTable:
    """The keys that a batch claims, as they stand while its operations are folded in order."""

    def __init__(self, inserted: dict[KeyScope, Claim], existing: dict[KeyScope, Claim]) -> None:
        """`inserted` are new in this transaction, with the claim that each was inserted for; `existing`
        stood there before.
        """
        self._inserted = inserted
        self._holders = dict(existing)
        self.followed = {(scope.tenant, claim.run_id) for scope, claim in existing.items()}
        """The runs that keys from before stand for, by tenant."""

    def check(self, claim: Claim) -> str | None:
        """The run whose effect the key stands for already; None when the key is free.

        Raises:
            IdempotencyKeyReused: it stands for another request.
        """
        holder = self._holders.get(claim.scope)
        if holder is None:
            return None
        if holder.fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused(idempotency_key=claim.scope.key, run_id=holder.run_id)
        return holder.run_id

    def take(self, claim: Claim) -> None:
        """Gives a free key to the claim, whose effect will be committed with it."""
        self._holders[claim.scope] = claim

    @property
    def stale(self) -> list[KeyScope]:
        """Inserted for operations that were refused: to be deleted again, in this order."""
        return sorted(scope for scope, claim in self._inserted.items() if self._holders.get(scope) != claim)

    @property
    def replaced(self) -> list[Claim]:
        """Claims that took a key which was inserted for one that was refused: to be inserted anew."""
        return [self._holders[scope] for scope in self.stale if scope in self._holders]
