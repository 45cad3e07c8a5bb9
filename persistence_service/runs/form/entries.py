"""Events of a run on their way in: what an item or a change leaves in the journal, and its payload. Pure.

The three large payloads stand in tables of their own and are joined by sequence; every other event is
made of its entry's `data` alone. `stored_events` makes them into messages again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from consensus.v1 import event_pb2
from consensus.v1.persistence_service_pb2 import RecordItem
from consensus.v1.run_pb2 import RunFailure
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Draft, Severity
from persistence_service.runs.form import decisions, names, payloads
from persistence_service.runs.form.payloads import Columns, Payload
from persistence_service.runs.form.specification import SpecificationRow
from persistence_service.schema.scalars import from_duration

PROPOSAL, REVIEW, DECISION = "proposal.recorded", "persona_review.recorded", "decision.recorded"
RUN_COMPLETED, RUN_FAILED, RUN_CANCELLED = "run.completed", "run.failed", "run.cancelled"
RUN_RESUMED, RUN_DELETED, RUN_UNDELETED = "run.resumed", "run.deleted", "run.undeleted"
_REVIEW_STEP = "review_"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An entry to be, and the payload that goes with it."""

    draft: Draft
    payload: Columns | None = None


def item_draft(item: RecordItem) -> EventDraft:
    """What an item of a record leaves in the journal.

    Raises:
        InvalidField: for what the tables cannot hold, and for an item that is empty.
    """
    kind = item.WhichOneof("item")
    if kind is None:
        raise InvalidField(field="record.items.item", description="is one of the kinds of this release")
    return _DRAFTS[kind](getattr(item, kind))


def _step_started(item: event_pb2.StepStarted) -> EventDraft:
    return EventDraft(Draft("step.started", {"step": item.step}, persona_id=persona_of(item.step)))


def _step_completed(item: event_pb2.StepCompleted) -> EventDraft:
    data = {"step": item.step, "attempt_count": item.attempt_count}
    return EventDraft(Draft("step.completed", data, persona_id=persona_of(item.step)))


def _step_skipped(item: event_pb2.StepSkipped) -> EventDraft:
    return EventDraft(Draft("step.skipped", {"step": item.step}, persona_id=persona_of(item.step)))


def _step_failed(item: event_pb2.StepFailed) -> EventDraft:
    data: Columns = {"step": item.step, "attempt_count": item.attempt_count}
    if item.HasField("failure"):
        data["failure"] = decisions.step_failure_columns(item.failure)
    return EventDraft(Draft("step.failed", data, Severity.ERROR, persona_of(item.step)))


def _attempt_failed(item: event_pb2.AttemptFailed) -> EventDraft:
    data: Columns = {
        "step": item.step,
        "attempt_number": item.attempt_number,
        "reason": names.reason_text(item.reason),
    }
    if item.HasField("retry_delay"):
        data["retry_delay_ns"] = from_duration(item.retry_delay, "attempt_failed.retry_delay")
    return EventDraft(Draft("attempt.failed", data, Severity.WARNING, item.persona_id or None))


def _payload_draft(event_type: str, payload: Payload, data: Columns, persona: str | None) -> EventDraft:
    draft = Draft(
        event_type, {**data, "size": payload.size}, persona_id=persona, payload_digest=payload.digest
    )
    return EventDraft(draft, payload.columns)


def _require(item: Message, name: str) -> None:
    if not item.HasField(name):
        raise InvalidField(field=f"record.items.{name}", description="is there")


def _proposal_ready(item: event_pb2.ProposalReady) -> EventDraft:
    _require(item, "proposal")
    diff = item.proposal_diff if item.HasField("proposal_diff") else None
    return _payload_draft(PROPOSAL, payloads.proposal_payload(item.proposal, diff), {}, None)


def _persona_review_ready(item: event_pb2.PersonaReviewReady) -> EventDraft:
    _require(item, "persona_review")
    review = item.persona_review
    return _payload_draft(REVIEW, payloads.review_payload(review), {}, review.persona_id)


def _decision_ready(item: event_pb2.DecisionReady) -> EventDraft:
    _require(item, "decision")
    payload = decisions.decision_payload(item.decision)
    data = {"label": payload.columns["label"], "confidence": payload.columns["confidence"]}
    return _payload_draft(DECISION, payload, data, None)


def _run_completed(_item: event_pb2.RunCompleted) -> EventDraft:
    return EventDraft(Draft(RUN_COMPLETED))


def _run_failed(item: event_pb2.RunFailed) -> EventDraft:
    _require(item, "failure")
    return EventDraft(run_failed_draft(item.failure))


_DRAFTS: dict[str, Callable[[Any], EventDraft]] = {
    "step_started": _step_started,
    "step_completed": _step_completed,
    "step_skipped": _step_skipped,
    "step_failed": _step_failed,
    "attempt_failed": _attempt_failed,
    "proposal_ready": _proposal_ready,
    "persona_review_ready": _persona_review_ready,
    "decision_ready": _decision_ready,
    "run_completed": _run_completed,
    "run_failed": _run_failed,
}


def run_created_draft(specification: SpecificationRow, state: str) -> Draft:
    """A run was accepted: what it works on, by digest and size."""
    is_revision = specification.parent_run_id is not None
    run_type = names.REVISION if is_revision else names.INITIAL
    data: Columns = {"type": run_type, "state": state, "idea_characters": len(specification.idea)}
    if specification.context is not None:
        data["context_characters"] = len(specification.context)
    if is_revision:
        data["parent_run_id"] = specification.parent_run_id
    return Draft("run.created", data, payload_digest=specification.digest)


def run_failed_draft(failure: RunFailure) -> Draft:
    """A run ended without a decision."""
    return Draft(RUN_FAILED, {"failure": decisions.run_failure_columns(failure)}, Severity.ERROR)


def run_resumed_draft(retry_count: int) -> Draft:
    """A failed run goes on."""
    return Draft(RUN_RESUMED, {"retry_count": retry_count})


def run_taken_over_draft(take_over_count: int, *, was_released: bool) -> Draft:
    """Another process goes on with the run."""
    data = {"take_over_count": take_over_count, "was_released": was_released}
    return Draft("run.taken_over", data, Severity.INFO if was_released else Severity.WARNING)


def decision_annotated_draft(notes: str) -> Draft:
    """Somebody noted something: its digest and size."""
    digest = hashlib.sha256(notes.encode()).hexdigest()
    return Draft("decision.annotated", {"characters": len(notes), "digest": digest})


def run_deleted_draft(deletion_id: str) -> Draft:
    """The run was deleted."""
    return Draft(RUN_DELETED, {"deletion_id": deletion_id})


def run_undeleted_draft(deletion_id: str) -> Draft:
    """The run was restored."""
    return Draft(RUN_UNDELETED, {"deletion_id": deletion_id})


def run_purged_draft(because: str) -> Draft:
    """The run was removed for good; what it held is left as digests."""
    return Draft("run.purged", {"because": because})


RUN_STARTED = Draft("run.started")
RUN_CANCELLED_DRAFT = Draft(RUN_CANCELLED)


def persona_of(step: str) -> str | None:
    """The persona whose review a step is."""
    return step.removeprefix(_REVIEW_STEP) if step.startswith(_REVIEW_STEP) else None
