"""A run under its lock, and what a batch changes. Pure: rows in, rows out.

`LockedRun` has the columns of `runs` under their names, so that a row becomes one and one becomes a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Protocol

from consensus_contract.errors import IllegalState
from consensus_journal import FIRST_PREVIOUS_HASH, Entry
from persistence_service.journal.entries import Actor, ChainEnd, Columns, NewEntry, run_stream
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.entries import NewRunEntry
from persistence_service.runs.form.keys import RunHead, RunKey, RunScope
from persistence_service.runs.write.outcomes import Ack, Refusal
from persistence_service.schema.scalars import MICROSECOND


@dataclass(slots=True, kw_only=True)
class LockedRun:
    """The row of a run that this transaction has locked, or is about to insert."""

    tenant: str
    run_id: str
    run_type: str
    state: str
    caller: str
    user_id: str
    request_id: str
    run_timeout_microseconds: int
    create_time: datetime
    update_time: datetime
    parent_run_id: str | None = None
    decision_label: str | None = None
    confidence: int | None = None
    decision_policy_version: str | None = None
    decision_notes: str | None = None
    failure: dict[str, Any] | None = None
    retry_count: int = 0
    take_over_count: int = 0
    barren_take_over_count: int = 0
    last_sequence: int = 0
    head_hash: bytes = FIRST_PREVIOUS_HASH
    last_record_id: int = 0
    fencing_token: int = 0
    lease_owner: str | None = None
    lease_expire_time: datetime | None = None
    lease_microseconds: int | None = None
    lease_was_released: bool = False
    is_expanded: bool | None = None
    suspicions: list[list[str]] | None = None
    review_bytes: int | None = None
    start_time: datetime | None = None
    finish_time: datetime | None = None
    expire_time: datetime | None = None
    budget_start_time: datetime | None = None
    delete_time: datetime | None = None
    deletion_id: str | None = None

    def columns(self) -> Columns:
        """The row."""
        return {name: getattr(self, name) for name in RUN_COLUMNS}

    @property
    def key(self) -> RunKey:
        """Which run."""
        return (self.tenant, self.run_id)

    @property
    def head(self) -> RunHead:
        """Where it stands."""
        return RunHead(self.tenant, self.run_id, self.last_sequence, self.state, self.fencing_token)

    def moment(self, now: datetime) -> datetime:
        """Now, or the run's newest change where another server's clock was ahead."""
        return max(now, self.update_time)

    def require(self, state: str, operation: str) -> None:
        """Nothing, if the run is in this state.

        Raises:
            IllegalState: it is in another.
        """
        if self.state != state:
            raise IllegalState(run_id=self.run_id, state=self.state, operation=operation)

    def grant(self, owner: str, lease: timedelta, now: datetime) -> None:
        """A new lease with a new token: whoever worked on the run before can write no more."""
        self.fencing_token += 1
        self.lease_was_released = False
        self.renew(owner, lease, now)

    def renew(self, owner: str | None, lease: timedelta, now: datetime) -> None:
        """The same lease, for longer."""
        self.lease_owner = owner
        self.lease_expire_time = now + lease
        self.lease_microseconds = lease // MICROSECOND

    def begin(self, now: datetime) -> None:
        """Work begins: the run's own time starts to count."""
        self.state = names.RUNNING
        self.start_time = now
        self.expire_time = now + timedelta(microseconds=self.run_timeout_microseconds)

    def end(self, state: str, now: datetime) -> None:
        """The run ends; nobody holds it."""
        self.state = state
        self.finish_time = now
        self.lease_expire_time = None


RUN_COLUMNS = tuple(column.name for column in fields(LockedRun))
_SET_ONCE = frozenset(
    {
        "tenant",
        "run_id",
        "run_type",
        "caller",
        "user_id",
        "request_id",
        "parent_run_id",
        "run_timeout_microseconds",
        "create_time",
    }
)
CHANGING_COLUMNS = tuple(name for name in RUN_COLUMNS if name not in _SET_ONCE)


@dataclass(slots=True)
class Tracked:
    """A run in a batch: its row, the end of its journal, and what the batch did to it."""

    run: LockedRun
    end: ChainEnd
    stored: Columns | None = None
    """The row as it was read; None for a run that did not exist."""
    is_changed: bool = False
    acks: dict[int, Ack] = field(default_factory=dict)

    @classmethod
    def of(cls, run: LockedRun, stored: Columns | None) -> "Tracked":
        """A run that was locked, or one that is new."""
        end = ChainEnd(run.tenant, run_stream(run.run_id), run.last_sequence, run.head_hash)
        return cls(run, end, stored, is_changed=stored is None)

    @property
    def is_new(self) -> bool:
        """Whether the run did not exist."""
        return self.stored is None

    def changed_columns(self) -> tuple[str, ...]:
        """The columns in which a run that was read is another now, in the order of its row."""
        stored = self.stored or {}
        return tuple(name for name in CHANGING_COLUMNS if getattr(self.run, name) != stored[name])


def tracked_run(row: Columns) -> Tracked:
    """A run that was read under its lock; keeps the row."""
    row["head_hash"] = bytes(row["head_hash"])  # psycopg2 gives a memoryview
    return Tracked.of(LockedRun(**row), row)


