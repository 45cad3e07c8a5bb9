"""The answer of the Responses API as providers write it: read where it can be, an outage where it is none."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus_contract.errors import reason_name
from review_service.model.envelope import read_envelope
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from tests.support.raw_provider import envelope

REPORT = CallReport(http_status=200)
WHOLE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-5.1",
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "phase": None,
            "content": [{"type": "output_text", "text": "{}", "annotations": [], "refusal": None}],
        },
    ],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
    },
}


def read(value: object, **options: str) -> ModelAnswer | CallFailure:
    return read_envelope(json.dumps(value).encode(), REPORT, **options)


def text_of(value: object) -> str:
    answer = read(value)
    assert isinstance(answer, ModelAnswer), answer
    return answer.text


def failure_of(outcome: ModelAnswer | CallFailure) -> tuple[str, str]:
    assert isinstance(outcome, CallFailure)
    return reason_name(outcome.reason), outcome.cause


def said(text: str, phase: object = None) -> dict[str, object]:
    item: dict[str, object] = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return item if phase is None else item | {"phase": phase}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([said("Let me see.", "commentary"), said("{}", "final_answer")], "{}"),
        ([said("{}", "final_answer"), said("Done.", "commentary")], "{}"),
        ([said("Let me see.", "commentary"), said("{}")], "{}"),
        ([said("Let me see."), said("{}", "final_answer")], "{}"),
        ([said('{"a":', "final_answer"), said(" 1}", "final_answer")], '{"a": 1}'),
        ([said('{"a":'), said(" 1}")], '{"a": 1}'),
    ],
    ids=["before it", "after it", "without a phase", "final among others", "final in two", "two without"],
)
def test_only_the_final_answer_counts_else_what_has_no_phase(messages: list[object], text: str) -> None:
    assert text_of({"output": messages}) == text


def test_commentary_alone_is_no_answer_of_the_model() -> None:
    outcome = read({"output": [said("Let me see.", "commentary")]})

    assert failure_of(outcome)[0] == "LLM_INVALID_OUTPUT"


@pytest.mark.parametrize("field", ["id", "model", "status", "error", "incomplete_details", "usage"])
@pytest.mark.parametrize("value", [None, 7, "", [], {}], ids=["null", "number", "blank", "list", "object"])
def test_what_stands_beside_the_text_may_be_anything(field: str, value: object) -> None:
    assert text_of(WHOLE | {field: value}) == "{}"


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        ["{}"],
        [{"text": "{}"}],
        [{"type": "text", "text": "{}"}],
        [{"type": "output_text", "text": None}, {"type": "output_text", "text": "{}", "refusal": None}],
        [None, 3, {"type": "output_text", "text": "{}"}],
    ],
    ids=["a string", "strings", "no type", "text", "null text and refusal", "oddities beside it"],
)
def test_content_is_read_in_all_its_forms(content: object) -> None:
    assert text_of({"output": [{"type": "message", "content": content}]}) == "{}"
    assert text_of({"output": [{"role": "assistant", "content": content}]}) == "{}"


def test_a_lone_surrogate_in_the_text_is_the_models_fault_not_the_providers() -> None:
    assert text_of(envelope("\ud800")) == "\ud800"
    assert text_of(WHOLE | {"id": "\ud800"}) == "{}"


def test_a_byte_order_mark_before_the_envelope_is_no_matter() -> None:
    assert isinstance(read_envelope(b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), REPORT), ModelAnswer)


@pytest.mark.parametrize("output", [None, [], {}, "x", 7, [None], [said("  ")], [{"type": "message"}]])
def test_an_answer_without_text_is_invalid_output(output: object) -> None:
    assert failure_of(read(WHOLE | {"output": output}))[0] == "LLM_INVALID_OUTPUT"


@pytest.mark.parametrize(
    ("body", "content_type", "cause"),
    [
        (b"", "", "empty_body"),
        (b" \r\n", "application/json", "empty_body"),
        (b"<!DOCTYPE html><html>", "", "html_page"),
        (b"<h1>Bad gateway</h1>", "text/html; charset=utf-8", "html_page"),
        (b"event: response.created\ndata: {}\n\n", "", "event_stream"),
        (b": ping\n\ndata: {}\n\n", "text/event-stream", "event_stream"),
        (json.dumps(WHOLE).encode()[:-9], "application/json", "broken_json"),
        (b"Bad gateway", "text/plain", "no_answer"),
        (b"[]", "application/json", "no_answer"),
        (b"{}", "application/json", "no_answer"),
        (b'{"choices": []}', "application/json", "no_answer"),
        (b"[" * 200_000, "application/json", "no_answer"),
        (b'{"output": ' * 200_000, "application/json", "broken_json"),
    ],
)
def test_what_is_no_answer_is_an_outage(body: bytes, content_type: str, cause: str) -> None:
    assert failure_of(read_envelope(body, REPORT, content_type)) == ("LLM_UNAVAILABLE", cause)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, "LLM_RATE_LIMITED"),
        ({"error": {"type": "insufficient_quota", "code": None}}, "LLM_QUOTA_EXHAUSTED"),
        ({"error": {"type": "budget_exceeded", "code": "400"}}, "LLM_QUOTA_EXHAUSTED"),
        ({"error": {"code": 429, "message": "slow"}}, "LLM_RATE_LIMITED"),
        ({"error": {"code": 401}}, "LLM_AUTHENTICATION"),
        ({"error": {"code": 402}}, "LLM_QUOTA_EXHAUSTED"),
        ({"error": {"code": "503"}}, "LLM_UNAVAILABLE"),
        ({"error": {"code": 10**30}}, "LLM_UNAVAILABLE"),
        ({"error": {"code": True}}, "LLM_UNAVAILABLE"),
        ({"error": "overloaded"}, "LLM_UNAVAILABLE"),
        ({"error": ["overloaded"]}, "LLM_UNAVAILABLE"),
        ({"code": "invalid_prompt", "message": "no"}, "LLM_REQUEST_REJECTED"),
        ({"detail": "overloaded"}, "LLM_UNAVAILABLE"),
        ({"object": "error", "message": "no", "type": "invalid_request_error"}, "LLM_REQUEST_REJECTED"),
        ({"status": "failed", "error": {"code": "bio_policy"}}, "LLM_REFUSED"),
        ({"status": "failed", "error": {"code": "misalignment_policy_violation"}}, "LLM_REFUSED"),
        ({"status": "failed", "error": {"code": "billing_not_active"}}, "LLM_QUOTA_EXHAUSTED"),
        ({"status": "failed", "error": {"code": "context_length_exceeded"}}, "LLM_CONTEXT_TOO_LONG"),
        ({"status": "failed", "error": None}, "LLM_UNAVAILABLE"),
        ({"status": "failed", "error": 5}, "LLM_UNAVAILABLE"),
    ],
)
def test_an_error_in_the_body_is_told_by_its_code(body: object, reason: str) -> None:
    assert failure_of(read(body))[0] == reason


def test_the_words_of_a_refusal_stand_with_it() -> None:
    part = {"type": "refusal", "refusal": "I cannot\u202e help\x1b[31m with that."}

    outcome = read({"output": [{"type": "message", "content": [part]}]})

    assert failure_of(outcome)[0] == "LLM_REFUSED"
    assert isinstance(outcome, CallFailure)
    assert outcome.provider.message == "I cannot help [31m with that."
    assert "cannot" not in outcome.message


def test_a_model_that_answers_and_then_refuses_has_refused() -> None:
    content = [{"type": "output_text", "text": "{}"}, {"type": "refusal", "refusal": None}]

    assert failure_of(read({"output": [{"type": "message", "content": content}]}))[0] == "LLM_REFUSED"


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in the envelope."""
    if path:
        yield path
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*path, key))


