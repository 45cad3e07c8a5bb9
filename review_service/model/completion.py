"""A whole answer of Chat Completions (HTTP 2xx), read into the model's text or what went wrong. Pure.

Read as forgivingly as an answer of the Responses API: what is absent or of another type counts as not said.
"""

from consensus.v1 import errors_pb2
from review_service.model.answer_body import (
    Fields,
    cut_off,
    json_answer,
    no_text,
    not_an_answer,
    refused,
    reported,
)
from review_service.model.faults import failure_of_error
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.model.provider_error import error_in, plain

_API = "Chat Completions"
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"})
_FILTERED = frozenset({"content_filter", "safety", "SAFETY", "refusal"})
_WHOLE = frozenset({"", "stop", "eos", "end_turn", "eos_token", "stop_sequence", "STOP"})


def read_completion(body: bytes, report: CallReport, content_type: str = "") -> ModelAnswer | CallFailure:
    """The model's text, or the failure that the body tells of, with what it says of model and tokens."""
    value = json_answer(body, report, content_type, _API)
    return value if isinstance(value, CallFailure) else read_choices(value, report, body)


def read_choices(value: Fields, report: CallReport, body: bytes) -> ModelAnswer | CallFailure:
    """The same of an answer that is parsed already; `body` is what it was read from."""
    report = reported(report, value)
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return _without_choice(value, report, body)
    if choice.get("error"):
        return failure_of_error(report, error_in(choice["error"]))
    message = choice.get("message")
    return _read(choice, message if isinstance(message, dict) else {}, report)


def _without_choice(value: Fields, report: CallReport, body: bytes) -> CallFailure:
    """An error where the answer should be, or something else altogether."""
    if any(value.get(key) for key in ("error", "errors", "detail", "code", "message")):
        return failure_of_error(report, error_in(value))
    what = "an answer of the Responses API" if "output" in value else "JSON that is no answer"
    return not_an_answer(report, what, body, _API)


def _read(choice: Fields, message: Fields, report: CallReport) -> ModelAnswer | CallFailure:
    """Looks at how the answer ended, then at what it holds."""
    words, text = message.get("refusal"), _text(message.get("content"))
    if isinstance(words, str) and words:
        return refused(report, "The model refused to answer.", words)
    why = plain(choice.get("finish_reason"))
    if why in _CUT:
        return cut_off(report, text)
    if why in _FILTERED:
        return refused(report, "The provider's content filter stopped the answer.", "")
    if why not in _WHOLE and not text.strip():
        what = f"The answer holds no text; it ended with {why}."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, what)
    return ModelAnswer(report, text) if text.strip() else no_text(report)


def _text(content: object) -> str:
    """The words of a message: a text, or parts of which those with a text count."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict) and _is_text(part))
    return "".join(text for text in texts if isinstance(text, str))


def _is_text(part: Fields) -> bool:
    return part.get("type") in ("text", "output_text", None)
