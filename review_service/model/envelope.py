"""A whole answer of the Responses API (HTTP 2xx), read into the model's text or what went wrong. Pure.

Read as it comes: whatever is absent, null or of another type than the API says counts as not said. Only
what is no answer at all, such as an HTML page or an error object, is taken for the outage that it is.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from consensus.v1 import errors_pb2, panel_pb2
from review_service.model.faults import failure_of_error
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.model.provider_error import ProviderError, clean, error_in, plain, read_json

_MAX_COUNT = 2**31 - 1
_FINAL = "final_answer"

Fields = Mapping[str, object]


def read_envelope(body: bytes, report: CallReport, content_type: str = "") -> ModelAnswer | CallFailure:
    """The model's text, or the failure that the body tells of, with what it says of model and tokens.

    `report` is what is known from the transport; the answer's own id stands in where no request id came.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        return _no_answer(report, body, content_type)
    report = _with_envelope(report, value)
    is_answer = value.get("object") == "response" or not value.keys().isdisjoint(("output", "status"))
    if value.get("error") or not is_answer:
        failure = _of_error(value, report, is_answer=is_answer)
        if failure is not None:
            return failure
    if not is_answer:
        what = "an answer of Chat Completions" if "choices" in value else "JSON that is no answer"
        return _outage(report, what, body)
    return _read(value, report)


def _read(value: Fields, report: CallReport) -> ModelAnswer | CallFailure:
    """Looks at how the answer ended, then at what it holds."""
    parts = list(chain.from_iterable(_parts(message) for message in _counted(value.get("output"))))
    refusals = [text for kind, text in parts if kind == "refusal"]
    text = "".join(text for kind, text in parts if kind != "refusal")
    status = value.get("status")
    if refusals:
        return _refused(report, "The model refused to answer.", "".join(refusals))
    if status == "incomplete":
        return _incomplete(value, report, text)
    if status == "failed":
        return failure_of_error(report, error_in(value.get("error")))
    if isinstance(status, str) and status not in ("", "completed"):
        message = f"The provider left the answer {plain(status) or 'unfinished'}."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_UNAVAILABLE, message)
    if not text.strip():
        message = "The answer holds no text."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message)
    return ModelAnswer(report, text)


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
        return _refused(report, "The provider's content filter stopped the answer.", "")
    if why == "max_output_tokens":
        message = "The answer was cut off at the cap on output tokens."
        reason = errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT
        return CallFailure(report, reason, message, raw_output=text)
    message = f"The answer is incomplete ({plain(why) or 'no reason given'})."
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message, raw_output=text)


def _refused(report: CallReport, message: str, words: str) -> CallFailure:
    return CallFailure(
        report, errors_pb2.ERROR_REASON_LLM_REFUSED, message, provider=ProviderError(message=clean(words))
    )


def _of_error(value: Fields, report: CallReport, *, is_answer: bool) -> CallFailure | None:
    """The error that stands where an answer should; None where none does."""
    if is_answer and value.get("status") in ("completed", "incomplete"):
        return None
    if is_answer and not value.get("error"):
        return None
    is_error = any(value.get(key) for key in ("error", "errors", "detail", "code", "message"))
    return failure_of_error(report, error_in(value)) if is_error else None


def _no_answer(report: CallReport, body: bytes, content_type: str) -> CallFailure:
    """A body that is no JSON object: an outage, whatever its status says."""
    start = body[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start:
        return _outage(report, "an empty body", body, "empty_body")
    if start.startswith((b"<!doctype", b"<html")) or "html" in content_type.lower():
        return _outage(report, "an HTML page", body, "html_page")
    if start.startswith((b"event:", b"data:")) or "event-stream" in content_type.lower():
        return _outage(report, "a stream of events, which was not asked for", body, "event_stream")
    if start.startswith(b"{"):
        return _outage(report, "JSON that is broken, cut off or of too many parts", body, "broken_json")
    return _outage(report, "no JSON object", body)


def _outage(report: CallReport, what: str, body: bytes, cause: str = "no_answer") -> CallFailure:
    return CallFailure(
        report,
        errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
        f"The provider answered {report.http_status} with {what}, not an answer of the Responses API.",
        raw_output=body.decode("utf-8", "replace"),
        cause=cause,
    )


def _with_envelope(report: CallReport, value: Fields) -> CallReport:
    return replace(
        report,
        provider_request_id=report.provider_request_id or plain(value.get("id")),
        answered_model=plain(value.get("model")),
        usage=_usage(value.get("usage")),
    )


def _usage(usage: object) -> panel_pb2.TokenUsage | None:
    """Token counts; what is missing or makes no sense counts as 0, and no usage at all is None."""
    if not isinstance(usage, dict):
        return None
    return panel_pb2.TokenUsage(
        input_tokens=_count(usage.get("input_tokens")),
        cached_tokens=_detail(usage, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=_detail(usage, "input_tokens_details", "cache_write_tokens"),
        output_tokens=_count(usage.get("output_tokens")),
        reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
    )


def _detail(usage: Fields, group: str, key: str) -> int:
    details = usage.get(group)
    return _count(details.get(key)) if isinstance(details, dict) else 0


def _count(value: object) -> int:
    """A count within what can be recorded; a whole number may be written as 12.0."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), _MAX_COUNT)
