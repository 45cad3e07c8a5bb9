import re
from functools import cache
from pathlib import Path

import pytest

from consensus.v1 import errors_pb2
from consensus_contract import errors as nouns
from consensus_contract.errors import (
    CLASS_BY_REASON,
    ConsensusError,
    reason_name,
    reason_number,
    run_failed,
)
from consensus_rpc import errors

ROOT = Path(__file__).resolve().parents[3]
REASONS = [number for number in errors_pb2.ErrorReason.values() if number != 0]


@cache
def comments_in_the_contract() -> dict[str, str]:
    """Each reason's comment, on one line."""
    text = (ROOT / "protos/consensus/v1/errors.proto").read_text(encoding="utf-8")
    found = re.findall(r"((?:^  //.*\n)+)^  ERROR_REASON_(\w+) =", text, re.MULTILINE)
    return {name: " ".join(re.split(r"\s*// ", comment)).strip() for comment, name in found}


@pytest.mark.parametrize("reason", REASONS, ids=reason_name)
def test_every_reason_has_a_class_with_the_code_that_begins_its_comment(reason: nouns.Reason) -> None:
    code = comments_in_the_contract()[reason_name(reason)].split(":")[0]

    assert CLASS_BY_REASON[reason].code.name == code


def test_each_class_has_a_reason_of_its_own() -> None:
    assert len(set(CLASS_BY_REASON.values())) == len(CLASS_BY_REASON) == len(REASONS)


def test_a_second_class_for_a_reason_is_refused() -> None:
    with pytest.raises(TypeError, match="RUN_NOT_FOUND has two classes"):
        type("Twin", (ConsensusError,), {"reason": errors_pb2.ERROR_REASON_RUN_NOT_FOUND})


def test_every_class_is_exported() -> None:
    names = {each.__name__ for each in CLASS_BY_REASON.values()}
    assert names <= set(nouns.__all__) | set(vars(errors))


def test_reason_names_and_numbers_map_both_ways() -> None:
    assert [reason_number(reason_name(reason)) for reason in REASONS] == REASONS
    assert reason_number("FROM_THE_FUTURE") is None


@pytest.mark.parametrize("reason", REASONS, ids=reason_name)
def test_a_runs_terminal_failure_never_asks_for_a_retry(reason: nouns.Reason) -> None:
    failure = run_failed(
        reason,
        run_id="r1",
        failed_step="expand",
        resumable=True,
        finished=["architect"],
        causes={"critic": "LLM_TIMEOUT"},
    )

    assert failure.retry_after_seconds is None
    assert failure.metadata == {
        "run_id": "r1",
        "run_state": "FAILED",
        "failed_step": "expand",
        "resumable": "true",
        "finished": "architect",
        "cause.critic": "LLM_TIMEOUT",
    }
    assert (failure.status_code, failure.reason) == (CLASS_BY_REASON[reason].code, reason)


def test_a_run_failure_reads_its_metadata_back() -> None:
    failure = nouns.QuorumNotMet(
        run_id="r1",
        failed_step="review_critic",
        resumable=True,
        finished=["architect", "optimist"],
        causes={"critic": "LLM_TIMEOUT"},
    )

    assert failure.failed_step == "review_critic"
    assert failure.resumable
    assert failure.finished == ("architect", "optimist")
    assert failure.causes == {"critic": "LLM_TIMEOUT"}


def test_a_run_failure_with_a_retry_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no RetryInfo"):
        nouns.LlmTimeout(run_id="r1", retry_after_seconds=1.0)


def test_a_question_outside_a_run_may_be_retried_and_says_nothing_of_a_run() -> None:
    error = nouns.LlmRateLimited(failed_step="expand", retry_after_seconds=7.0)

    assert error.retryable
    assert error.run_state is None


def reasons_with_retry_info() -> set[str]:
    """Those whose comment in the contract says `With google.rpc.RetryInfo`."""
    return {
        name for name, comment in comments_in_the_contract().items() if "With google.rpc.RetryInfo" in comment
    }


@pytest.mark.parametrize("reason", REASONS, ids=reason_name)
def test_a_class_says_when_to_try_again_where_the_contract_promises_it(reason: nouns.Reason) -> None:
    promised = reason_name(reason) in reasons_with_retry_info()

    assert (CLASS_BY_REASON[reason].default_retry_after_seconds is not None) is promised
