"""Events of a run: drafts of journal entries on the way in, messages on the way out. Pure.

The three large payloads stand in tables of their own and are joined by sequence; every other event is
made of its entry's `data` alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from consensus.v1 import event_pb2
from consensus.v1.event_pb2 import RunEvent
from consensus.v1.persistence_service_pb2 import RecordItem
from consensus.v1.run_pb2 import RunFailure
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Draft, Severity
from persistence_service.runs import decisions, names, payloads
from persistence_service.runs.payloads import Columns, Payload
from persistence_service.runs.specification import SpecificationRow
from persistence_service.scalars import from_duration, to_duration, to_timestamp

PROPOSAL, REVIEW, DECISION = "proposal.recorded", "persona_review.recorded", "decision.recorded"
RUN_COMPLETED, RUN_FAILED, RUN_CANCELLED = "run.completed", "run.failed", "run.cancelled"
RUN_RESUMED, RUN_DELETED, RUN_UNDELETED = "run.resumed", "run.deleted", "run.undeleted"
_REVIEW_STEP = "review_"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An entry to be, and the payload that goes with it."""

    draft: Draft
    payload: Columns | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An entry as it was read, with its payload's row where it has one."""

    sequence: int
    event_time: datetime
    event_type: str
    persona_id: str | None
    data: dict[str, Any]
    payload: Mapping[Any, Any] | None = None


# On the way in.


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


# On the way out.


def run_event(run_id: str, stored: StoredEvent) -> RunEvent:
    """The event, byte for byte as it was built when its record was acknowledged."""
    event = RunEvent(run_id=run_id, sequence=stored.sequence, event_time=to_timestamp(stored.event_time))
    _FILL[stored.event_type](event, stored)
    return event


def _fill_run_created(event: RunEvent, stored: StoredEvent) -> None:
    event.run_created.type = names.run_type_number(stored.data["type"])
    event.run_created.state = names.run_state_number(stored.data["state"])
    event.run_created.parent_run_id = stored.data.get("parent_run_id", "")


def _fill_run_resumed(event: RunEvent, stored: StoredEvent) -> None:
    event.run_resumed.SetInParent()
    event.run_resumed.retry_count = stored.data["retry_count"]


def _fill_run_taken_over(event: RunEvent, stored: StoredEvent) -> None:
    event.run_taken_over.SetInParent()
    event.run_taken_over.take_over_count = stored.data["take_over_count"]
    event.run_taken_over.was_released = stored.data["was_released"]


def _fill_step_started(event: RunEvent, stored: StoredEvent) -> None:
    event.step_started.CopyFrom(event_pb2.StepStarted(step=stored.data["step"]))


def _fill_step_completed(event: RunEvent, stored: StoredEvent) -> None:
    event.step_completed.CopyFrom(event_pb2.StepCompleted(**stored.data))


def _fill_step_skipped(event: RunEvent, stored: StoredEvent) -> None:
    event.step_skipped.CopyFrom(event_pb2.StepSkipped(step=stored.data["step"]))


def _fill_step_failed(event: RunEvent, stored: StoredEvent) -> None:
    data = stored.data
    message = event_pb2.StepFailed(step=data["step"], attempt_count=data["attempt_count"])
    if (failure := data.get("failure")) is not None:
        message.failure.CopyFrom(decisions.step_failure_message(failure))
    event.step_failed.CopyFrom(message)


def _fill_attempt_failed(event: RunEvent, stored: StoredEvent) -> None:
    data = stored.data
    message = event_pb2.AttemptFailed(
        step=data["step"],
        persona_id=stored.persona_id or "",
        attempt_number=data["attempt_number"],
        reason=names.reason_number(data["reason"]),
    )
    if (delay := data.get("retry_delay_ns")) is not None:
        message.retry_delay.CopyFrom(to_duration(delay))
    event.attempt_failed.CopyFrom(message)


def _fill_proposal(event: RunEvent, stored: StoredEvent) -> None:
    row = _payload(stored)
    event.proposal_ready.proposal.CopyFrom(payloads.proposal_message(row))
    if (diff := payloads.proposal_diff_message(row)) is not None:
        event.proposal_ready.proposal_diff.CopyFrom(diff)


def _fill_review(event: RunEvent, stored: StoredEvent) -> None:
    event.persona_review_ready.persona_review.CopyFrom(payloads.review_message(_payload(stored)))


def _fill_decision(event: RunEvent, stored: StoredEvent) -> None:
    event.decision_ready.decision.CopyFrom(decisions.decision_message(_payload(stored)))


def _fill_run_failed(event: RunEvent, stored: StoredEvent) -> None:
    event.run_failed.failure.CopyFrom(decisions.run_failure_message(stored.data["failure"]))


def _fill_run_deleted(event: RunEvent, stored: StoredEvent) -> None:
    event.run_deleted.CopyFrom(event_pb2.RunDeleted(**stored.data))


def _fill_run_undeleted(event: RunEvent, stored: StoredEvent) -> None:
    event.run_undeleted.CopyFrom(event_pb2.RunUndeleted(**stored.data))


def _payload(stored: StoredEvent) -> Mapping[Any, Any]:
    if stored.payload is None:
        raise LookupError(f"the payload of entry {stored.sequence} is not there")
    return stored.payload


_FILL: dict[str, Callable[[RunEvent, StoredEvent], None]] = {
    "run.created": _fill_run_created,
    "run.started": lambda event, _: event.run_started.SetInParent(),
    RUN_RESUMED: _fill_run_resumed,
    "run.taken_over": _fill_run_taken_over,
    "step.started": _fill_step_started,
    "step.completed": _fill_step_completed,
    "step.skipped": _fill_step_skipped,
    "step.failed": _fill_step_failed,
    "attempt.failed": _fill_attempt_failed,
    PROPOSAL: _fill_proposal,
    REVIEW: _fill_review,
    DECISION: _fill_decision,
    RUN_COMPLETED: lambda event, _: event.run_completed.SetInParent(),
    RUN_FAILED: _fill_run_failed,
    RUN_CANCELLED: lambda event, _: event.run_cancelled.SetInParent(),
    RUN_DELETED: _fill_run_deleted,
    RUN_UNDELETED: _fill_run_undeleted,
    "decision.annotated": lambda event, _: event.decision_annotated.SetInParent(),
}
