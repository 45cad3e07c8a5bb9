"""What a worker's operations do to a run that is locked. Pure: no clock, no database.

Every rule on states, tokens and records stands here and in the modules beside it: `claiming` grants work,
`interventions` is what callers do, `record_effects` what a record leaves. A refusal is raised as an error of
the contract before anything is changed; the batch turns it into the operation's answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from consensus.v1 import run_pb2
from consensus_contract.errors import DuplicateId, LeaseLost, RunCancelled
from consensus_rpc.errors import InvalidField
from persistence_service.runs.form import entries, event_types, names
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.write.creation import (
    material_columns,
    new_run,
    revision_columns,
    settings_columns,
    specification_columns,
)
from persistence_service.runs.write.interventions import fail_run
from persistence_service.runs.write.locked_run import Changes, LockedRun, Tracked
from persistence_service.runs.write.operations import Append, Attach, Create, EndRefused, Release, Renew
from persistence_service.runs.write.outcomes import Ack, Created, Done, Follow, Granted, Released, Repeated
from persistence_service.runs.write.recomputing import NOTHING, Recorded, Row, check_claims
from persistence_service.runs.write.record_effects import check_record, write_record


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a lease lasts, and how often a run may be taken over without progress."""

    lease: timedelta
    max_take_overs: int


