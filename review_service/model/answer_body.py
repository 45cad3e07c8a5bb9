"""What answers of both protocols have in common: JSON or an outage, tokens, and the ways of ending. Pure."""

import math
from collections.abc import Mapping
from dataclasses import replace

from consensus.v1 import errors_pb2, panel_pb2
from review_service.model.model_call import CallFailure, CallReport
from review_service.model.provider_error import ProviderError, clean, plain, read_json

_MAX_COUNT = 2**31 - 1

Fields = Mapping[str, object]


def json_answer(body: bytes, report: CallReport, content_type: str, api: str) -> Fields | CallFailure:
    """The JSON object that a body is, or the outage that it is instead, whatever its status says."""
    value = read_json(body)
    if isinstance(value, dict):
        return value
    start = body[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start:
        return not_an_answer(report, "an empty body", body, api, "empty_body")
    if start.startswith((b"<!doctype", b"<html")) or "html" in content_type.lower():
        return not_an_answer(report, "an HTML page", body, api, "html_page")
    if start.startswith((b"event:", b"data:")) or "event-stream" in content_type.lower():
        what = "a stream of events, which was not asked for"
        return not_an_answer(report, what, body, api, "event_stream")
    if start.startswith(b"{"):
        what = "JSON that is broken, cut off or of too many parts"
        return not_an_answer(report, what, body, api, "broken_json")
    return not_an_answer(report, "no JSON object", body, api)


def not_an_answer(
    report: CallReport, what: str, body: bytes, api: str, cause: str = "no_answer"
) -> CallFailure:
    """An outage: something else than an answer came."""
    return CallFailure(
        report,
        errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
        f"The provider answered {report.http_status} with {what}, not an answer of {api}.",
        raw_output=body.decode("utf-8", "replace"),
        cause=cause,
    )


def refused(report: CallReport, message: str, words: str) -> CallFailure:
    """The model, or a filter behind it, did not want to answer."""
    return CallFailure(
        report, errors_pb2.ERROR_REASON_LLM_REFUSED, message, provider=ProviderError(message=clean(words))
    )


def cut_off(report: CallReport, text: str) -> CallFailure:
    """The answer ended at the cap; where nothing but reasoning came, that is said."""
    message, cause = "The answer was cut off at the cap on output tokens.", ""
    usage = report.usage
    if usage is not None and usage.reasoning_tokens and not text.strip():
        message = (
            f"The answer was cut off at the cap on output tokens; all of it was reasoning"
            f" ({usage.reasoning_tokens} tokens)."
        )
        cause = "all_reasoning"
    return CallFailure(
        report, errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT, message, raw_output=text, cause=cause
    )


def no_text(report: CallReport) -> CallFailure:
    """The answer is complete, and empty."""
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, "The answer holds no text.")


def reported(report: CallReport, value: Fields) -> CallReport:
    """The report with what an answer says of itself."""
    return replace(
        report,
        provider_request_id=report.provider_request_id or plain(value.get("id")),
        answered_model=plain(value.get("model")),
        usage=_usage(value.get("usage")),
    )


def _usage(usage: object) -> panel_pb2.TokenUsage | None:
    """Token counts; what is missing or makes no sense counts as 0, and no usage at all is None.

    Either protocol has its own words for the same counts; gateways add those of the provider behind them.
    """
    if not isinstance(usage, dict):
        return None
    into = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    out_of = usage.get("output_tokens_details") or usage.get("completion_tokens_details")
    cached = _detail(into, "cached_tokens")
    cached = cached or _count(usage.get("cache_read_input_tokens") or usage.get("prompt_cache_hit_tokens"))
    written = _detail(into, "cache_write_tokens") or _count(usage.get("cache_creation_input_tokens"))
    return panel_pb2.TokenUsage(
        input_tokens=_count(usage.get("input_tokens") or usage.get("prompt_tokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=_count(usage.get("output_tokens") or usage.get("completion_tokens")),
        reasoning_tokens=_detail(out_of, "reasoning_tokens"),
    )


def _detail(details: object, key: str) -> int:
    return _count(details.get(key)) if isinstance(details, dict) else 0


def _count(value: object) -> int:
    """A count within what can be recorded; a whole number may be written as 12.0."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), _MAX_COUNT)
