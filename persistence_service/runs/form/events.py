"""Events of a run on their way out: the message of an entry that was read, with its payload. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consensus.v1 import run_event_pb2
from persistence_service.runs.form import decisions, event_types, names, payloads
from persistence_service.runs.form.suspicions import KEY, suspicion_messages
from persistence_service.schema.scalars import to_duration, to_timestamp


@dataclass(frozen=True, slots=True)
class RecordedRunEvent:
    """An entry as it was read, with its payload's row where it has one."""

    sequence: int
    event_time: datetime
    event_type: str
    persona_id: str | None
    data: dict[str, Any]
    payload: Mapping[Any, Any] | None = None


def run_event(run_id: str, stored: RecordedRunEvent) -> run_event_pb2.RunEvent:
    """The event, byte for byte as it was built when its record was acknowledged."""
    event = run_event_pb2.RunEvent(
        run_id=run_id, sequence=stored.sequence, event_time=to_timestamp(stored.event_time)
    )
    _FILL[stored.event_type](event, stored)
    return event


def _fill_run_created(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_created.type = names.run_type_number(stored.data["type"])
    event.run_created.state = names.run_state_number(stored.data["state"])
    event.run_created.parent_run_id = stored.data.get("parent_run_id", "")
    event.run_created.suspicions.extend(suspicion_messages(stored.data.get(KEY)))


def _fill_run_resumed(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_resumed.SetInParent()
    event.run_resumed.resume_count = stored.data["retry_count"]


def _fill_run_taken_over(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_taken_over.SetInParent()
    event.run_taken_over.take_over_count = stored.data["take_over_count"]
    event.run_taken_over.released = stored.data["was_released"]


def _fill_step_started(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.step_started.CopyFrom(run_event_pb2.StepStarted(step=stored.data["step"]))


def _fill_step_completed(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.step_completed.CopyFrom(run_event_pb2.StepCompleted(**stored.data))


def _fill_step_skipped(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.step_skipped.CopyFrom(run_event_pb2.StepSkipped(step=stored.data["step"]))


def _fill_step_failed(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    data = stored.data
    message = run_event_pb2.StepFailed(step=data["step"], attempt_count=data["attempt_count"])
    if (failure := data.get("failure")) is not None:
        message.failure.CopyFrom(decisions.step_failure_message(failure))
    event.step_failed.CopyFrom(message)


def _fill_attempt_failed(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    data = stored.data
    message = run_event_pb2.AttemptFailed(
        step=data["step"],
        persona_id=stored.persona_id or "",
        attempt_number=data["attempt_number"],
        reason=names.reason_number(data["reason"]),
    )
    if (delay := data.get("retry_delay_ns")) is not None:
        message.retry_delay.CopyFrom(to_duration(delay))
    event.attempt_failed.CopyFrom(message)


def _fill_proposal(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    row = _payload(stored)
    event.proposal_ready.proposal.CopyFrom(payloads.proposal_message(row))
    if (diff := payloads.proposal_diff_message(row)) is not None:
        event.proposal_ready.proposal_diff.CopyFrom(diff)
    event.proposal_ready.suspicions.extend(suspicion_messages(stored.data.get(KEY)))


def _fill_review(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.persona_review_ready.persona_review.CopyFrom(payloads.review_message(_payload(stored)))


def _fill_decision(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.decision_ready.decision.CopyFrom(decisions.decision_message(_payload(stored)))


def _fill_run_failed(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_failed.failure.CopyFrom(decisions.run_failure_message(stored.data["failure"]))


def _fill_run_deleted(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_deleted.CopyFrom(run_event_pb2.RunDeleted(**stored.data))


def _fill_run_undeleted(event: run_event_pb2.RunEvent, stored: RecordedRunEvent) -> None:
    event.run_undeleted.CopyFrom(run_event_pb2.RunUndeleted(**stored.data))


def _payload(stored: RecordedRunEvent) -> Mapping[Any, Any]:
    if stored.payload is None:
        raise LookupError(f"the payload of entry {stored.sequence} is not there")
    return stored.payload


_FILL: dict[str, Callable[[run_event_pb2.RunEvent, RecordedRunEvent], None]] = {
    event_types.RUN_CREATED: _fill_run_created,
    event_types.RUN_STARTED: lambda event, _: event.run_started.SetInParent(),
    event_types.RUN_RESUMED: _fill_run_resumed,
    event_types.RUN_TAKEN_OVER: _fill_run_taken_over,
    event_types.STEP_STARTED: _fill_step_started,
    event_types.STEP_COMPLETED: _fill_step_completed,
    event_types.STEP_SKIPPED: _fill_step_skipped,
    event_types.STEP_FAILED: _fill_step_failed,
    event_types.ATTEMPT_FAILED: _fill_attempt_failed,
    event_types.PROPOSAL: _fill_proposal,
    event_types.REVIEW: _fill_review,
    event_types.DECISION: _fill_decision,
    event_types.RUN_COMPLETED: lambda event, _: event.run_completed.SetInParent(),
    event_types.RUN_FAILED: _fill_run_failed,
    event_types.RUN_CANCELLED: lambda event, _: event.run_cancelled.SetInParent(),
    event_types.RUN_DELETED: _fill_run_deleted,
    event_types.RUN_UNDELETED: _fill_run_undeleted,
    event_types.DECISION_ANNOTATED: lambda event, _: event.decision_annotated.SetInParent(),
}
