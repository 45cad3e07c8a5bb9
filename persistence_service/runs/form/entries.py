"""Events of a run on their way in: what an item or a change leaves in the journal, and its payload. Pure.

The three large payloads stand in tables of their own and are joined by sequence; every other event is
made of its entry's `data` alone. `events` makes them into messages again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import panel_pb2, run_event_pb2, run_pb2
from consensus_contract.sizes import DECISION_BYTES, PROPOSAL_BYTES, REVIEWS_BYTES
from consensus_contract.steps import persona_of_step
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns, EntrySeverity, NewEntry
from persistence_service.runs.form import decisions, event_types, names, payloads
from persistence_service.runs.form.payloads import Payload
from persistence_service.runs.form.specification import SpecificationRow
from persistence_service.runs.form.suspicions import KEY, suspicion_columns
from persistence_service.schema.scalars import from_duration, ten_thousandths

BUDGETS = {
    event_types.PROPOSAL: PROPOSAL_BYTES,
    event_types.REVIEW: REVIEWS_BYTES,
    event_types.DECISION: DECISION_BYTES,
}
_FIELDS = {
    event_types.PROPOSAL: "proposal_ready",
    event_types.REVIEW: "persona_review_ready",
    event_types.DECISION: "decision_ready",
}


@dataclass(frozen=True, slots=True)
class NewRunEntry:
    """An entry to be, and the payload that goes with it, with its bytes as a message."""

    entry: NewEntry
    payload: Columns | None = None
    payload_bytes: int = 0


def item_entry(item: persistence_service_pb2.RecordItem) -> NewRunEntry:
    """What an item of a record leaves in the journal.

    Raises:
        InvalidField: for what the tables cannot hold, and for an item that is empty.
    """
    kind = item.WhichOneof("item")
    if kind is None:
        raise InvalidField(field="record.items.item", description="is one of the kinds of this release")
    return _ENTRIES[kind](getattr(item, kind))


def _step_started(item: run_event_pb2.StepStarted) -> NewRunEntry:
    return NewRunEntry(
        NewEntry(event_types.STEP_STARTED, {"step": item.step}, persona_id=persona_of_step(item.step))
    )


def _step_completed(item: run_event_pb2.StepCompleted) -> NewRunEntry:
    data = {"step": item.step, "attempt_count": item.attempt_count}
    return NewRunEntry(NewEntry(event_types.STEP_COMPLETED, data, persona_id=persona_of_step(item.step)))


def _step_skipped(item: run_event_pb2.StepSkipped) -> NewRunEntry:
    return NewRunEntry(
        NewEntry(event_types.STEP_SKIPPED, {"step": item.step}, persona_id=persona_of_step(item.step))
    )


def _step_failed(item: run_event_pb2.StepFailed) -> NewRunEntry:
    data: Columns = {"step": item.step, "attempt_count": item.attempt_count}
    if item.HasField("failure"):
        data["failure"] = decisions.step_failure_columns(item.failure)
    return NewRunEntry(
        NewEntry(event_types.STEP_FAILED, data, EntrySeverity.ERROR, persona_of_step(item.step))
    )


def _attempt_failed(item: run_event_pb2.AttemptFailed) -> NewRunEntry:
    data: Columns = {
        "step": item.step,
        "attempt_number": item.attempt_number,
        "reason": names.reason_text(item.reason),
    }
    if item.HasField("retry_delay"):
        data["retry_delay_ns"] = from_duration(item.retry_delay, "attempt_failed.retry_delay")
    return NewRunEntry(
        NewEntry(event_types.ATTEMPT_FAILED, data, EntrySeverity.WARNING, item.persona_id or None)
    )


def _payload_entry(
    event_type: str, payload: Payload, data: Columns, persona: str | None, payload_bytes: int
) -> NewRunEntry:
    if payload_bytes > BUDGETS[event_type]:
        raise over_budget(event_type)
    entry = NewEntry(
        event_type, {**data, "size": payload.size}, persona_id=persona, payload_digest=payload.digest
    )
    return NewRunEntry(entry, payload.columns, payload_bytes)


class OverBudget(InvalidField):
    """A payload that could not be read back with all else that its run may hold."""


def over_budget(event_type: str) -> OverBudget:
    """The refusal of a payload, or of all reviews together."""
    what = "with the run's other reviews at most" if event_type == event_types.REVIEW else "at most"
    return OverBudget(
        field=f"record.items.{_FIELDS[event_type]}", description=f"is {what} {BUDGETS[event_type]} bytes"
    )


def _require(item: Message, name: str) -> None:
    if not item.HasField(name):
        raise InvalidField(field=f"record.items.{name}", description="is there")


def _proposal_ready(item: run_event_pb2.ProposalReady) -> NewRunEntry:
    _require(item, "proposal")
    diff = item.proposal_diff if item.HasField("proposal_diff") else None
    payload = payloads.proposal_payload(item.proposal, diff)
    suspected = suspicion_columns(item.suspicions, "proposal_ready")
    return _payload_entry(event_types.PROPOSAL, payload, suspected, None, item.proposal.ByteSize())


def _persona_review_ready(item: run_event_pb2.PersonaReviewReady) -> NewRunEntry:
    _require(item, "persona_review")
    review = item.persona_review
    payload = payloads.review_payload(review)
    return _payload_entry(event_types.REVIEW, payload, {}, review.persona_id, _own_bytes(review))


def _own_bytes(review: panel_pb2.PersonaReview) -> int:
    """Its size without what carrying it over adds, so that what was recorded once can be carried over."""
    added = panel_pb2.PersonaReview(section_digests=review.section_digests)
    return review.ByteSize() - added.ByteSize()


def _decision_ready(item: run_event_pb2.DecisionReady) -> NewRunEntry:
    _require(item, "decision")
    payload = decisions.decision_payload(item.decision)
    columns = payload.columns
    data = {"label": columns["label"], "confidence_ten_thousandths": columns["confidence"]}
    if item.decision.HasField("fresh_weight"):
        weight = ten_thousandths(item.decision.fresh_weight, "decision.fresh_weight")
        data["fresh_weight_ten_thousandths"] = weight
    return _payload_entry(event_types.DECISION, payload, data, None, item.decision.ByteSize())


def _run_completed(_item: run_event_pb2.RunCompleted) -> NewRunEntry:
    return NewRunEntry(NewEntry(event_types.RUN_COMPLETED))


def _run_failed(item: run_event_pb2.RunFailed) -> NewRunEntry:
    _require(item, "failure")
    return NewRunEntry(run_failed_entry(item.failure))


_ENTRIES: dict[str, Callable[[Any], NewRunEntry]] = {
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


def run_created_entry(specification: SpecificationRow, state: str) -> NewEntry:
    """A run was accepted: what it works on, by digest and size."""
    is_revision = specification.parent_run_id is not None
    run_type = names.REVISION if is_revision else names.INITIAL
    data: Columns = {"type": run_type, "state": state, "idea_characters": len(specification.idea)}
    if specification.context is not None:
        data["context_characters"] = len(specification.context)
    if is_revision:
        data["parent_run_id"] = specification.parent_run_id
    if KEY in specification.settings:
        data[KEY] = specification.settings[KEY]
    return NewEntry(event_types.RUN_CREATED, data, payload_digest=specification.digest)


def run_failed_entry(failure: run_pb2.RunFailure) -> NewEntry:
    """A run ended without a decision."""
    return NewEntry(
        event_types.RUN_FAILED, {"failure": decisions.run_failure_columns(failure)}, EntrySeverity.ERROR
    )


def run_resumed_entry(retry_count: int) -> NewEntry:
    """A failed run goes on."""
    return NewEntry(event_types.RUN_RESUMED, {"retry_count": retry_count})


def run_taken_over_entry(take_over_count: int, *, was_released: bool) -> NewEntry:
    """Another process goes on with the run."""
    data = {"take_over_count": take_over_count, "was_released": was_released}
    return NewEntry(
        event_types.RUN_TAKEN_OVER, data, EntrySeverity.INFO if was_released else EntrySeverity.WARNING
    )


def decision_annotated_entry(notes: str) -> NewEntry:
    """Somebody noted something: its digest and size."""
    digest = hashlib.sha256(notes.encode()).hexdigest()
    return NewEntry(event_types.DECISION_ANNOTATED, {"characters": len(notes), "digest": digest})


def run_deleted_entry(deletion_id: str) -> NewEntry:
    """The run was deleted."""
    return NewEntry(event_types.RUN_DELETED, {"deletion_id": deletion_id})


def run_undeleted_entry(deletion_id: str) -> NewEntry:
    """The run was restored."""
    return NewEntry(event_types.RUN_UNDELETED, {"deletion_id": deletion_id})


def run_purged_entry(because: str) -> NewEntry:
    """The run was removed for good; what it held is left as digests."""
    return NewEntry(event_types.RUN_PURGED, {"because": because})


STARTED_ENTRY = NewEntry(event_types.RUN_STARTED)
CANCELLED_ENTRY = NewEntry(event_types.RUN_CANCELLED)
