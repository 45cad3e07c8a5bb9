"""What becomes of one call to the model, for every row of the failure table, over a real connection."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consensus.v1 import errors_pb2
from consensus_contract.errors import Reason, reason_name
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from offline_model.server import OfflineModel
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.model_call import CallFailure, ModelAnswer
from review_service.steps.outputs import REVIEW_FORMAT, OutputError, PersonaReviewOutput, read_output
from tests.support.engine import RUN_ID, model_call


async def test_an_answer_comes_with_text_model_tokens_and_ids(model: ModelClient) -> None:
    answer = await model.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    read_output(PersonaReviewOutput, answer.text)
    report = answer.report
    assert report.http_status == 200
    assert report.provider_request_id.startswith("req")
    assert report.answered_model
    assert report.latency_seconds is not None
    assert 0 < report.latency_seconds < 5
    assert report.usage is not None
    assert report.usage.input_tokens > 0
    assert report.usage.output_tokens > 0


async def test_the_request_is_what_the_responses_api_takes(
    model: ModelClient, control: ControlClient
) -> None:
    await control.record(10)

    await model.call(model_call(attempt_number=2), 10)

    (request,) = await control.requests()
    body = request["body"]
    assert body["store"] is False
    assert body["temperature"] == 0.2
    assert body["max_output_tokens"] == 8000
    assert body["prompt_cache_key"] == RUN_ID
    assert body["metadata"] == {
        "run_id": RUN_ID,
        "step": "review_critic",
        "persona": "critic",
        "attempt": "2",
    }
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "persona_review",
        "strict": True,
        "schema": REVIEW_FORMAT.schema,
    }
    assert [message["role"] for message in body["input"]] == ["user", "user"]
    assert request["headers"]["content-type"] == "application/json"


async def test_no_temperature_is_sent_where_there_is_none(model: ModelClient, control: ControlClient) -> None:
    await control.record(10)

    await model.call(model_call(temperature=None), 10)

    assert "temperature" not in (await control.requests())[0]["body"]


FAULTS = {
    "rate limit": (Rule(status=429, error_code="rate_limit_exceeded"), "LLM_RATE_LIMITED", 429),
    "rate limit without a body that says so": (Rule(status=429), "LLM_RATE_LIMITED", 429),
    "quota": (Rule(status=429, error_code="insufficient_quota"), "LLM_QUOTA_EXHAUSTED", 429),
    "quota, as a type": (Rule(status=429, error_type="insufficient_quota"), "LLM_QUOTA_EXHAUSTED", 429),
    "bad key": (Rule(status=401, error_code="invalid_api_key"), "LLM_AUTHENTICATION", 401),
    "forbidden": (Rule(status=403), "LLM_AUTHENTICATION", 403),
    "bad request": (Rule(status=400, error_code="unsupported_parameter"), "LLM_REQUEST_REJECTED", 400),
    "no such model": (Rule(status=404, error_code="model_not_found"), "LLM_REQUEST_REJECTED", 404),
    "unprocessable": (Rule(status=422), "LLM_REQUEST_REJECTED", 422),
    "filter at the door": (Rule(status=400, error_code="content_filter"), "LLM_REFUSED", 400),
    "request timeout": (Rule(status=408), "LLM_UNAVAILABLE", 408),
    "conflict": (Rule(status=409), "LLM_UNAVAILABLE", 409),
    "server error": (Rule(status=500), "LLM_UNAVAILABLE", 500),
    "bad gateway": (Rule(status=502), "LLM_UNAVAILABLE", 502),
    "unavailable": (Rule(status=503), "LLM_UNAVAILABLE", 503),
    "gateway timeout": (Rule(status=504), "LLM_UNAVAILABLE", 504),
    "closed unanswered": (Rule(cut_off="before_headers"), "LLM_UNAVAILABLE", 0),
    "reset": (Rule(cut_off="reset"), "LLM_UNAVAILABLE", 0),
    "cut off in the body": (Rule(cut_off=20), "LLM_UNAVAILABLE", 0),
    "an HTML page": (Rule(malformed="html_body"), "LLM_UNAVAILABLE", 200),
    "incomplete, at the cap": (Rule(incomplete="max_output_tokens"), "LLM_TRUNCATED_OUTPUT", 200),
    "incomplete, filtered": (Rule(incomplete="content_filter"), "LLM_REFUSED", 200),
    "refusal": (Rule(refusal="I cannot help with that."), "LLM_REFUSED", 200),
    "failed, server error": (Rule(failed="server_error"), "LLM_UNAVAILABLE", 200),
    "failed, rate limit": (Rule(failed="rate_limit_exceeded"), "LLM_RATE_LIMITED", 200),
    "failed, invalid prompt": (Rule(failed="invalid_prompt"), "LLM_REQUEST_REJECTED", 200),
}


@pytest.mark.parametrize(("rule", "reason", "status"), FAULTS.values(), ids=FAULTS.keys())
async def test_failures_are_told_apart_by_what_happened(
    model: ModelClient, control: ControlClient, rule: Rule, reason: str, status: int
) -> None:
    await control.script(rule)

    failure = await model.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert reason_name(failure.reason) == reason
    assert failure.report.http_status == status
    assert failure.report.latency_seconds is not None
    assert failure.message
    if status:
        assert failure.report.provider_request_id.startswith("req")
    assert (await control.counters())["total"]["started"] == 1  # the library retries nothing


async def test_an_answer_after_the_timeout_is_a_timeout(model: ModelClient, control: ControlClient) -> None:
    await control.script(Rule(hold="for ever"))

    failure = await model.call(model_call(), 0.1)

    assert_reason(failure, errors_pb2.ERROR_REASON_LLM_TIMEOUT)


async def test_the_timeout_is_total_however_bytes_trickle_and_closes_the_connection(
    model: ModelClient, control: ControlClient
) -> None:
    await control.script(Rule(trickle_seconds=5))
    began = time.monotonic()

    failure = await model.call(model_call(), 0.3)

    assert_reason(failure, errors_pb2.ERROR_REASON_LLM_TIMEOUT)
    assert time.monotonic() - began < 0.55
    assert (await control.wait({"aborted": 1}, timeout_seconds=0.25))["total"]["aborted"] == 1


async def test_a_refused_connection_is_unavailable_and_no_timeout() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        model = ModelClient(ModelOptions(api_key="sk-offline", base_url=url))
        failure = await model.call(model_call(), 10)
        await model.aclose()

    assert_reason(failure, errors_pb2.ERROR_REASON_LLM_UNAVAILABLE)


async def test_cancelling_closes_the_connection(model: ModelClient, control: ControlClient) -> None:
    await control.script(Rule(hold="for ever"))
    call = asyncio.create_task(model.call(model_call(), 60))
    await control.wait({"held": 1})

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert (await control.wait({"aborted": 1}, timeout_seconds=0.25))["total"]["aborted"] == 1


async def test_a_redirect_to_another_host_is_not_followed(model: ModelClient, control: ControlClient) -> None:
    async with OfflineModel.start() as other:
        await control.script(Rule(redirect=f"{other.base_url}/responses"))

        failure = await model.call(model_call(), 10)

        assert_reason(failure, errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED)
        assert other.desk.counters.snapshot({})["total"]["started"] == 0


async def test_without_a_key_no_call_is_made(offline: OfflineModel) -> None:
    model = ModelClient(ModelOptions(api_key=None, base_url=offline.base_url))

    failure = await model.call(model_call(), 10)
    await model.aclose()

    assert_reason(failure, errors_pb2.ERROR_REASON_LLM_AUTHENTICATION)
    assert isinstance(failure, CallFailure)
    assert failure.report.latency_seconds is None
    snapshot = offline.desk.counters.snapshot({})
    assert (snapshot["total"]["started"], snapshot["refused"]) == (0, 0)


async def test_a_wrong_key_is_an_authentication_failure() -> None:
    async with OfflineModel.start(api_key="sk-right") as offline, opened(offline) as model:
        failure = await model.call(model_call(), 10)

    assert_reason(failure, errors_pb2.ERROR_REASON_LLM_AUTHENTICATION)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after-ms": "1500"}, 1.5), ({}, None)],
    ids=["seconds", "milliseconds", "none"],
)
async def test_the_wait_that_the_provider_asks_for_is_kept(
    model: ModelClient, control: ControlClient, headers: dict[str, str], seconds: float | None
) -> None:
    await control.script(Rule(status=429, headers=headers))

    failure = await model.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert failure.retry_after_seconds == seconds


async def test_tokens_of_a_truncated_answer_are_kept(model: ModelClient, control: ControlClient) -> None:
    await control.script(Rule(incomplete="max_output_tokens"))

    failure = await model.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert failure.report.usage is not None
    assert failure.report.usage.input_tokens > 0
    assert failure.raw_output


@pytest.mark.parametrize("malformed", ["not_json", "wrong_schema"])
async def test_text_that_breaks_the_schema_is_handed_back_and_refused_by_the_reader(
    model: ModelClient, control: ControlClient, malformed: str
) -> None:
    await control.script(Rule.model_validate({"malformed": malformed}))

    answer = await model.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    with pytest.raises(OutputError):
        read_output(PersonaReviewOutput, answer.text)


async def test_a_provider_error_text_never_reaches_the_message(
    model: ModelClient, control: ControlClient
) -> None:
    await control.script(
        Rule(status=400, error_message="secret canary", error_code="bad\ncode canary", error_type="x y")
    )

    failure = await model.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert "canary" not in json.dumps([failure.message, failure.raw_output])


@asynccontextmanager
async def opened(offline: OfflineModel) -> AsyncIterator[ModelClient]:
    client = ModelClient(ModelOptions(api_key="sk-wrong-0123456789", base_url=offline.base_url))
    yield client
    await client.aclose()


def assert_reason(outcome: ModelAnswer | CallFailure, reason: Reason) -> None:
    assert isinstance(outcome, CallFailure)
    assert reason_name(outcome.reason) == reason_name(reason)
