"""Work for those who have room: runs that nobody works on are granted, or given up. Pure."""

from collections.abc import Sequence

from consensus.v1 import errors_pb2, run_pb2
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import entries, names
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.write.fold import Fold
from persistence_service.runs.write.interventions import fail_run
from persistence_service.runs.write.locked_run import LockedRun, Tracked
from persistence_service.runs.write.operations import ClaimWork
from persistence_service.runs.write.outcomes import ClaimedRun
from persistence_service.runs.write.unfinished import UnfinishedWork


def policy_versions(claims: Sequence[ClaimWork]) -> Columns:
    """Parameters of the statement that looks for work: what those who ask can decide, between them."""
    return {
        "any_version": any(not each.policy_versions for each in claims),
        "versions": sorted({"", *(version for each in claims for version in each.policy_versions)}),
    }


def overdue(fold: Fold, run: LockedRun) -> bool:
    """Whether a claim fails the run instead of granting it."""
    return run.state == names.RUNNING and (_is_past_deadline(fold, run) or _is_worn_out(fold, run))


def claim(fold: Fold, tracked: Tracked, operation: ClaimWork) -> ClaimedRun:
    """Grants a run that nobody works on."""
    run = tracked.run
    scope, now = RunScope(run.tenant, run.caller, run.request_id), run.moment(fold.now)
    if run.state == names.QUEUED:
        run.begin(now)
        fold.changes.journal(tracked, entries.STARTED_ENTRY, scope, now)
    elif run.lease_owner is not None:  # else it was resumed, and nobody had it since
        run.take_over_count += 1
        run.barren_take_over_count += 0 if run.lease_was_released else 1
        entry = entries.run_taken_over_entry(run.take_over_count, was_released=run.lease_was_released)
        fold.changes.journal(tracked, entry, scope, now)
    run.grant(operation.lease_owner, fold.rules.lease, now)
    tracked.is_changed = True
    fold.changes.abandon(run.key, now)
    return ClaimedRun(scope, run.run_id, fold.granted(run))


def give_up(fold: Fold, tracked: Tracked, work: UnfinishedWork) -> None:
    """Fails a run that is past its deadline or was taken over too often; it can be resumed by hand."""
    run = tracked.run
    now = run.moment(fold.now)
    if _is_past_deadline(fold, run):
        reason, message = errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED, "the run's deadline passed"
    else:
        reason = errors_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
        message = f"taken over {run.barren_take_over_count} times without progress"
    failure = run_pb2.RunFailure(
        reason=reason,
        message=message,
        failed_step=work.failed_step,
        resumable=True,
        finished_personas=work.finished_personas,
    )
    run.fencing_token += 1  # whoever worked on it is told that it is not theirs
    fail_run(fold.changes, tracked, failure, now)


def _is_past_deadline(fold: Fold, run: LockedRun) -> bool:
    return run.expire_time is not None and run.expire_time <= fold.now


def _is_worn_out(fold: Fold, run: LockedRun) -> bool:
    crashed = run.lease_owner is not None and not run.lease_was_released
    return crashed and run.barren_take_over_count >= fold.rules.max_take_overs
