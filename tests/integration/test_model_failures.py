"""How a model fails, on the wire: what is tried again, what the run says, what stays readable."""

import grpc
import pytest

from consensus.v1 import attempt_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError, LlmAuthentication, QuorumNotMet, RunFailed, reason_name
from consensus_rpc.channel.status import contract_errors
from offline_model.script import Rule
from tests.integration.conftest import StartPair
from tests.support.pair import Client, kinds, review_request

PERSONAS = ["architect", "critic", "optimist", "security_guardian", "user_advocate"]


async def fail(client: Client, idea: str) -> tuple[list[run_event_pb2.RunEvent], ConsensusError]:
    """A review that must fail: its events, and the error that the stream ends with."""
    events: list[run_event_pb2.RunEvent] = []
    with pytest.raises(ConsensusError) as caught, contract_errors():  # noqa: PT012 - it fails after its events
        async for message in client.review.StreamReview(review_request(idea)):
            events += message.events
    return events, caught.value


FAILURES = {
    "rate_limit": (
        {"status": 429, "headers": {"retry-after": "0"}},
        "LLM_RATE_LIMITED",
        4,
        "RESOURCE_EXHAUSTED",
    ),
    "server_error": ({"status": 500}, "LLM_UNAVAILABLE", 4, "UNAVAILABLE"),
    "bad_gateway": ({"status": 502}, "LLM_UNAVAILABLE", 4, "UNAVAILABLE"),
    "request_timeout": ({"status": 408}, "LLM_UNAVAILABLE", 4, "UNAVAILABLE"),
    "conflict": ({"status": 409}, "LLM_UNAVAILABLE", 4, "UNAVAILABLE"),
    "reset": ({"cut_off": "reset"}, "LLM_UNAVAILABLE", 4, "UNAVAILABLE"),
    "quota": (
        {"status": 429, "error_code": "insufficient_quota", "error_type": "insufficient_quota"},
        "LLM_QUOTA_EXHAUSTED",
        1,
        "FAILED_PRECONDITION",
    ),
    "bad_key": ({"status": 401}, "LLM_AUTHENTICATION", 1, "FAILED_PRECONDITION"),
    "forbidden": ({"status": 403}, "LLM_AUTHENTICATION", 1, "FAILED_PRECONDITION"),
    "rejected": ({"status": 422}, "LLM_REQUEST_REJECTED", 1, "FAILED_PRECONDITION"),
    "not_json": ({"malformed": "not_json"}, "LLM_INVALID_OUTPUT", 2, "INTERNAL"),
    "wrong_schema": ({"malformed": "wrong_schema"}, "LLM_INVALID_OUTPUT", 2, "INTERNAL"),
    "truncated": ({"incomplete": "max_output_tokens"}, "LLM_TRUNCATED_OUTPUT", 2, "INTERNAL"),
    "refusal": ({"refusal": "I would rather not."}, "LLM_REFUSED", 1, "FAILED_PRECONDITION"),
    "content_filter": ({"incomplete": "content_filter"}, "LLM_REFUSED", 1, "FAILED_PRECONDITION"),
}


@pytest.mark.parametrize(("fault", "reason", "calls", "code"), FAILURES.values(), ids=FAILURES)
async def test_a_run_that_cannot_expand_fails_with_the_causes_own_code(
    client: Client,
    idea: str,
    mark: str,
    fault: dict[str, object],
    reason: str,
    calls: int,
    code: str,
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, **fault))  # type: ignore[arg-type]  # fields of a rule

    events, error = await fail(client, idea)

    assert isinstance(error, RunFailed)
    assert (error.reason_name, error.status_code) == (reason, grpc.StatusCode[code])
    assert (error.run_id, error.run_state, error.failed_step) == (events[0].run_id, "FAILED", "expand")
    assert not error.retryable
    assert (await client.model.counters(run_id=events[0].run_id))["total"]["started"] == calls
    assert kinds(events).count("attempt_failed") == calls
    assert kinds(events)[-2:] == ["step_failed", "run_failed"]
    run = await client.get(events[0].run_id)
    assert reason_name(run.failure.reason) == reason
    assert run.steps[0].attempt_count == calls
    assert {step.state for step in run.steps[1:]} == {run_pb2.STEP_STATE_SKIPPED}


async def test_an_attempt_that_takes_too_long_is_a_timeout(start_pair: StartPair, idea: str) -> None:
    pair = start_pair(review={"MODEL_ATTEMPT_TIMEOUT_SECONDS": "0.2", "MAX_RETRIES_PER_PERSONA": "1"})
    async with pair.client() as client:
        await client.model.script(Rule(step="expand", hold="for ever"))

        _, error = await fail(client, idea)

    assert (error.reason_name, error.status_code) == ("LLM_TIMEOUT", grpc.StatusCode.UNAVAILABLE)


async def test_an_invalid_answer_names_its_fields_and_is_kept_with_its_attempt(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, malformed="wrong_schema"))

    _, error = await fail(client, idea)

    assert error.field_violations
    assert error.run_id is not None
    listed = await client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id=error.run_id))
    assert [each.repair for each in listed.attempts] == [False, True]
    assert all(each.raw_output for each in listed.attempts)


