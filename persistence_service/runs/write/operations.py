"""What streams and calls ask of the writer, and what they are answered.

An expected refusal is an answer (an error of the contract, as a value), so that it harms no neighbour in
the batch.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from consensus.v1.persistence_service_pb2 import Record
from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import InvalidField
from persistence_service.idempotency.claims import Claim
from persistence_service.runs.form.attempts import attempt_columns
from persistence_service.runs.form.entries import EventDraft, item_draft
from persistence_service.runs.form.specification import SpecificationRow
from persistence_service.runs.write.writer import Deferred
from persistence_service.schema.scalars import MAX_JSON_INTEGER

RunKey: TypeAlias = tuple[str, str]
"""Tenant and run id."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom an operation is made."""

    tenant: str
    caller: str
    request_id: str


@dataclass(slots=True)
class Session:
    """A worker's stream. Once one of its operations was refused, those after it are not applied.

    Otherwise a later record could be committed without an earlier one, which would then look like a
    repetition when it is sent again.
    """

    error: ConsensusError | None = None


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A record in the tables' terms."""

    record_id: int
    attempts: tuple[dict[str, Any], ...]
    events: tuple[EventDraft, ...]

    @classmethod
    def of(cls, record: Record) -> "PreparedRecord":
        """Converts before any lock is taken.

        Raises:
            InvalidField: for what the tables cannot hold.
        """
        if record.record_id > MAX_JSON_INTEGER:
            raise InvalidField(field="record.record_id", description=f"is at most {MAX_JSON_INTEGER}")
        return cls(
            record.record_id,
            tuple(attempt_columns(attempt) for attempt in record.attempts),
            tuple(item_draft(item) for item in record.items),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something to do to a run."""

    scope: Scope
    run_id: str
    session: Session | None = None
    claim: Claim | None = None

    @property
    def key(self) -> RunKey:
        """The run's key."""
        return (self.scope.tenant, self.run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Operation):
    """Begins a run: RUNNING with a lease when there is a first record, else QUEUED."""

    specification: SpecificationRow
    carried: tuple[EventDraft, ...] = ()
    """Recorded in the same commit after `run created`: what a revision takes over from its parent."""
    lease_owner: str | None = None
    first_record: PreparedRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach(Operation):
    """Goes on with a granted run."""

    fencing_token: int
    lease_owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Append(Operation):
    """Writes a record down."""

    fencing_token: int
    record: PreparedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Operation):
    """Keeps the lease."""

    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Operation):
    """Gives the lease back."""

    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Operation):
    """Ends a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Operation):
    """Goes on with a failed run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate(Operation):
    """Sets the note of a decision."""

    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Operation):
    """Deletes a run that has ended."""

    deletion_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelete(Operation):
    """Restores a deleted run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWork:
    """Asks for leases on runs that nobody works on."""

    session: None = None

    lease_owner: str
    max_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Records attempts that belong to no run."""

    session: None = None

    scope: Scope
    expansion_id: str
    attempts: tuple[dict[str, Any], ...]


AnyOperation: TypeAlias = Operation | ClaimWork | Expansion


@dataclass(frozen=True, slots=True)
class Ack:
    """A record is committed. Without events both sequences are 0 and there is no time."""

    record_id: int
    first_sequence: int = 0
    last_sequence: int = 0
    event_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease, by the database's clock at the moment of the answer; spans in seconds."""

    fencing_token: int
    lease_seconds: float
    seconds_to_deadline: float = 0.0
    last_record_id: int = 0
    budget_start_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """The run exists; with a lease and an acknowledgement if it is RUNNING."""

    granted: Granted | None
    ack: Ack | None


@dataclass(frozen=True, slots=True)
class Follow:
    """The key stands for this run."""

    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Released:
    """The lease was given back."""


@dataclass(frozen=True, slots=True)
class Done:
    """The run stands as asked."""


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that was granted, with the caller and request that started it."""

    scope: Scope
    run_id: str
    granted: Granted


@dataclass(frozen=True, slots=True)
class Claimed:
    """The runs that were granted."""

    runs: tuple[ClaimedRun, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Repeated:
    """The record was committed before: its acknowledgement stands in the journal."""

    key: RunKey
    record_id: int
    created: Granted | None = None
    """Set when it is the first record of a creation that is repeated."""


Answer: TypeAlias = (
    Ack | Granted | Created | Follow | Released | Done | Claimed | Repeated | Deferred | ConsensusError
)
