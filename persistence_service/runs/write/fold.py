"""What each operation does to a run that is locked. Pure: no clock, no database.

Every rule on states, tokens and records stands here. A refusal is raised as an error of the contract
before anything is changed; the batch turns it into the operation's answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from consensus.v1.errors_pb2 import ERROR_REASON_ATTEMPTS_EXHAUSTED, ERROR_REASON_RUN_DEADLINE_EXCEEDED
from consensus.v1.run_pb2 import RunFailure
from consensus_contract.errors import DuplicateId, IllegalState, LeaseLost, RunCancelled
from persistence_service.runs.form import entries as events
from persistence_service.runs.form import names
from persistence_service.runs.write.creation import (
    new_run,
    revision_columns,
    settings_columns,
    specification_columns,
)
from persistence_service.runs.write.locked_run import Changes, LockedRun, Tracked
from persistence_service.runs.write.operations import (
    Ack,
    Annotate,
    Append,
    Attach,
    Cancel,
    ClaimedRun,
    ClaimWork,
    Create,
    Created,
    Done,
    Follow,
    Granted,
    PreparedRecord,
    Release,
    Released,
    Renew,
    Repeated,
    Resume,
    Scope,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a lease lasts, and how often a run may be taken over without progress."""

    lease: timedelta
    max_take_overs: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run had come that is failed by a claim: for its failure's details."""

    failed_step: str
    finished_personas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Applies operations to runs at one instant of the database's clock."""

    rules: Rules
    now: datetime
    changes: Changes

    def create(self, operation: Create) -> tuple[Tracked, Created]:
        """A run that does not exist yet."""
        scope = operation.scope
        run = new_run(operation, self.now)
        tracked = Tracked.of(run, None)
        if operation.first_record is not None and operation.lease_owner is not None:
            run.begin(self.now)
            run.grant(operation.lease_owner, self.rules.lease, self.now)
            self._check(run, operation.first_record)
        self.changes.specify(specification_columns(operation), settings_columns(operation))
        if (revision := revision_columns(operation)) is not None:
            self.changes.revisions.append(revision)
        created = events.run_created_draft(operation.specification, run.state)
        self.changes.journal(tracked, created, scope, self.now)
        for event in operation.carried:
            self.changes.journal(tracked, event.draft, scope, self.now)
            if event.payload is not None:
                self.changes.add_payload(tracked, event.draft.event_type, event.payload)
        if operation.first_record is None:
            return tracked, Created(None, None)
        self.changes.journal(tracked, events.RUN_STARTED, scope, self.now)
        ack = self._write(tracked, operation.first_record, scope)
        return tracked, Created(self._granted(run), ack)

    def create_again(self, tracked: Tracked, operation: Create) -> Created | Follow | Repeated:
        """A creation whose run exists: the same one sent twice, or another run's id.

        Raises:
            DuplicateId: the id belongs to another request's run.
        """
        run, scope = tracked.run, operation.scope
        if (run.caller, run.request_id) != (scope.caller, scope.request_id):
            raise DuplicateId(resource=f"runs/{run.run_id}")
        if operation.first_record is None:
            return Created(None, None)
        first_lease = run.fencing_token == 1 and run.lease_owner == operation.lease_owner
        if not first_lease or run.state != names.RUNNING:
            return Follow(run.run_id, run.state)
        run.renew(operation.lease_owner, self.rules.lease, self.now)
        tracked.is_changed = True
        record_id, granted = operation.first_record.record_id, self._granted(run)
        if (ack := tracked.acks.get(record_id)) is not None:
            return Created(granted, ack)
        return Repeated(run.key, record_id, granted)

    def attach(self, tracked: Tracked, operation: Attach) -> Granted:
        """The worker's run, with its lease for longer; a lease that it gave back is granted anew."""
        run = tracked.run
        self._fence(run, operation.fencing_token, released_is_lost=False)
        self._require(run, names.RUNNING, "attach")
        if run.lease_was_released:
            run.grant(operation.lease_owner, self.rules.lease, self.now)
            self.changes.abandon(run.key, self.now)
        else:
            run.renew(operation.lease_owner, self.rules.lease, self.now)
        tracked.is_changed = True
        return self._granted(run)

    def append(self, tracked: Tracked, operation: Append) -> Ack | Repeated:
        """Writes a record down, whole, or answers as it was answered before."""
        run, record = tracked.run, operation.record
        self._fence(run, operation.fencing_token)
        if record.record_id <= run.last_record_id:
            return tracked.acks.get(record.record_id) or Repeated(run.key, record.record_id)
        self._require(run, names.RUNNING, "record")
        self._check(run, record)
        return self._write(tracked, record, operation.scope)

    def renew(self, tracked: Tracked, operation: Renew) -> Granted:
        """The lease, for longer."""
        run = tracked.run
        self._fence(run, operation.fencing_token)
        self._require(run, names.RUNNING, "renew_lease")
        run.renew(run.lease_owner, self.rules.lease, self.now)
        tracked.is_changed = True
        return self._granted(run)

    def release(self, tracked: Tracked, operation: Release) -> Released:
        """The lease is given back; the run waits for the next process."""
        run = tracked.run
        self._fence(run, operation.fencing_token, released_is_lost=False)
        if run.state == names.RUNNING:
            run.lease_expire_time = None
            run.lease_was_released = True
            tracked.is_changed = True
        return Released()

    def cancel(self, tracked: Tracked, operation: Cancel) -> Done:
        """Ends the run and fences its worker; a cancelled run stays as it is."""
        run = tracked.run
        if run.state == names.CANCELLED:
            return Done()
        if run.state not in names.OPEN:
            raise IllegalState(run_id=run.run_id, state=run.state, operation="cancel")
        now = self.moment(run)
        run.end(names.CANCELLED, now)
        run.fencing_token += 1
        self.changes.abandon(run.key, now)
        self.changes.journal(tracked, events.RUN_CANCELLED_DRAFT, operation.scope, now)
        return Done()

    def resume(self, tracked: Tracked, operation: Resume) -> Done:
        """A failed run waits for a process again, with a new deadline and a new budget."""
        run = tracked.run
        self._require(run, names.FAILED, "resume")
        now = self.moment(run)
        start = run.start_time or now
        run.begin(now)
        run.start_time = start
        run.retry_count += 1
        run.failure = run.finish_time = None
        run.budget_start_time = now
        run.barren_take_over_count = 0
        run.lease_owner, run.lease_was_released = None, False
        run.fencing_token += 1
        self.changes.journal(tracked, events.run_resumed_draft(run.retry_count), operation.scope, now)
        return Done()

    def annotate(self, tracked: Tracked, operation: Annotate) -> Done:
        """Sets or removes the note of the decision."""
        run = tracked.run
        self._require(run, names.COMPLETED, "annotate_decision")
        run.decision_notes = operation.notes or None
        draft = events.decision_annotated_draft(operation.notes)
        self.changes.journal(tracked, draft, operation.scope, self.moment(run))
        return Done()

    # Work for those who have room.

    def overdue(self, run: LockedRun) -> bool:
        """Whether a claim fails the run instead of granting it."""
        return run.state == names.RUNNING and (self._is_past_deadline(run) or self._is_worn_out(run))

    def claim(self, tracked: Tracked, operation: ClaimWork) -> ClaimedRun:
        """Grants a run that nobody works on."""
        run = tracked.run
        scope, now = Scope(run.tenant, run.caller, run.request_id), self.moment(run)
        if run.state == names.QUEUED:
            run.begin(now)
            self.changes.journal(tracked, events.RUN_STARTED, scope, now)
        elif run.lease_owner is not None:  # else it was resumed, and nobody had it since
            run.take_over_count += 1
            run.barren_take_over_count += 0 if run.lease_was_released else 1
            draft = events.run_taken_over_draft(run.take_over_count, was_released=run.lease_was_released)
            self.changes.journal(tracked, draft, scope, now)
        run.grant(operation.lease_owner, self.rules.lease, now)
        tracked.is_changed = True
        self.changes.abandon(run.key, now)
        return ClaimedRun(scope, run.run_id, self._granted(run))

    def give_up(self, tracked: Tracked, progress: Progress) -> None:
        """Fails a run that is past its deadline or was taken over too often; it can be resumed by hand."""
        run = tracked.run
        now = self.moment(run)
        if self._is_past_deadline(run):
            reason, message = ERROR_REASON_RUN_DEADLINE_EXCEEDED, "the run's deadline passed"
        else:
            reason = ERROR_REASON_ATTEMPTS_EXHAUSTED
            message = f"taken over {run.barren_take_over_count} times without progress"
        failure = RunFailure(
            reason=reason,
            message=message,
            failed_step=progress.failed_step,
            resumable=True,
            finished_personas=progress.finished_personas,
        )
        draft = events.run_failed_draft(failure)
        run.end(names.FAILED, now)
        run.failure = draft.data["failure"]
        run.fencing_token += 1
        self.changes.abandon(run.key, now)
        self.changes.journal(tracked, draft, Scope(run.tenant, run.caller, run.request_id), now)

    def _is_past_deadline(self, run: LockedRun) -> bool:
        return run.expire_time is not None and run.expire_time <= self.now

    def _is_worn_out(self, run: LockedRun) -> bool:
        crashed = run.lease_owner is not None and not run.lease_was_released
        return crashed and run.barren_take_over_count >= self.rules.max_take_overs

    # What the rules have in common.

    def moment(self, run: LockedRun) -> datetime:
        """Now, or the run's newest change where another server's clock was ahead."""
        return max(self.now, run.update_time)

    def _granted(self, run: LockedRun) -> Granted:
        deadline = (run.expire_time - self.now).total_seconds() if run.expire_time else 0.0
        return Granted(
            run.fencing_token,
            self.rules.lease.total_seconds(),
            max(0.0, deadline),
            run.last_record_id,
            run.budget_start_time,
        )

    @staticmethod
    def _fence(run: LockedRun, token: int, *, released_is_lost: bool = True) -> None:
        if token == run.fencing_token and not (released_is_lost and run.lease_was_released):
            return
        if run.state == names.CANCELLED:
            raise RunCancelled(run_id=run.run_id)
        raise LeaseLost(run_id=run.run_id)

    @staticmethod
    def _require(run: LockedRun, state: str, operation: str) -> None:
        if run.state != state:
            raise IllegalState(run_id=run.run_id, state=run.state, operation=operation)

    @staticmethod
    def _check(run: LockedRun, record: PreparedRecord) -> None:
        """Refuses a second decision, a completion without one, and anything after the end."""
        state, is_decided = run.state, run.decision_label is not None
        for event in record.events:
            kind = event.draft.event_type
            second = kind == events.DECISION and is_decided
            undecided = kind == events.RUN_COMPLETED and not is_decided
            if state != names.RUNNING or second or undecided:
                raise IllegalState(run_id=run.run_id, state=state, operation=kind)
            is_decided = is_decided or kind == events.DECISION
            state = _ENDS.get(kind, state)

    def _write(self, tracked: Tracked, record: PreparedRecord, scope: Scope) -> Ack:
        run = tracked.run
        now = self.moment(run)
        for columns in record.attempts:
            self.changes.add_attempt(run.key, columns, now)
        first = run.last_sequence + 1
        for event in record.events:
            kind = event.draft.event_type
            self.changes.journal(tracked, event.draft, scope, now, record.record_id)
            if event.payload is not None:
                self.changes.add_payload(tracked, kind, event.payload)
            if kind == events.DECISION and event.payload is not None:
                run.decision_label = event.payload["label"]
                run.confidence = event.payload["confidence"]
                run.decision_policy_version = event.payload["policy_version"]
            if kind == events.RUN_FAILED:
                run.failure = event.draft.data["failure"]
            if kind in _ENDS:
                run.end(_ENDS[kind], now)
        run.last_record_id = record.record_id
        run.barren_take_over_count = 0
        run.update_time = now
        tracked.is_changed = True
        ack = Ack(record.record_id, first, run.last_sequence, now) if record.events else Ack(record.record_id)
        tracked.acks[record.record_id] = ack
        return ack


_ENDS = {events.RUN_COMPLETED: names.COMPLETED, events.RUN_FAILED: names.FAILED}
