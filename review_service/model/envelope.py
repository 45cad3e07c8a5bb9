"""A whole answer of the Responses API (HTTP 200), read into the model's text or what went wrong. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from consensus.v1 import errors_pb2, panel_pb2
from review_service.model.faults import failure_of_code, plain
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer

_MAX_COUNT = 2**31 - 1


class _ContentPart(BaseModel):
    """A piece of a message: text, or a refusal."""

    type: str = ""
    text: str = ""
    refusal: str = ""


class _OutputItem(BaseModel):
    """A piece of the output; only messages matter, reasoning and tool calls do not."""

    type: str = ""
    content: list[_ContentPart] | None = None


class _Incomplete(BaseModel):
    reason: str | None = None


class _Error(BaseModel):
    code: str | None = None


class Envelope(BaseModel):
    """What is read of an answer; providers may add what they like."""

    model_config = ConfigDict(extra="ignore")

    id: str = ""
    model: str = ""
    status: str | None = None
    incomplete_details: _Incomplete | None = None
    error: _Error | None = None
    output: list[_OutputItem] = []
    usage: Any = None


def read_envelope(body: bytes, report: CallReport) -> ModelAnswer | CallFailure:
    """The model's text, or the failure that the body tells of, with what it says of model and tokens.

    `report` is what is known from the transport; the answer's own id stands in where no request id came.
    """
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return CallFailure(
            report,
            errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
            "The provider's answer is not that of the Responses API.",
            raw_output=body.decode("utf-8", "replace"),
        )
    return _read(envelope, _with_envelope(report, envelope))


def _read(envelope: Envelope, report: CallReport) -> ModelAnswer | CallFailure:
    """Looks at how the answer ended, then at what it holds."""
    texts, is_refusal = _content(envelope)
    text = "".join(texts)
    if is_refusal:
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_REFUSED, "The model refused to answer.")
    if envelope.status == "incomplete":
        return _incomplete(envelope, report, text)
    if envelope.status == "failed":
        return failure_of_code(report, envelope.error.code if envelope.error else None)
    if envelope.status not in (None, "completed"):
        message = f"The provider left the answer {plain(envelope.status) or 'unfinished'}."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_UNAVAILABLE, message)
    if not texts:
        message = "The answer holds no text."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message)
    return ModelAnswer(report, text)


def _content(envelope: Envelope) -> tuple[list[str], bool]:
    """The texts of all messages in order, and whether there is a refusal."""
    parts = [part for item in envelope.output for part in item.content or () if item.type == "message"]
    texts = [part.text for part in parts if part.type == "output_text"]
    return texts, any(part.type == "refusal" for part in parts)


def _incomplete(envelope: Envelope, report: CallReport, text: str) -> CallFailure:
    """An answer that ended early."""
    why = (envelope.incomplete_details.reason if envelope.incomplete_details else None) or ""
    if why == "content_filter":
        message = "The provider's content filter stopped the answer."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_REFUSED, message)
    if why == "max_output_tokens":
        message = "The answer was cut off at the cap on output tokens."
        reason = errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT
        return CallFailure(report, reason, message, raw_output=text)
    message = f"The answer is incomplete ({plain(why) or 'no reason given'})."
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message, raw_output=text)


def _with_envelope(report: CallReport, envelope: Envelope) -> CallReport:
    return CallReport(
        latency_seconds=report.latency_seconds,
        http_status=report.http_status,
        provider_request_id=report.provider_request_id or plain(envelope.id),
        answered_model=plain(envelope.model),
        usage=_usage(envelope.usage),
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


def _detail(usage: dict[str, Any], group: str, key: str) -> int:
    details = usage.get(group)
    return _count(details.get(key)) if isinstance(details, dict) else 0


def _count(value: object) -> int:
    """A count within what can be recorded."""
    return min(max(value, 0), _MAX_COUNT) if isinstance(value, int) else 0
