"""The status with which the stream of a run without a decision ends."""

import grpc
import pytest

from consensus.v1 import errors_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import LlmInvalidOutput, QuorumNotMet, RunCancelled
from review_service.follow.endings import error_of_event, error_of_failure, error_of_run

REASON = errors_pb2.ErrorReason


def failure(reason: errors_pb2.ErrorReason.ValueType) -> run_pb2.RunFailure:
    return run_pb2.RunFailure(
        reason=reason,
        failed_step="review_critic",
        resumable=True,
        finished_personas=["architect", "optimist"],
        persona_failures=[
            run_pb2.PersonaFailure(persona_id="critic", reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT)
        ],
    )


def test_a_failed_run_says_where_whether_resumable_what_is_finished_and_why() -> None:
    event = run_event_pb2.RunEvent(
        run_id="r-1",
        run_failed=run_event_pb2.RunFailed(failure=failure(errors_pb2.ERROR_REASON_QUORUM_NOT_MET)),
    )

    error = error_of_event(event)

    assert isinstance(error, QuorumNotMet)
    assert error.metadata == {
        "run_id": "r-1",
        "run_state": "FAILED",
        "failed_step": "review_critic",
        "resumable": "true",
        "finished": "architect,optimist",
        "cause.critic": "LLM_TIMEOUT",
    }
    assert not error.retryable


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("QUORUM_NOT_MET", "FAILED_PRECONDITION"),
        ("RUN_DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        ("ATTEMPTS_EXHAUSTED", "FAILED_PRECONDITION"),
        ("LLM_RATE_LIMITED", "RESOURCE_EXHAUSTED"),
        ("LLM_TIMEOUT", "UNAVAILABLE"),
        ("LLM_UNAVAILABLE", "UNAVAILABLE"),
        ("LLM_QUOTA_EXHAUSTED", "FAILED_PRECONDITION"),
        ("LLM_AUTHENTICATION", "FAILED_PRECONDITION"),
        ("LLM_REQUEST_REJECTED", "FAILED_PRECONDITION"),
        ("LLM_INVALID_OUTPUT", "INTERNAL"),
        ("LLM_TRUNCATED_OUTPUT", "INTERNAL"),
        ("LLM_REFUSED", "FAILED_PRECONDITION"),
        ("INTERNAL", "INTERNAL"),
    ],
)
def test_every_cause_has_its_code_says_that_the_run_failed_and_never_asks_for_a_retry(
    reason: str, code: str
) -> None:
    error = error_of_failure("r-1", failure(REASON.Value(f"ERROR_REASON_{reason}")))

    assert error.status_code == grpc.StatusCode[code]
    assert error.reason_name == reason
    assert error.run_state == "FAILED"
    assert error.retry_after_seconds is None


def test_invalid_output_names_the_fields_of_the_answer() -> None:
    broken = failure(errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT)
    broken.output_violations.add(field="strengths[0]", description="is blank")

    error = error_of_failure("r-1", broken)

    assert isinstance(error, LlmInvalidOutput)
    assert [(each.field, each.description) for each in error.field_violations] == [
        ("strengths[0]", "is blank")
    ]


def test_a_completed_run_ends_well_and_a_cancelled_one_says_so() -> None:
    completed = run_event_pb2.RunEvent(run_id="r-1", run_completed=run_event_pb2.RunCompleted())
    cancelled = run_event_pb2.RunEvent(run_id="r-1", run_cancelled=run_event_pb2.RunCancelled())

    assert error_of_event(completed) is None
    error = error_of_event(cancelled)
    assert isinstance(error, RunCancelled)
    assert error.metadata == {"run_id": "r-1", "run_state": "CANCELLED"}


def test_a_runs_state_ends_a_stream_as_its_last_event_would() -> None:
    failed = run_pb2.Run(
        run_id="r-1",
        state=run_pb2.RUN_STATE_FAILED,
        failure=failure(errors_pb2.ERROR_REASON_QUORUM_NOT_MET),
    )

    assert isinstance(error_of_run(failed), QuorumNotMet)
    assert isinstance(error_of_run(run_pb2.Run(state=run_pb2.RUN_STATE_CANCELLED)), RunCancelled)
    assert error_of_run(run_pb2.Run(state=run_pb2.RUN_STATE_COMPLETED)) is None
