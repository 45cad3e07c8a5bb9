"""What a batch reads before it changes anything: keys, locked runs, and what is recorded of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from persistence_service.database.admission import now_and_closed, refusal_of
from persistence_service.database.tenants import is_distributed
from persistence_service.idempotency.keys import KeyTable
from persistence_service.journal.entries import Columns
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.write import repository, statements
from persistence_service.runs.write.locked_run import Tracked, tracked_run
from persistence_service.runs.write.operations import Append, ClaimWork, Create, Operation, RunOperation
from persistence_service.runs.write.recomputing import Recorded
from persistence_service.runs.write.spend_reads import refusals_of

if TYPE_CHECKING:
    from consensus_contract.errors import ConsensusError


class BatchReads:
    """The runs that a batch's operations name, under their locks, in the order that excludes deadlocks."""

    def __init__(self, connection: Connection, operations: Sequence[Operation]) -> None:
        self._connection = connection
        self.operations = operations
        """Those that may be done: not of tenants that are on the move."""
        self.refused: dict[int, ConsensusError] = {}
        """Why the others are not, by their places among all."""
        self.closed: Mapping[str, str] = {}
        """Where tenants stand that are on the move."""
        self.runs: dict[RunKey, Tracked] = {}
        self.held_elsewhere: set[RunKey] = set()
        """Runs that are there, and locked by another transaction."""
        self.followed_states: dict[RunKey, str] = {}
        """How far the runs are that keys stand for."""
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The database's clock."""
        assert self._now is not None, "it is read with what comes first"
        return self._now

    def begin(self, ttl: timedelta) -> KeyTable:
        """Claims the operations' idempotency keys, then locks the runs that nobody else has locked.

        Which tenants are on the move is asked with what is read first: the clock, or the runs.
        """
        keys = KeyTable({}, {})
        if any(isinstance(op, RunOperation) and op.key_use for op in self.operations):
            self._look()
            keys = self._take_keys(ttl)
        self._lock_runs()
        if self._now is None:
            self._look()
        self._find_held_elsewhere()
        return keys

    def _look(self) -> None:
        self._now, closed = now_and_closed(self._connection)
        self._leave_out(closed)

    def _leave_out(self, closed: Mapping[str, str]) -> None:
        """Nothing is done for these; who has looked already finds the same again."""
        if self.closed or not closed:
            return
        self.closed = closed
        for index, operation in enumerate(self.operations):
            if isinstance(operation, ClaimWork):
                continue
            if (refusal := refusal_of(closed.get(operation.scope.tenant))) is not None:
                self.refused[index] = refusal
        self.operations = [op for index, op in enumerate(self.operations) if index not in self.refused]
        self.runs = {key: tracked for key, tracked in self.runs.items() if key[0] not in closed}

    def _take_keys(self, ttl: timedelta) -> KeyTable:
        uses = [op.key_use for op in self.operations if isinstance(op, RunOperation) and op.key_use]
        if not uses:
            return KeyTable({}, {})
        keys = repository.take_keys(self._connection, uses, self.now, self.now + ttl)
        if keys.followed:
            rows = statements.RUN_STATES.rows(self._connection, sorted(keys.followed))
            self.followed_states = {(row.tenant, row.run_id): row.state for row in rows}
        return keys

    def _lock_runs(self) -> None:
        if not (keys := self._keys()):
            return
        closed: Mapping[str, str] = {}
        # The servers of a distributed database have a clock each, of which one alone says when leases end.
        has_one_clock = not is_distributed(self._connection)
        for row in statements.LOCK_RUNS.rows(self._connection, keys):
            columns = dict(row._mapping)
            now, closed = columns.pop("now"), columns.pop("closed") or {}
            self._now = now if has_one_clock else None
            self.track(columns)
        self._leave_out(closed)

    def _find_held_elsewhere(self) -> None:
        new = {op.key for op in self.operations if isinstance(op, Create)}
        if missing := sorted(set(self._keys()) - self.runs.keys() - new):
            rows = statements.RUNS_THERE.rows(self._connection, missing)
            self.held_elsewhere = {(row.tenant, row.run_id) for row in rows}

    def _keys(self) -> list[RunKey]:
        return sorted({op.key for op in self.operations if isinstance(op, RunOperation)})

    def track(self, columns: Columns) -> Tracked:
        """The run of a row that was read under its lock."""
        tracked = tracked_run(columns)
        self.runs[tracked.run.key] = tracked
        return tracked

    def recorded(self) -> dict[RunKey, Recorded]:
        """What the decisions of this batch are computed from; read once, and only for those."""
        decided = sorted(set(self._decided_keys()))
        if not decided:
            return {}
        parents = {key: self.runs[key].run.parent_run_id or "" for key in decided}
        return repository.find_recorded(self._connection, parents)

    def _decided_keys(self) -> Iterator[RunKey]:
        for op in self.operations:
            if isinstance(op, Append) and op.record.decides:
                tracked = self.runs.get(op.key)
                if tracked is not None and tracked.run.last_record_id < op.record.record_id:
                    yield op.key

    def find_repeated(self) -> None:
        """Acknowledgements of records that were committed before, as they were given first."""
        repeated = [
            (self.runs[op.key], op.record)
            for op in self.operations
            if isinstance(op, Append)
            and op.key in self.runs
            and op.record.record_id <= self.runs[op.key].run.last_record_id
        ]
        if not repeated:
            return
        keys = [(tracked.run.key, record.record_id) for tracked, record in repeated]
        acks = repository.find_acks(self._connection, keys)
        silent = [(tracked.run.key, record) for tracked, record in repeated if not record.entries]
        acks |= repository.find_silent_acks(self._connection, silent)
        for tracked, record in repeated:
            if (ack := acks.get((tracked.run.key, record.record_id))) is not None:
                refused = refusals_of(self._connection, tracked.run.key, record.attempts)
                tracked.acks[record.record_id] = replace(ack, refused=refused)

    def find_proposals(self) -> None:
        """Whether runs have theirs of which that is not known: a release before 0011 recorded it."""
        reviewed = {op.key for op in self.operations if isinstance(op, Append) and op.record.has_review}
        unknown = sorted(key for key in reviewed & self.runs.keys() if not self.runs[key].run.is_expanded)
        if unknown:
            for row in statements.PROPOSALS_THERE.rows(self._connection, unknown):
                self.runs[row.tenant, row.run_id].run.is_expanded = True
