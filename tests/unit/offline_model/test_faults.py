"""Every fault of the script, as the openai package sees it."""

import asyncio
import json
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from offline_model.control_client import ControlClient, ControlError
from offline_model.script import Rule
from offline_model.server import OfflineModel


async def test_a_status_comes_with_its_headers_and_error(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(
        Rule(
            status=429,
            headers={"retry-after": "7"},
            error_code="insufficient_quota",
            error_message="Out of money.",
        )
    )

    with pytest.raises(openai.RateLimitError) as failed:
        await client.responses.create(**asking.expansion())

    assert failed.value.code == "insufficient_quota"
    assert failed.value.response.headers["retry-after"] == "7"
    assert failed.value.request_id is not None
    assert "Out of money." in str(failed.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_each_status_is_the_packages_own_error(
    client: AsyncOpenAI, control: ControlClient, asking: Any, status: int, error: type[openai.APIStatusError]
) -> None:
    await control.script(Rule(status=status))

    with pytest.raises(error) as failed:
        await client.responses.create(**asking.expansion())

    assert failed.value.status_code == status


@pytest.mark.parametrize("cut_off", ["before_headers", "reset", 0, 40])
async def test_a_cut_off_answer_is_a_connection_error(
    client: AsyncOpenAI, control: ControlClient, asking: Any, cut_off: Any
) -> None:
    await control.script(Rule(cut_off=cut_off))

    with pytest.raises(openai.APIConnectionError):
        await client.responses.create(**asking.expansion())

    [call] = (await control.wait({"cut_off": 1}))["calls"]
    assert (call["started"], call["answered"], call["aborted"], call["in_flight"]) == (1, 0, 0, 0)


async def test_a_reset_is_seen_as_a_reset(model: OfflineModel, control: ControlClient) -> None:
    await control.script(Rule(cut_off="reset"))
    reader, writer = await asyncio.open_connection(model.host, model.port)
    body = json.dumps({"model": "m", "input": "tea"})
    head = f"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: {len(body)}"
    writer.write(f"{head}\r\n\r\n{body}".encode())

    with pytest.raises(ConnectionResetError):
        await reader.read()

    writer.close()


async def test_malformed_output_that_is_no_json(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(malformed="not_json"))

    response = await client.responses.create(**asking.expansion())

    assert response.status == "completed"
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.output_text)


async def test_malformed_output_of_another_schema(control: ControlClient, asking: Any, answered: Any) -> None:
    await control.script(Rule(malformed="wrong_schema"))

    assert "problem_statement" not in await answered(asking.expansion())


@pytest.mark.parametrize("malformed", ["truncated_http_body", "html_body"])
async def test_a_body_that_is_no_response_object(
    client: AsyncOpenAI, control: ControlClient, asking: Any, malformed: Any
) -> None:
    await control.script(Rule(malformed=malformed))

    raw = await client.responses.with_raw_response.create(**asking.expansion())

    assert raw.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw.text)


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_an_incomplete_answer_has_its_reason_and_cut_text(
    client: AsyncOpenAI, control: ControlClient, asking: Any, reason: Any
) -> None:
    await control.script(Rule(incomplete=reason))

    response = await client.responses.create(**asking.expansion())

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason
    assert response.usage is not None
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.output_text)


async def test_a_refusal_is_a_refusal_part(client: AsyncOpenAI, control: ControlClient, asking: Any) -> None:
    await control.script(Rule(refusal="I can't help with that."))

    response = await client.responses.create(**asking.expansion())

    [item] = response.output
    assert item.type == "message"
    [part] = item.content
    assert part.type == "refusal"
    assert part.refusal == "I can't help with that."


async def test_a_failed_response_has_its_error(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(failed="server_error"))

    response = await client.responses.create(**asking.expansion())

    assert response.status == "failed"
    assert response.error is not None
    assert response.error.code == "server_error"
    assert response.output == []


async def test_an_override_is_the_output_literally(
    control: ControlClient, asking: Any, answered: Any
) -> None:
    await control.script(Rule(override={"confidence_score": 0.8, "persona": "optimist"}))

    assert await answered(asking.review("critic")) == {"confidence_score": 0.8, "persona": "optimist"}


