"""What streams and calls ask of the writer. Pure; `outcomes` says what they are answered."""

from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import ConsensusError, Reason
from consensus_contract.steps import AGGREGATE
from consensus_rpc.errors import InvalidField
from persistence_service.idempotency.keys import KeyUse
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import event_types
from persistence_service.runs.form.attempts import attempt_columns
from persistence_service.runs.form.entries import NewRunEntry, item_entry
from persistence_service.runs.form.keys import RunKey, RunScope
from persistence_service.runs.form.panel import RunPanel
from persistence_service.runs.form.specification import SpecificationRow
from persistence_service.schema.scalars import MAX_JSON_INTEGER


@dataclass(slots=True)
class OrderedStream:
    """A worker's stream. Once one of its operations was refused, those after it are not applied.

    Otherwise a later record could be committed without an earlier one, which would then look like a
    repetition when it is sent again.
    """

    error: ConsensusError | None = None


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A record in the tables' terms."""

    record_id: int
    attempts: tuple[Columns, ...]
    entries: tuple[NewRunEntry, ...]

    @property
    def decides(self) -> bool:
        """Whether a decision is among its entries."""
        return any(new.entry.event_type == event_types.DECISION for new in self.entries)

    @property
    def has_review(self) -> bool:
        """Whether a review is in it."""
        return any(new.entry.event_type == event_types.REVIEW for new in self.entries)

    @classmethod
    def of(cls, record: persistence_service_pb2.Record) -> "PreparedRecord":
        """Converts before any lock is taken.

        Raises:
            InvalidField: for what the tables cannot hold.
        """
        if record.record_id > MAX_JSON_INTEGER:
            raise InvalidField(field="record.record_id", description=f"is at most {MAX_JSON_INTEGER}")
        return cls(
            record.record_id,
            tuple(attempt_columns(attempt) for attempt in record.attempts),
            tuple(item_entry(item) for item in record.items),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOperation:
    """Something to do to a run; `stream` is where it came from, `key_use` makes it happen once."""

    scope: RunScope
    run_id: str
    stream: OrderedStream | None = None
    key_use: KeyUse | None = None

    @property
    def key(self) -> RunKey:
        """Which run."""
        return (self.scope.tenant, self.run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(RunOperation):
    """Begins a run: RUNNING with a lease when there is a first record, else QUEUED."""

    specification: SpecificationRow
    carried: tuple[NewRunEntry, ...] = ()
    """Recorded in the same commit after `run created`: what a revision takes over from its parent."""
    lease_owner: str | None = None
    first_record: PreparedRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach(RunOperation):
    """Goes on with a granted run."""

    fencing_token: int
    lease_owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Append(RunOperation):
    """Writes a record down."""

    fencing_token: int
    record: PreparedRecord
    panel: RunPanel


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRefused(RunOperation):
    """Fails a run whose worker's record is refused for good: the next worker's would be refused as well."""

    fencing_token: int
    step: str
    reason: Reason
    message: str
    abandons: bool = True
    """Whether attempts in flight become UNKNOWN."""

    @classmethod
    def of(cls, refused: Append, error: ConsensusError, *, abandons: bool = True) -> Self:
        """The end that a refusal of this record brings."""
        record = refused.record
        steps = [attempt["step"] for attempt in record.attempts]
        steps += [new.entry.data["step"] for new in record.entries if "step" in new.entry.data]
        return cls(
            scope=refused.scope,
            run_id=refused.run_id,
            fencing_token=refused.fencing_token,
            step=steps[0] if steps else AGGREGATE,
            reason=error.reason,
            message=error.message,
            abandons=abandons,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(RunOperation):
    """Keeps the lease."""

    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(RunOperation):
    """Gives the lease back."""

    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(RunOperation):
    """Ends a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(RunOperation):
    """Goes on with a failed run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate(RunOperation):
    """Sets the note of a decision."""

    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(RunOperation):
    """Deletes a run that has ended."""

    deletion_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelete(RunOperation):
    """Restores a deleted run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWork:
    """Asks for leases on runs that nobody works on."""

    stream: ClassVar[None] = None

    lease_owner: str
    max_count: int
    policy_versions: frozenset[str] = frozenset()
    """Under which of them it can decide; none named, under all."""

    def can_decide(self, policy_version: str) -> bool:
        """Whether a run that names this version, or with an empty text none, is anything for it."""
        return not (self.policy_versions and policy_version) or policy_version in self.policy_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordExpansion:
    """Records attempts that belong to no run."""

    stream: ClassVar[None] = None

    scope: RunScope
    expansion_id: str
    attempts: tuple[Columns, ...]


Operation: TypeAlias = RunOperation | ClaimWork | RecordExpansion