@dataclass(frozen=True, slots=True)
class Fold:
    """Applies operations to runs at one instant of the database's clock."""

    rules: Rules
    now: datetime
    changes: Changes
    recorded: Mapping[RunKey, Recorded] = field(default_factory=dict)
    """What earlier commits left of the runs that this batch decides."""

    def create(self, operation: Create) -> tuple[Tracked, Created]:
        """A run that does not exist yet."""
        scope, record, escalation = operation.scope, operation.first_record, None
        run = new_run(operation, self.now)
        tracked = Tracked.of(run, None)
        if record is not None and operation.lease_owner is not None:
            run.begin(self.now)
            run.grant(operation.lease_owner, self.rules.lease, self.now)
            check_record(run, record)
            escalation = check_claims(run.run_id, operation.specification.panel, record.entries)
        if self.changes.spend is not None:
            attempts = () if record is None else record.attempts
            self.changes.spend.check_new(run.key, scope.caller, attempts, self.now)
        if self.changes.limits is not None:
            self.changes.limits.admit(scope.tenant, scope.caller, is_queued=record is None)
        self.changes.specify(specification_columns(operation), settings_columns(operation))
        if (revision := revision_columns(operation)) is not None:
            self.changes.revisions.append(revision)
        if (material := material_columns(operation)) is not None:
            self.changes.materials.append(material)
        created = entries.run_created_entry(operation.specification, run.state)
        self.changes.journal(tracked, created, scope, self.now)
        for carried in operation.carried:
            self.changes.journal_with_payload(tracked, carried, scope, self.now)
        if record is None:
            return tracked, Created(None, None)
        self.changes.journal(tracked, entries.STARTED_ENTRY, scope, self.now)
        ack = write_record(self.changes, tracked, record, scope, run.moment(self.now), escalation)
        return tracked, Created(self.granted(run), ack)

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
        record_id, granted = operation.first_record.record_id, self.granted(run)
        if (ack := tracked.acks.get(record_id)) is not None:
            return Created(granted, ack)
        return Repeated(run.key, record_id, granted)

    def attach(self, tracked: Tracked, operation: Attach) -> Granted:
        """The worker's run, with its lease for longer; a lease that it gave back is granted anew."""
        run = tracked.run
        _fence(run, operation.fencing_token, released_is_lost=False)
        run.require(names.RUNNING, "attach")
        if run.lease_owner != operation.lease_owner:  # tokens count 1, 2, 3: anybody can name one
            raise LeaseLost(run_id=run.run_id)
        if run.lease_was_released:
            run.grant(operation.lease_owner, self.rules.lease, self.now)
            self.changes.abandon(run.key, self.now)
        else:
            run.renew(operation.lease_owner, self.rules.lease, self.now)
        tracked.is_changed = True
        return self.granted(run)

    def append(self, tracked: Tracked, operation: Append) -> Ack:
        """Writes a record down, whole, or answers as it was answered before.

        Raises:
            InvalidField: its id is not above the newest, and none with it was committed.
        """
        run, record = tracked.run, operation.record
        _fence(run, operation.fencing_token)
        if record.record_id <= run.last_record_id:
            if (ack := tracked.acks.get(record.record_id)) is not None:
                return ack
            above = f"is above {run.last_record_id}, the newest: none of this id was committed"
            raise InvalidField(field="record.record_id", description=above)
        run.require(names.RUNNING, "record")
        check_record(run, record)
        recorded, now = self._recorded(run), run.moment(self.now)
        escalation = check_claims(run.run_id, operation.panel, record.entries, recorded)
        return write_record(self.changes, tracked, record, operation.scope, now, escalation)

    def _recorded(self, run: LockedRun) -> Recorded:
        """What stands of a run as far as it was read, with what the batch adds."""
        recorded = self.recorded.get(run.key, NOTHING)
        if run.suspicions:
            recorded = replace(recorded, suspicions=run.suspicions)
        reviews = self._added(run.key, event_types.REVIEW)
        proposals = self._added(run.key, event_types.PROPOSAL)
        if not reviews and not proposals:
            return recorded
        proposal = proposals[0] if proposals else recorded.proposal
        return replace(recorded, reviews=[*recorded.reviews, *reviews], proposal=proposal)

    def _added(self, key: RunKey, event_type: str) -> list[Row]:
        rows = self.changes.payloads.get(event_type, ())
        return [row for row in rows if (row["tenant"], row["run_id"]) == key]

    def renew(self, tracked: Tracked, operation: Renew) -> Granted:
        """The lease, for longer."""
        run = tracked.run
        _fence(run, operation.fencing_token)
        run.require(names.RUNNING, "renew_lease")
        run.renew(run.lease_owner, self.rules.lease, self.now)
        tracked.is_changed = True
        return self.granted(run)

    def release(self, tracked: Tracked, operation: Release) -> Released:
        """The lease is given back; the run waits for the next process."""
        run = tracked.run
        _fence(run, operation.fencing_token, released_is_lost=False)
        if run.state == names.RUNNING:
            run.lease_expire_time = None
            run.lease_was_released = True
            tracked.is_changed = True
        return Released()

    def end_refused(self, tracked: Tracked, operation: EndRefused, finished: Sequence[str]) -> Done:
        """The run fails for what its worker's record was refused for; it can be resumed by hand.

        The token stays: the worker is told of the refusal, and can write no more since the run has ended.
        """
        run = tracked.run
        _fence(run, operation.fencing_token)
        run.require(names.RUNNING, "record")
        failure = run_pb2.RunFailure(
            reason=operation.reason,
            message=operation.message,
            failed_step=operation.step,
            resumable=True,
            finished_personas=finished,
        )
        fail_run(self.changes, tracked, failure, run.moment(self.now), abandons=operation.abandons)
        return Done()

    def granted(self, run: LockedRun) -> Granted:
        """The run's lease, as its worker is told of it."""
        deadline = (run.expire_time - self.now).total_seconds() if run.expire_time else 0.0
        return Granted(
            run.fencing_token,
            self.rules.lease.total_seconds(),
            max(0.0, deadline),
            run.last_record_id,
            run.budget_start_time,
        )


def _fence(run: LockedRun, token: int, *, released_is_lost: bool = True) -> None:
    if token == run.fencing_token and not (released_is_lost and run.lease_was_released):
        return
    if run.state == names.CANCELLED:
        raise RunCancelled(run_id=run.run_id)
    raise LeaseLost(run_id=run.run_id)
