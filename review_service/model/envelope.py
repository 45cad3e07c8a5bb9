"""A whole answer of the Responses API (HTTP 2xx), read into the model's text or what went wrong. Pure.

Read as it comes: whatever is absent, null or of another type than the API says counts as not said. Only
what is no answer at all, such as an HTML page or an error object, is taken for the outage that it is.
"""

from collections.abc import Iterator
from itertools import chain

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

_FINAL = "final_answer"
_API = "the Responses API"


def read_envelope(body: bytes, report: CallReport, content_type: str = "") -> ModelAnswer | CallFailure:
    """The model's text, or the failure that the body tells of, with what it says of model and tokens.

    `report` is what is known from the transport; the answer's own id stands in where no request id came.
    """
    value = json_answer(body, report, content_type, _API)
    return value if isinstance(value, CallFailure) else read_response(value, report, body)


def read_response(value: Fields, report: CallReport, body: bytes) -> ModelAnswer | CallFailure:
    """The same of an answer that is parsed already; `body` is what it was read from."""
    report = reported(report, value)
    is_answer = value.get("object") == "response" or not value.keys().isdisjoint(("output", "status"))
    if value.get("error") or not is_answer:
        failure = _of_error(value, report, is_answer=is_answer)
        if failure is not None:
            return failure
    if not is_answer:
        what = "an answer of Chat Completions" if "choices" in value else "JSON that is no answer"
        return not_an_answer(report, what, body, _API)
    return _read(value, report)


def _read(value: Fields, report: CallReport) -> ModelAnswer | CallFailure:
    """Looks at how the answer ended, then at what it holds."""
    parts = list(chain.from_iterable(_parts(message) for message in _counted(value.get("output"))))
    refusals = [text for kind, text in parts if kind == "refusal"]
    text = "".join(text for kind, text in parts if kind != "refusal")
    status = value.get("status")
    if refusals:
        return refused(report, "The model refused to answer.", "".join(refusals))
    if status == "incomplete":
        return _incomplete(value, report, text)
    if status == "failed":
        return failure_of_error(report, error_in(value.get("error")))
    if isinstance(status, str) and status not in ("", "completed"):
        message = f"The provider left the answer {plain(status) or 'unfinished'}."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_UNAVAILABLE, message)
    return ModelAnswer(report, text) if text.strip() else no_text(report)


def _counted(output: object) -> list[Fields]:
    """The messages that are the answer: the final ones where any is called so, else those without a phase.

    Newer models comment on their work in messages of their own before it.
    """
    items = output if isinstance(output, list) else []
    messages: list[Fields] = [each for each in items if isinstance(each, dict) and _is_message(each)]
    final = [each for each in messages if each.get("phase") == _FINAL]
    return final or [each for each in messages if not each.get("phase")]


def _is_message(item: Fields) -> bool:
    """Whether it is a message; some bridges leave its type out."""
    return item.get("type") == "message" or (not item.get("type") and "content" in item)


def _parts(message: Fields) -> Iterator[tuple[str, str]]:
    """What a message holds: (`text` or `refusal`, its words)."""
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield "text", part
        elif isinstance(part, dict):
            words, refusal = part.get("text"), part.get("refusal")
            if part.get("type") == "refusal" or (isinstance(refusal, str) and refusal):
                yield "refusal", refusal if isinstance(refusal, str) else ""
            elif isinstance(words, str) and part.get("type") in ("output_text", "text", None):
                yield "text", words


def _incomplete(value: Fields, report: CallReport, text: str) -> CallFailure:
    """An answer that ended early."""
    details = value.get("incomplete_details")
    why = details.get("reason") if isinstance(details, dict) else None
    if why == "content_filter":
        return refused(report, "The provider's content filter stopped the answer.", "")
    if why == "max_output_tokens":
        return cut_off(report, text)
    message = f"The answer is incomplete ({plain(why) or 'no reason given'})."
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message, raw_output=text)


def _of_error(value: Fields, report: CallReport, *, is_answer: bool) -> CallFailure | None:
    """The error that stands where an answer should; None where none does."""
    if is_answer and value.get("status") in ("completed", "incomplete"):
        return None
    if is_answer and not value.get("error"):
        return None
    is_error = any(value.get(key) for key in ("error", "errors", "detail", "code", "message"))
    return failure_of_error(report, error_in(value)) if is_error else None
