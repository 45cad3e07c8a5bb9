"""What is learnt from refusals in the words of many servers, and from those that teach nothing."""

from dataclasses import replace
from typing import Any

import pytest

from consensus.v1 import errors_pb2
from review_service.model.manner import Manner, first_manner, lesson
from review_service.model.model_call import CallFailure, CallReport
from review_service.model.provider_error import read_error
from review_service.model.routes import Protocol, Route
from tests.support.engine import model_call

ROUTE = Route("default", service_tier="flex", reasoning_effort="low")


def refused(body: str, status: int = 400) -> CallFailure:
    return CallFailure(
        CallReport(http_status=status),
        errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
        "refused",
        provider=read_error(body.encode()),
    )


def taught(body: str, protocol: Protocol = Protocol.CHAT_COMPLETIONS, **changes: Any) -> str:
    """The parameter that a refusal teaches to leave out, or nothing."""
    manner = replace(first_manner(ROUTE, protocol), **changes)
    found = lesson(manner, ROUTE, model_call(), refused(body))
    return found.parameter if found is not None else ""


WORDS = {
    "the provider's, with a parameter": (
        '{"error": {"message": "Unsupported value", "param": "temperature", "code": "unsupported_value"}}',
        "temperature",
    ),
    "the provider's, in words": (
        (
            '{"error": {"message": "Unsupported value: \'temperature\' does not support 0.2 with this model.'
            ' Only the default (1) value is supported."}}'
        ),
        "temperature",
    ),
    "a gateway's": (
        (
            '{"error": {"message": "litellm.UnsupportedParamsError: openai does not support parameters:'
            ' [\'service_tier\'], for model=m", "type": null, "param": null, "code": "400"}}'
        ),
        "service_tier",
    ),
    "of an old endpoint": (
        '{"error": {"message": "Unrecognized request argument supplied: metadata", "code": null}}',
        "metadata",
    ),
    "a framework's": (
        (
            '{"detail": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": "Extra inputs are not'
            ' permitted"}]}'
        ),
        "store",
    ),
    "a framework's, as text": (
        (
            "{\"object\": \"error\", \"message\": \"[{'type': 'extra_forbidden', 'loc': ('body',"
            " 'prompt_cache_key'), 'msg': 'Extra inputs are not permitted'}]\"}"
        ),
        "prompt_cache_key",
    ),
    "of a role": (
        '{"error": {"message": "Unexpected role: system role is not supported by this template"}}',
        "role.system",
    ),
    "of reasoning": (
        '{"error": {"message": "Unsupported parameter: \'reasoning_effort\' is not supported"}}',
        "reasoning_effort",
    ),
    "of the form": (
        "{\"error\": {\"message\": \"'response_format.type' must be 'text' or 'json_object'\"}}",
        "json_schema",
    ),
}


@pytest.mark.parametrize(("body", "parameter"), WORDS.values(), ids=WORDS)
def test_a_parameter_is_known_in_many_words(body: str, parameter: str) -> None:
    assert taught(body) == parameter


NOTHING = {
    "no words": "{}",
    "other words": '{"error": {"message": "Your organization must be verified to use the model store."}}',
    "a page": "<html>Bad request</html>",
    "what is not sent": '{"error": {"message": "Unknown parameter", "param": "top_p"}}',
    "the prompt": '{"error": {"message": "Invalid value", "param": "messages[1].content"}}',
}


@pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)
def test_other_refusals_teach_nothing(body: str) -> None:
    assert taught(body) == ""


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500, 503])
def test_other_statuses_teach_nothing(status: int) -> None:
    body = '{"error": {"message": "Unsupported parameter", "param": "temperature"}}'
    manner = first_manner(ROUTE, Protocol.RESPONSES)

    assert lesson(manner, ROUTE, model_call(), refused(body, status)) is None


@pytest.mark.parametrize("protocol", [Protocol.RESPONSES, Protocol.CHAT_COMPLETIONS])
@pytest.mark.parametrize(
    "param", ["temperature", "max_tokens", "text.format.schema", "messages[0].role", "metadata", "strict"]
)
def test_learning_ends_whatever_a_server_says(protocol: Protocol, param: str) -> None:
    manner, count = first_manner(ROUTE, protocol), 0
    failure = refused(f'{{"error": {{"message": "not supported", "param": "{param}"}}}}')
    while (found := lesson(manner, ROUTE, model_call(), failure)) is not None:
        manner, count = found.manner, count + 1
        assert count <= 8

    assert isinstance(manner, Manner)
    assert len(set(manner.dropped)) == count