def changed(path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """The envelope with one place of it made into something else."""
    whole = copy.deepcopy(WHOLE)
    inner: Any = whole
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return whole


def marked(path: tuple[str | int, ...], put: bytes) -> bytes:
    """The envelope with these bytes at one place of it."""
    marker = "\x01here"
    whole = json.dumps(changed(path, lambda inner, key: inner.__setitem__(key, marker)))
    return whole.encode().replace(json.dumps(marker).encode(), put)


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from(["\ud800", "\udfff\ud800", "\0", "final_answer", "refusal", "failed", "x" * 5_000]),
    st.sampled_from([[], {}, [[]] * 2_000, {str(n): n for n in range(2_000)}, 2**63, 10**400, 429, -1]),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=9),
)
ODD = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"9" * 5_001, b"-" + b"9" * 5_001, b"1e999", b"-0.0", deep(150), deep(100_000)]),
    st.sampled_from([b"\xff", b'"\xed\xa0\x80"', b"", b"]"]),
)
PLACES = list(places(WHOLE))


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
@given(odd=ODD)
def test_nothing_that_stands_anywhere_in_it_raises(path: tuple[str | int, ...], odd: bytes) -> None:
    assert_bounded(read_envelope(marked(path, odd), REPORT))


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_nothing_that_is_absent_raises(path: tuple[str | int, ...]) -> None:
    assert_bounded(read(changed(path, lambda inner, key: inner.__delitem__(key))))


@given(body=st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    assert_bounded(read_envelope(body, REPORT))


def assert_bounded(outcome: ModelAnswer | CallFailure) -> None:
    report = outcome.report
    assert max(len(report.provider_request_id), len(report.answered_model)) <= 200
    if isinstance(outcome, CallFailure):
        assert 0 < len(outcome.message) <= 1_000
        outcome.message.encode()
        said = outcome.provider
        assert max(map(len, (said.code, said.kind, said.param, said.message))) <= 1_000
        said.message.encode()
