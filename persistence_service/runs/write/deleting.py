"""What deleting and restoring does to a run that is locked. Pure."""

from datetime import datetime

from consensus_contract.errors import IllegalState
from persistence_service.runs.form import entries as events
from persistence_service.runs.form import names
from persistence_service.runs.write.locked_run import Changes, Tracked
from persistence_service.runs.write.operations import Scope


def delete(changes: Changes, tracked: Tracked, scope: Scope, deletion_id: str, now: datetime) -> None:
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
    changes.journal(tracked, events.run_deleted_draft(deletion_id), scope, now)


def undelete(changes: Changes, tracked: Tracked, scope: Scope, now: datetime) -> None:
    """Takes the mark off; a run that is not deleted stays as it is."""
    run = tracked.run
    if run.deletion_id is None:
        return
    draft = events.run_undeleted_draft(run.deletion_id)
    run.delete_time = run.deletion_id = None
    changes.journal(tracked, draft, scope, now)