async def test_a_fault_that_passes_is_retried_and_the_run_completes(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(
        Rule(step="expand", contains=mark, status=503, times=1),
        Rule(persona="critic", contains=mark, malformed="not_json", times=1),
    )

    events = await client.stream(idea)

    failed = [event.attempt_failed for event in events if event.HasField("attempt_failed")]
    assert [(each.step, each.attempt_number, reason_name(each.reason)) for each in failed] == [
        ("expand", 1, "LLM_UNAVAILABLE"),
        ("review_critic", 1, "LLM_INVALID_OUTPUT"),
    ]
    assert all(each.HasField("retry_delay") for each in failed)
    assert kinds(events)[-1] == "run_completed"


async def test_a_persona_that_gives_up_leaves_the_run_failed_with_four_readable_reviews(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(persona="critic", contains=mark, refusal="I would rather not."))

    events, error = await fail(client, idea)

    assert isinstance(error, QuorumNotMet)
    assert (error.failed_step, error.resumable) == ("review_critic", True)
    assert error.causes == {"critic": "LLM_REFUSED"}
    assert list(error.finished) == [each for each in PERSONAS if each != "critic"]
    assert kinds(events)[-1] == "run_failed"
    run = await client.get(events[0].run_id)
    assert run.state == run_pb2.RUN_STATE_FAILED
    assert [each.persona_id for each in run.persona_reviews] == list(error.finished)
    assert run.failure.failed_step == "review_critic"
    assert run.steps[-1].state == run_pb2.STEP_STATE_SKIPPED


async def test_watching_a_failed_run_ends_as_its_stream_did(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(persona="critic", contains=mark, refusal="I would rather not."))
    events, error = await fail(client, idea)

    for after in (0, events[-1].sequence):
        with pytest.raises(QuorumNotMet) as caught, contract_errors():
            await client.watch(events[0].run_id, after)
        del caught.value.metadata["request_id"]
        assert caught.value.metadata.items() <= error.metadata.items()


async def test_resuming_asks_only_the_missing_persona_and_decides(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(persona="critic", contains=mark, refusal="I would rather not.", times=1))
    events, _ = await fail(client, idea)
    run_id = events[0].run_id

    resumed = await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=run_id))

    assert resumed.run.resume_count == 1
    later = await client.watch(run_id, events[-1].sequence)
    assert kinds(later)[0] == "run_resumed"
    assert kinds(later)[-1] == "run_completed"
    assert [event.sequence for event in later] == list(range(events[-1].sequence + 1, later[-1].sequence + 1))
    assert (await client.model.counters(run_id=run_id))["total"]["started"] == 7
    run = await client.get(run_id)
    assert [each.persona_id for each in run.persona_reviews] == PERSONAS


async def test_without_a_key_the_run_exists_and_says_why_it_failed(start_pair: StartPair, idea: str) -> None:
    pair = start_pair(review={"OPENAI_API_KEY": ""})
    async with pair.client() as client:
        events, error = await fail(client, idea)

        assert isinstance(error, LlmAuthentication)
        run = await client.get(events[0].run_id)
        assert run.state == run_pb2.RUN_STATE_FAILED
        assert reason_name(run.failure.reason) == "LLM_AUTHENTICATION"
        assert (await client.model.counters())["total"]["started"] == 0
        info = await client.review.GetServiceInfo(review_service_pb2.GetServiceInfoRequest())
        assert not info.model_route.api_key_configured


async def test_the_runs_deadline_ends_run_and_calls_and_resuming_renews_it(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair(review={"RUN_TIMEOUT_SECONDS": "1"})
    async with pair.client() as client:
        await client.model.script(Rule(persona="critic", hold="slow", times=1))

        events, error = await fail(client, idea)

        assert error.reason_name == "RUN_DEADLINE_EXCEEDED"
        assert error.status_code == grpc.StatusCode.DEADLINE_EXCEEDED
        await client.model.wait({"aborted": 1}, timeout_seconds=1)
        await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=events[0].run_id))
        assert kinds(await client.watch(events[0].run_id, events[-1].sequence))[-1] == "run_completed"


async def test_an_expansion_that_fails_says_why_and_lists_its_attempts(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, malformed="not_json"))

    with pytest.raises(ConsensusError) as caught, contract_errors():
        await client.review.ExpandIdea(review_service_pb2.ExpandIdeaRequest(idea=idea))

    assert (caught.value.reason_name, caught.value.status_code) == (
        "LLM_INVALID_OUTPUT",
        grpc.StatusCode.INTERNAL,
    )
    assert caught.value.run_state is None


async def test_what_a_run_cost_is_the_sum_of_its_attempts_failed_ones_included(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(persona="optimist", contains=mark, malformed="wrong_schema", times=1))
    run_id = (await client.stream(idea))[0].run_id

    listed = await client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id=run_id))

    assert len(listed.attempts) == 7
    assert all(each.usage.output_tokens for each in listed.attempts)
    failed = [each for each in listed.attempts if each.state == attempt_pb2.ATTEMPT_STATE_FAILED]
    assert [(each.step, each.attempt_number) for each in failed] == [("review_optimist", 1)]
