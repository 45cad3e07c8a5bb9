"""What an attempt keeps of its answer."""

import pytest

from consensus.v1 import errors_pb2
from consensus_contract.steps import EXPAND
from review_service.model.model_call import CallFailure, CallReport
from review_service.model.provider_error import ProviderError
from review_service.steps.attempts import (
    MAX_RAW_OUTPUT_BYTES,
    failed_attempt,
    note_mended,
    started_attempt,
    step_failure,
)


def failed(raw_output: str) -> tuple[str, str]:
    """What is kept of an answer, and what is said of it."""
    started = started_attempt(EXPAND, 1, "gpt", None, 8_000)
    reason = errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT
    attempt = failed_attempt(started, CallFailure(CallReport(), reason, "Broken.", raw_output=raw_output))
    return attempt.raw_output, attempt.message


def test_an_answer_within_the_cap_is_kept_whole() -> None:
    raw = "x" * MAX_RAW_OUTPUT_BYTES

    assert failed(raw) == (raw, "Broken.")


def test_a_longer_one_is_kept_up_to_the_cap_and_says_so() -> None:
    raw, message = failed("語" * 1_000_000)

    assert raw == "語" * (MAX_RAW_OUTPUT_BYTES // 3)
    assert message == f"Broken. Of the answer's 3000000 bytes the first {MAX_RAW_OUTPUT_BYTES} are kept."


@pytest.mark.parametrize(("raw", "kept"), [("a\0b", "a\N{SYMBOL FOR NULL}b"), ("a\ud800b", "a?b")])
def test_what_no_database_takes_is_replaced(raw: str, kept: str) -> None:
    assert failed(raw) == (kept, "Broken.")


def test_what_was_mended_and_cut_is_noted_on_it_and_no_message_is_made_of_it() -> None:
    attempt = started_attempt(EXPAND, 1, "gpt", None, 8_000)

    note_mended(attempt, ("code_fence", "null_list"), ("strengths",))

    assert list(attempt.mended) == ["code_fence", "null_list"]
    assert list(attempt.truncated_fields) == ["strengths"]
    assert attempt.message == ""


def test_what_the_provider_said_stands_with_the_attempt_and_without_content_with_the_step() -> None:
    said = ProviderError("unsupported_value", "invalid_request_error", "temperature", "Yours was 3.")
    reason = errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED
    failure = CallFailure(CallReport(), reason, "Refused.", provider=said, cause="c", is_local=True)

    attempt = failed_attempt(started_attempt(EXPAND, 1, "gpt", None, 8_000), failure)
    step = step_failure(failure, "Refused. No more.")

    assert attempt.provider_code == step.provider_code == "unsupported_value"
    assert attempt.provider_param == step.provider_param == "temperature"
    assert attempt.cause == step.cause == "c"
    assert (attempt.provider_type, attempt.provider_message) == ("invalid_request_error", "Yours was 3.")
    assert attempt.uncounted
    assert "Yours" not in str(step)
