"""What an attempt keeps of its answer."""

import pytest

from consensus.v1 import errors_pb2
from consensus_contract.steps import EXPAND
from review_service.model.model_call import CallFailure, CallReport
from review_service.steps.attempts import MAX_RAW_OUTPUT_BYTES, failed_attempt, note_mended, started_attempt


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


def test_what_was_mended_and_cut_is_noted_on_it() -> None:
    attempt = started_attempt(EXPAND, 1, "gpt", None, 8_000)

    note_mended(attempt, ("code_fence", "null_list"), ("strengths",))

    assert attempt.message == (
        "Mended without another call: code_fence, null_list. Cut to their bounds: strengths."
    )


def test_nothing_is_noted_where_nothing_was_mended() -> None:
    attempt = started_attempt(EXPAND, 1, "gpt", None, 8_000)

    note_mended(attempt, (), ())

    assert attempt.message == ""
