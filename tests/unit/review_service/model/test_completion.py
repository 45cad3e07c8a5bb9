"""Answers of Chat Completions, whole and in pieces, as servers write them and as nobody should."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus_contract.errors import reason_name
from review_service.model.completion import read_completion
from review_service.model.event_stream import is_stream, read_stream
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.model.routes import Protocol

REPORT = CallReport(http_status=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(value: object) -> ModelAnswer | CallFailure:
    return read_completion(json.dumps(value).encode(), REPORT)


def choice(finish_reason: Any = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": finish_reason, "message": message}]}


@pytest.mark.parametrize(
    "value",
    [
        choice(content="{}"),
        choice(content=[{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]),
        choice(None, content="{}"),
        choice("eos", content="{}", reasoning_content="I think."),
        choice("tool_calls", content="{}"),
    ],
)
def test_the_text_is_read_in_all_its_forms(value: object) -> None:
    outcome = read(value)

    assert isinstance(outcome, ModelAnswer)
    assert outcome.text == "{}"


@pytest.mark.parametrize(
    ("value", "reason", "cause"),
    [
        (choice("length", content="{"), "LLM_TRUNCATED_OUTPUT", ""),
        (choice("content_filter", content="{"), "LLM_REFUSED", ""),
        (choice(refusal="I cannot."), "LLM_REFUSED", ""),
        (choice(content=" "), "LLM_INVALID_OUTPUT", ""),
        (choice("tool_calls", content=None), "LLM_INVALID_OUTPUT", ""),
        ({"choices": [{"error": {"code": 429, "message": "slow"}}]}, "LLM_RATE_LIMITED", ""),
        ({"choices": [], "error": {"code": "bio_policy"}}, "LLM_REFUSED", ""),
        ({"error": {"code": "insufficient_quota"}}, "LLM_QUOTA_EXHAUSTED", "quota"),
        ({"object": "response", "output": []}, "LLM_UNAVAILABLE", "no_answer"),
        ({}, "LLM_UNAVAILABLE", "no_answer"),
    ],
)
def test_what_went_wrong_is_told_apart(value: object, reason: str, cause: str) -> None:
    outcome = read(value)

    assert isinstance(outcome, CallFailure)
    assert (reason_name(outcome.reason), outcome.cause) == (reason, cause)


def test_tokens_are_counted_in_the_words_of_this_protocol_and_of_gateways() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
    }

    found = read(choice(content="{}") | {"usage": usage, "model": "m", "id": "c-1"}).report

    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.reasoning_tokens) == (100, 20, 5)
    assert (found.usage.cached_tokens, found.usage.cache_write_tokens) == (60, 30)
    assert (found.answered_model, found.provider_request_id) == ("m", "c-1")


@given(JSON, JSON, JSON)
def test_nothing_that_stands_in_it_raises(content: object, other: object, usage: object) -> None:
    read(
        {
            "choices": [{"message": {"content": content, "refusal": other}, "finish_reason": other}],
            "usage": usage,
        }
    )
    read({"choices": [other, content], "error": usage})
    read({"choices": other, "usage": usage})


def events(*values: object) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


@given(st.lists(JSON, max_size=4), st.binary(max_size=40), st.sampled_from(list(Protocol)))
def test_no_stream_raises(values: list[object], odd: bytes, protocol: Protocol) -> None:
    streamed = read_stream(events(*values) + b"data: " + odd, protocol)

    assert streamed.text == "" or isinstance(streamed.text, str)


def test_a_stream_of_the_responses_api_that_does_not_repeat_the_text_at_its_end() -> None:
    body = events(
        {"type": "response.output_text.delta", "delta": "{"},
        {"type": "response.output_text.delta", "delta": "}"},
        {"type": "response.completed", "response": {"status": "completed", "output": []}},
    )

    streamed = read_stream(body, Protocol.RESPONSES)

    assert streamed.whole is not None
    assert streamed.text == "{}"
    assert json.dumps(streamed.whole["output"]).count("{}") == 1


@pytest.mark.parametrize(
    ("protocol", "last"),
    [
        (Protocol.RESPONSES, {"type": "error", "code": "server_error", "message": "no"}),
        (Protocol.CHAT_COMPLETIONS, {"error": {"code": "server_error", "message": "no"}}),
    ],
)
def test_an_error_amid_a_stream_is_its_end(protocol: Protocol, last: object) -> None:
    streamed = read_stream(events(last), protocol)

    assert streamed.whole is not None
    assert streamed.whole["error"]


def test_a_stream_is_known_by_its_type_or_its_beginning() -> None:
    assert is_stream(b"", "text/event-stream; charset=utf-8")
    assert is_stream(b"data: {}", "")
    assert not is_stream(b'{"data": 1}', "application/json")
