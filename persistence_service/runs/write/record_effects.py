"""What a record leaves in a run that is locked: attempts, entries, payloads, perhaps its end. Pure."""

from datetime import datetime

from consensus_contract.errors import IllegalState
from consensus_contract.sizes import REVIEWS_BYTES
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.entries import over_budget
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.form.suspicions import KEY
from persistence_service.runs.write.locked_run import Changes, LockedRun, Tracked
from persistence_service.runs.write.operations import PreparedRecord
from persistence_service.runs.write.outcomes import Ack

_ENDS = {event_types.RUN_COMPLETED: names.COMPLETED, event_types.RUN_FAILED: names.FAILED}


def check_record(run: LockedRun, record: PreparedRecord) -> None:
    """Nothing, unless it must not be written.

    Raises:
        InvalidField: its reviews, with those before, are larger than a run's may be.
        IllegalState: a review before the proposal, a second decision, a completion without one, or anything
            after the end.
    """
    state, is_decided, is_expanded = run.state, run.decision_label is not None, run.is_expanded
    review_bytes = run.review_bytes or 0
    for new in record.entries:
        kind = new.entry.event_type
        unread = kind == event_types.REVIEW and not is_expanded
        second = kind == event_types.DECISION and is_decided
        undecided = kind == event_types.RUN_COMPLETED and not is_decided
        if state != names.RUNNING or unread or second or undecided:
            raise IllegalState(run_id=run.run_id, state=state, operation=kind)
        is_decided = is_decided or kind == event_types.DECISION
        is_expanded = is_expanded or kind == event_types.PROPOSAL
        review_bytes += new.payload_bytes if kind == event_types.REVIEW else 0
        state = _ENDS.get(kind, state)
    if review_bytes > REVIEWS_BYTES:
        raise over_budget(event_types.REVIEW)


def write_record(
    changes: Changes,
    tracked: Tracked,
    record: PreparedRecord,
    scope: RunScope,
    now: datetime,
    escalation: str | None,
) -> Ack:
    """Writes a record that was checked; `now` is not before the run's newest change.

    `escalation` says why a person should look at the record's decision; None where nobody needs to.
    """
    run = tracked.run
    taken = [changes.take_attempt(run.key, run.caller, columns, now) for columns in record.attempts]
    refused = tuple(each for each in taken if each is not None)
    first = run.last_sequence + 1
    for new in record.entries:
        kind = new.entry.event_type
        changes.journal_with_payload(tracked, new, scope, now, record.record_id)
        if kind == event_types.DECISION and new.payload is not None:
            run.decision_label = new.payload["label"]
            run.confidence = new.payload["confidence"]
            run.decision_policy_version = new.payload["policy_version"]
            if escalation is not None:
                changes.escalate(run, escalation, now)
        if kind == event_types.PROPOSAL:
            run.is_expanded = True
            run.suspicions = new.entry.data.get(KEY)
        if kind == event_types.RUN_FAILED:
            run.failure = new.entry.data["failure"]
            changes.escalate(run, names.FAILED_ESCALATES, now)
        if kind in _ENDS:
            run.end(_ENDS[kind], now)
    run.last_record_id = record.record_id
    run.barren_take_over_count = 0
    run.update_time = now
    tracked.is_changed = True
    ack = Ack(record.record_id, refused=refused)
    if record.entries:
        ack = Ack(record.record_id, first, run.last_sequence, now, refused)
    tracked.acks[record.record_id] = ack
    return ack
