"""A server that does not keep to HTTP or to the API: a failure with a reason, never an exception."""

import pytest

from consensus_contract.errors import reason_name
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.model_call import CallFailure, ModelAnswer
from review_service.model.routes import Price, Route, Routes
from tests.support.engine import model_call
from tests.support.raw_provider import answering, http, message, serving


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "LLM_UNAVAILABLE"),
        (b"garbage\r\n\r\n", "LLM_UNAVAILABLE"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "LLM_UNAVAILABLE"),
        (http(b"no gzip", "Content-Encoding: gzip"), "LLM_UNAVAILABLE"),
        (http(b""), "LLM_UNAVAILABLE"),
        (http(b"null"), "LLM_UNAVAILABLE"),
        (http(b"\xff\xfe\x00"), "LLM_UNAVAILABLE"),
        (http(b"[" * 200_000), "LLM_UNAVAILABLE"),
        (http(b"{}", "Content-Type: application/json; charset=nonsense"), "LLM_UNAVAILABLE"),
        (http(b'{"output": 7}'), "LLM_INVALID_OUTPUT"),
        (http(b'{"id": "\\ud800"}'), "LLM_UNAVAILABLE"),
        (message(status="in_progress"), "LLM_UNAVAILABLE"),
        (message(status="failed", error=None), "LLM_UNAVAILABLE"),
        (message(status="incomplete", incomplete_details={"reason": "max_messages"}), "LLM_INVALID_OUTPUT"),
        (http(b"[" * 200_000, status="502 Bad Gateway"), "LLM_UNAVAILABLE"),
        (http(b"\xff\xfe", status="400 Bad Request"), "LLM_REQUEST_REJECTED"),
        (http(b'{"error": {"code": 7, "type": []}}', status="429 Slow"), "LLM_RATE_LIMITED"),
        (http(b'{"error": "no"}', status="599 What"), "LLM_UNAVAILABLE"),
        (http(b"", "Location: http://127.0.0.1:9/", status="302 Found"), "LLM_REQUEST_REJECTED"),
        (http(b"", status="304 Not Modified"), "LLM_REQUEST_REJECTED"),
    ],
    ids=[
        "nothing", "no HTTP", "bad chunk", "bad gzip", "empty", "null", "no UTF-8", "deep", "odd charset",
        "odd output", "lone surrogate", "in progress", "failed without an error", "incomplete otherwise",
        "deep error", "error not UTF-8", "odd error", "odd status", "redirect", "not modified",
    ],
)  # fmt: skip
async def test_odd_answers_are_failures_with_a_reason(raw: bytes, reason: str) -> None:
    async with answering(raw) as model:
        failure = await model.call(model_call(), 5)

    assert isinstance(failure, CallFailure)
    assert reason_name(failure.reason) == reason


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, None),
        ("many", None),
        ({}, (0, 0, 0, 0, 0)),
        ({"input_tokens": -1, "output_tokens": 2**40}, (0, 0, 0, 2**31 - 1, 0)),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 5},
            },
            (9, 4, 3, 7, 5),
        ),
        ({"input_tokens": "9", "input_tokens_details": 4, "output_tokens": 1.5}, (0, 0, 0, 0, 0)),
    ],
    ids=["none", "no object", "empty", "beyond what is recorded", "all of it", "of other types"],
)
async def test_tokens_are_taken_where_they_make_sense(usage: object, tokens: tuple[int, ...] | None) -> None:
    async with answering(message(usage=usage)) as model:
        answer = await model.call(model_call(), 5)

    assert isinstance(answer, ModelAnswer)
    counted = answer.report.usage
    fields = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    assert (counted and tuple(getattr(counted, field) for field in fields)) == tokens


@pytest.mark.parametrize(
    ("raw", "is_known"),
    [
        (message(usage={"input_tokens": 9, "output_tokens": 7}), True),
        (message(usage={"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 9}), True),
        (message(usage={}), False),
        (message(usage={"promptTokenCount": 9, "candidatesTokenCount": 7}), False),
        (message(usage={"input_tokens": 0, "output_tokens": 7}), False),
    ],
    ids=["counted", "from the cache", "nothing", "in other words", "no prompt"],
)
async def test_an_answer_whose_prompt_was_not_counted_does_not_cost_nothing(
    raw: bytes, is_known: bool
) -> None:
    async with serving(raw) as port:
        price = Price("USD", 1_250_000, 10_000_000, 125_000, 1_562_500)
        route = Route("default", base_url=f"http://127.0.0.1:{port}/v1", key="sk-offline", price=price)
        model = ModelClient(ModelOptions(routes=Routes([route])))
        outcome = await model.call(model_call(), 5)
        await model.aclose()
    assert (outcome.report.cost is not None) is is_known


async def test_names_that_look_like_none_are_dropped() -> None:
    async with answering(message(id="r\n1", model="x" * 300)) as model:
        answer = await model.call(model_call(), 5)

    assert answer.report.provider_request_id == ""
    assert answer.report.answered_model == ""


@pytest.mark.parametrize(("bypassed", "is_used"), [("", True), ("127.0.0.2", False)])
async def test_a_proxy_of_the_environment_is_used_unless_the_host_is_left_out(
    monkeypatch: pytest.MonkeyPatch, bypassed: str, is_used: bool
) -> None:
    asked: list[str] = []
    async with serving(message(), asked) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", bypassed)
        model = ModelClient(ModelOptions(api_key="sk-offline", base_url="http://127.0.0.2:9/v1"))
        outcome = await model.call(model_call(), 5)
        await model.aclose()

    assert isinstance(outcome, ModelAnswer) == is_used
    assert asked == (["POST http://127.0.0.2:9/v1/responses HTTP/1.1"] if is_used else [])