async def test_a_trickle_arrives_whole_but_slowly(
    client: AsyncOpenAI, control: ControlClient, asking: Any, answered: Any
) -> None:
    expected = await answered(asking.expansion())
    await control.script(Rule(trickle_seconds=0.3))
    began = time.monotonic()

    assert await answered(asking.expansion()) == expected
    assert time.monotonic() - began >= 0.3


async def test_a_delay_comes_before_the_answer(control: ControlClient, asking: Any, answered: Any) -> None:
    await control.script(Rule(delay_seconds=0.2))
    began = time.monotonic()

    await answered(asking.expansion())

    assert time.monotonic() - began >= 0.2


async def test_a_redirect_leads_to_the_other_host(
    control: ControlClient, asking: Any, model: OfflineModel
) -> None:
    async with OfflineModel.start() as other:
        await control.script(Rule(redirect=f"{other.base_url}/responses"))
        async with AsyncOpenAI(
            api_key="k",
            base_url=model.base_url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        ) as client:
            with pytest.raises(openai.APIStatusError) as redirected:
                await client.responses.create(**asking.expansion(), extra_headers={})

    assert redirected.value.status_code == 307
    assert redirected.value.response.headers["location"] == f"{other.base_url}/responses"


async def test_a_held_answer_waits_until_it_is_released(
    control: ControlClient, asking: Any, answered: Any
) -> None:
    await control.script(Rule(persona="optimist", hold="gate"))
    held = asyncio.create_task(answered(asking.review("optimist")))
    await control.wait({"held": 1}, persona="optimist")

    others = await asyncio.gather(*(answered(asking.review(p)) for p in ("architect", "critic")))

    assert len(others) == 2
    assert not held.done()
    await control.release("gate")
    assert "confidence_score" in await held


async def test_a_reset_lets_go_what_is_held(control: ControlClient, asking: Any, answered: Any) -> None:
    await control.script(Rule(hold="gate"))
    held = asyncio.create_task(answered(asking.expansion()))
    await control.wait({"held": 1})

    await control.reset()

    assert "problem_statement" in await held


async def test_a_fault_in_a_stream_cuts_the_stream(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(cut_off=900))

    with pytest.raises(openai.APIConnectionError):
        async for _ in await client.responses.create(**asking.expansion(), stream=True):
            pass


@pytest.mark.parametrize(
    "rule",
    [
        Rule(run_id="run-2", status=500),
        Rule(step="review_critic", status=500),
        Rule(persona="critic", status=500),
        Rule(attempt=2, status=500),
        Rule(contains="never mentioned", status=500),
    ],
    ids=["run_id", "step", "persona", "attempt", "contains"],
)
async def test_a_rule_leaves_other_calls_alone(
    control: ControlClient, asking: Any, answered: Any, rule: Rule
) -> None:
    await control.script(rule)

    assert "problem_statement" in await answered(asking.expansion())


async def test_a_rule_meets_the_call_that_it_names(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(run_id="run-1", step="review_critic", persona="critic", attempt=2, status=500))

    await client.responses.create(**asking.review("critic"))
    with pytest.raises(openai.InternalServerError):
        await client.responses.create(**asking.review("critic", attempt=2))


async def test_a_rule_fires_as_often_as_it_says_and_then_the_next_one_does(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(times=2, status=503), Rule(times=1, status=429))

    seen = []
    for _ in range(4):
        try:
            await client.responses.create(**asking.expansion())
            seen.append(200)
        except openai.APIStatusError as error:
            seen.append(error.status_code)

    assert seen == [503, 503, 429, 200]


async def test_a_rule_with_an_unknown_field_is_refused(model: OfflineModel) -> None:
    async with openai.DefaultAioHttpClient() as http:
        response = await http.post(f"{model.control_url}/control/script", json=[{"personna": "critic"}])

    assert response.status_code == 400
    assert "personna" in response.text


async def test_waiting_in_vain_says_so(control: ControlClient) -> None:
    with pytest.raises(ControlError, match="408"):
        await control.wait({"started": 1}, timeout_seconds=0.05)
