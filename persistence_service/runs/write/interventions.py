"""What callers do to a run that is locked: cancel, resume, annotate, delete and restore it. Pure.

`now` is never before the run's newest change: see `LockedRun.moment`.
"""

from datetime import datetime

from consensus.v1 import run_pb2
from consensus_contract.errors import IllegalState
from persistence_service.runs.form import entries, names
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.write.locked_run import Changes, Tracked


def cancel(changes: Changes, tracked: Tracked, scope: RunScope, now: datetime) -> None:
    """Ends the run and fences its worker; a cancelled run stays as it is.

    Raises:
        IllegalState: it has ended otherwise.
    """
    run = tracked.run
    if run.state == names.CANCELLED:
        return
    if run.state not in names.OPEN:
        raise IllegalState(run_id=run.run_id, state=run.state, operation="cancel")
    run.end(names.CANCELLED, now)
    run.fencing_token += 1
    changes.abandon(run.key, now)
    changes.journal(tracked, entries.CANCELLED_ENTRY, scope, now)


def fail_run(
    changes: Changes, tracked: Tracked, failure: run_pb2.RunFailure, now: datetime, *, abandons: bool = True
) -> None:
    """Ends a run without a decision; `abandons`: attempts in flight become UNKNOWN."""
    run = tracked.run
    entry = entries.run_failed_entry(failure)
    run.end(names.FAILED, now)
    run.failure = entry.data["failure"]
    if abandons:
        changes.abandon(run.key, now)
    changes.journal(tracked, entry, RunScope(run.tenant, run.caller, run.request_id), now)
    changes.escalate(run, names.FAILED_ESCALATES, now)


def resume(changes: Changes, tracked: Tracked, scope: RunScope, now: datetime) -> None:
    """A failed run waits for a process again, with a new deadline and a new budget.

    Raises:
        IllegalState: it has not failed.
    """
    run = tracked.run
    run.require(names.FAILED, "resume")
    start = run.start_time or now
    run.begin(now)
    run.start_time = start
    run.retry_count += 1
    run.failure = run.finish_time = None
    run.budget_start_time = now
    run.barren_take_over_count = 0
    run.lease_owner, run.lease_was_released = None, False
    run.fencing_token += 1
    changes.journal(tracked, entries.run_resumed_entry(run.retry_count), scope, now)


def annotate(changes: Changes, tracked: Tracked, scope: RunScope, notes: str, now: datetime) -> None:
    """Sets or removes the note of the decision.

    Raises:
        IllegalState: there is no decision.
    """
    run = tracked.run
    run.require(names.COMPLETED, "annotate_decision")
    run.decision_notes = notes or None
    changes.journal(tracked, entries.decision_annotated_entry(notes), scope, now)


def delete(changes: Changes, tracked: Tracked, scope: RunScope, deletion_id: str, now: datetime) -> None:
    """Marks the run; all that belongs to it goes with it. A deleted run stays as it is.

    Raises:
        IllegalState: it has not ended.
    """
    run = tracked.run
    if run.delete_time is not None:
        return
    if run.state in names.OPEN:
        raise IllegalState(run_id=run.run_id, state=run.state, operation="delete")
    run.delete_time, run.deletion_id = now, deletion_id
    changes.journal(tracked, entries.run_deleted_entry(deletion_id), scope, now)


def undelete(changes: Changes, tracked: Tracked, scope: RunScope, now: datetime) -> None:
    """Takes the mark off; a run that is not deleted stays as it is."""
    run = tracked.run
    if run.deletion_id is None:
        return
    entry = entries.run_undeleted_entry(run.deletion_id)
    run.delete_time = run.deletion_id = None
    changes.journal(tracked, entry, scope, now)