class Spending(Protocol):
    """What may be set aside for calls; see `spend_book`."""

    def take(
        self, key: RunKey, caller: str, columns: Columns, now: datetime
    ) -> tuple[Columns, Refusal | None]:
        """The attempt as it is to be written, and why it must not begin."""

    def check_new(self, key: RunKey, caller: str, attempts: Iterable[Columns], now: datetime) -> None:
        """Raises SpendCapReached: a run that is to begin could make no call."""

    def changed(self) -> list[Columns]:
        """The counters that are others now."""


class Admission(Protocol):
    """How many runs may be open; see `run_limits`."""

    def admit(self, tenant: str, caller: str, *, is_queued: bool) -> None:
        """Raises Overloaded: as many as may be are."""


@dataclass(slots=True)
class Changes:
    """What a batch adds, in the order in which it came to be: entries of journals, and rows."""

    spend: Spending | None = None
    """What may be set aside for calls; None: nothing is capped."""
    limits: Admission | None = None
    """How many runs may be open; None: any number."""
    entries: list[Entry] = field(default_factory=list)
    settings: dict[tuple[str, bytes], Columns] = field(default_factory=dict)
    """By tenant and digest, each once; they may be there already."""
    specifications: list[Columns] = field(default_factory=list)
    revisions: list[Columns] = field(default_factory=list)
    materials: list[Columns] = field(default_factory=list)
    escalations: list[Columns] = field(default_factory=list)
    payloads: dict[str, list[Columns]] = field(default_factory=dict)
    """By event type."""
    attempts: dict[tuple[str, str, str, int], Columns] = field(default_factory=dict)
    attempts_may_be_there: bool = False
    """Whether some that begin may be recorded already, and then stay as they are."""
    expansions: dict[RunKey, Columns] = field(default_factory=dict)
    """Who asked for them; they may be there already."""
    abandoned: dict[RunKey, datetime] = field(default_factory=dict)
    """Runs whose attempts in flight become UNKNOWN."""
    deliveries: list[Columns] = field(default_factory=list)
    """Webhooks that wait: the ends of runs among the entries."""

    def journal(
        self, tracked: Tracked, entry: NewEntry, scope: RunScope, now: datetime, record_id: int | None = None
    ) -> None:
        """Chains an entry to the run's journal."""
        run = tracked.run
        actor = Actor(scope.caller, run.user_id, scope.request_id)
        self.entries.append(tracked.end.chain(entry, actor, now, record_id))
        run.last_sequence, run.head_hash = tracked.end.sequence, tracked.end.hash
        run.update_time = now
        tracked.is_changed = True

    def journal_with_payload(
        self, tracked: Tracked, new: NewRunEntry, scope: RunScope, now: datetime, record_id: int | None = None
    ) -> None:
        """Chains an entry, and adds the payload that goes with it."""
        self.journal(tracked, new.entry, scope, now, record_id)
        if new.payload is not None:
            run = tracked.run
            keys = {"tenant": run.tenant, "run_id": run.run_id, "sequence": run.last_sequence}
            self.payloads.setdefault(new.entry.event_type, []).append(keys | new.payload)
        if new.entry.event_type == event_types.REVIEW:
            tracked.run.review_bytes = (tracked.run.review_bytes or 0) + new.payload_bytes

    def escalate(self, run: LockedRun, cause: str, now: datetime) -> None:
        """A person should look at the run, for its newest event."""
        reason = {"sequence": run.last_sequence, "create_time": now, "cause": cause}
        self.escalations.append({"tenant": run.tenant, "run_id": run.run_id, **reason})

    def reviewed(self, key: RunKey) -> set[str]:
        """The personas whose reviews of a run are among what is added."""
        rows = self.payloads.get(event_types.REVIEW, ())
        return {row["persona_id"] for row in rows if (row["tenant"], row["run_id"]) == key}

    def specify(self, specification: Columns, settings: Columns) -> None:
        """What a new run is to do, with the settings that it names."""
        self.settings[(settings["tenant"], settings["digest"])] = settings
        self.specifications.append(specification)

    def take_attempt(self, key: RunKey, caller: str, columns: Columns, now: datetime) -> Refusal | None:
        """An attempt that began or ended, set aside or settled; why it must not begin, where it must not."""
        refusal = None
        if self.spend is not None:
            columns, refusal = self.spend.take(key, caller, columns, now)
        self.add_attempt(key, columns, now)
        return refusal

    def add_attempt(self, key: RunKey, columns: Columns, now: datetime) -> None:
        """An attempt that began or ended; the later state replaces the earlier, which keeps its start."""
        identity = (*key, columns["step"], columns["attempt_number"])
        before = self.attempts.get(identity)
        if before is not None and columns["state"] == names.STARTED:
            return
        start = before["start_time"] if before is not None else now
        self.attempts[identity] = {"tenant": key[0], "run_id": key[1], "start_time": start, **columns}

    def ask_expansion(self, key: RunKey, caller: str, now: datetime) -> None:
        """Who asked for an expansion, of which attempts are added."""
        self.expansions[key] = {
            "tenant": key[0], "expansion_id": key[1], "caller": caller, "create_time": now,
        }  # fmt: skip

    def attempt_rows(self) -> tuple[list[Columns], list[Columns]]:
        """The attempts that are in flight, and those that have ended."""
        begun: list[Columns] = []
        ended: list[Columns] = []
        for columns in self.attempts.values():
            (begun if columns["state"] == names.STARTED else ended).append(columns)
        return begun, ended

    def abandon(self, key: RunKey, now: datetime) -> None:
        """Nobody knows what became of the run's attempts in flight."""
        self.abandoned[key] = now
