"""What a new run begins with: its rows, and for a revision what it takes over from its parent. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_event_pb2
from consensus_contract.sizes import REVIEWS_BYTES
from consensus_contract.steps import review_step
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.runs.form.entries import NewRunEntry, item_entry
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.materials import needs_no_proposal
from persistence_service.runs.form.panel import panel_of
from persistence_service.runs.form.payloads import verdict_message
from persistence_service.runs.write.locked_run import LockedRun
from persistence_service.runs.write.operations import Create
from persistence_service.runs.write.recomputing import check_claims

CARRIED = "carried_reviews"


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


def carried_entries(request: persistence_service_pb2.CreateRunRequest) -> tuple[NewRunEntry, ...]:
    """The reviews that a revision takes over: each is recorded, and completes its step without an attempt.

    Raises:
        InvalidField: too large together, of a run that is no revision, without the run that it comes from,
            twice for a persona, of a persona that is asked again, or of none of the run's.
    """
    revision = request.specification.revision
    if request.carried_reviews and not revision.parent_run_id:
        raise InvalidField(field=CARRIED, description="is empty unless the run is a revision")
    taken = set(revision.asked_personas)
    for review in request.carried_reviews:
        if not review.reused_from_run_id:
            raise InvalidField(field=CARRIED, description="names the run that each review comes from")
        if review.persona_id in taken:
            raise InvalidField(
                field=CARRIED, description=f"{review.persona_id} is asked, or stands in it twice"
            )
        taken.add(review.persona_id)
    carried = tuple(item_entry(item) for item in _carried_items(request))
    check_claims(request.run_id, panel_of(request.specification), carried)
    if sum(new.payload_bytes for new in carried) > REVIEWS_BYTES:
        raise InvalidField(field=CARRIED, description=f"is at most {REVIEWS_BYTES} bytes")
    return carried


def check_carried(operation: Create, parent_rows: Iterable[Columns]) -> None:
    """A review is carried over as the parent's record has it: nobody's word is taken for a vote.

    `parent_rows` are its reviews, by the columns of a verdict.

    Raises:
        InvalidField: the parent has no such review, or another one.
    """
    recorded = {row["persona_id"]: row for row in parent_rows}
    for new in operation.carried:
        if new.payload is None:
            continue
        persona = new.payload["persona_id"]
        if persona not in recorded or not _is_same(new.payload, recorded[persona], operation):
            raise InvalidField(
                field=CARRIED, description=f"are as the parent run has them; that of {persona} is not"
            )


def _is_same(carried: Columns, recorded: Columns, operation: Create) -> bool:
    """Whether they are one review; a run's own first one names neither itself nor what was read."""
    origin = recorded["reused_from_run_id"] or operation.specification.parent_run_id
    claimed, stored = verdict_message(carried), verdict_message(recorded)
    if not stored.section_digests:
        claimed.ClearField("section_digests")
    stored.reused_from_run_id = origin or ""
    return claimed == stored


def _carried_items(
    request: persistence_service_pb2.CreateRunRequest,
) -> Iterator[persistence_service_pb2.RecordItem]:
    for review in request.carried_reviews:
        yield persistence_service_pb2.RecordItem(
            persona_review_ready=run_event_pb2.PersonaReviewReady(persona_review=review)
        )
        yield persistence_service_pb2.RecordItem(
            step_completed=run_event_pb2.StepCompleted(step=review_step(review.persona_id))
        )
