"""What a new run begins with: its rows. Pure."""

from datetime import datetime

from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.materials import needs_no_proposal
from persistence_service.runs.write.locked_run import LockedRun
from persistence_service.runs.write.operations import Create


def new_run(operation: Create, now: datetime) -> LockedRun:
    """The run's own row; QUEUED."""
    specification, scope = operation.specification, operation.scope
    about = None if specification.material is None else specification.material["about"]
    return LockedRun(
        tenant=scope.tenant,
        run_id=operation.run_id,
        run_type=names.INITIAL if specification.parent_run_id is None else names.REVISION,
        state=names.QUEUED,
        caller=scope.caller,
        user_id=specification.user,
        request_id=scope.request_id,
        parent_run_id=specification.parent_run_id,
        run_timeout_microseconds=specification.run_timeout_microseconds,
        create_time=now,
        update_time=now,
        is_expanded=True if needs_no_proposal(about) else None,
    )


def specification_columns(operation: Create) -> Columns:
    """The row of what the run is to do."""
    specification = operation.specification
    return {
        "tenant": operation.scope.tenant,
        "run_id": operation.run_id,
        "idea": specification.idea,
        "context": specification.context,
        "draft_id": specification.draft_id,
        "settings_digest": specification.settings_digest,
    }


def settings_columns(operation: Create) -> Columns:
    """The row of its settings, which other runs may have written before."""
    specification = operation.specification
    return {
        "tenant": operation.scope.tenant,
        "digest": specification.settings_digest,
        "settings": specification.settings,
    }


def revision_columns(operation: Create) -> Columns | None:
    """The row of what is revised; None unless the run is a revision."""
    if operation.specification.revision is None:
        return None
    keys = {"tenant": operation.scope.tenant, "run_id": operation.run_id}
    return keys | operation.specification.revision


def material_columns(operation: Create) -> Columns | None:
    """The row of what is worked on beside an idea; None where there is nothing."""
    if operation.specification.material is None:
        return None
    keys = {"tenant": operation.scope.tenant, "run_id": operation.run_id}
    return keys | operation.specification.material


def parent_key(operation: Create) -> RunKey | None:
    """The run that is revised; None unless the run is a revision."""
    parent_run_id = operation.specification.parent_run_id
    return None if parent_run_id is None else (operation.scope.tenant, parent_run_id)


def has_parent_text(operation: Create) -> bool:
    """Whether a revision knows what it revises; one of a document is itself the whole text."""
    revision, material = operation.specification.revision, operation.specification.material
    if material is not None and material["document"] is not None:
        return True
    return revision is not None and bool(revision["parent_proposal"]["problem_statement"])
