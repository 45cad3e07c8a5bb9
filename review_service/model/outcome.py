"""What came of a call, as a value: the model's text, or why there is none; without what is secret."""

from collections.abc import Mapping
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Final

from consensus.v1 import errors_pb2
from review_service.model.completion import read_choices, read_completion
from review_service.model.envelope import read_envelope, read_response
from review_service.model.event_stream import is_stream, read_stream
from review_service.model.faults import failure_of_status
from review_service.model.http import Kept, Received
from review_service.model.manner import Manner
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.model.provider_error import ProviderError, plain, read_error
from review_service.model.retry_after import retry_after_seconds
from review_service.model.routes import Protocol, Route
from review_service.model.telemetry import Observation
from review_service.model.unanswered import Unanswered

_MASK: Final = "[key]"
# Where others than the provider put the id of a call.
_OTHER_REQUEST_IDS = ("apim-request-id", "x-litellm-call-id")


def call_report(
    route: Route, manner: Manner, latency_seconds: float | None, status: int = 0, request_id: str = ""
) -> CallReport:
    """What is known of a call before its answer is read."""
    is_responses = manner.protocol == Protocol.RESPONSES
    return CallReport(
        latency_seconds=latency_seconds,
        http_status=status,
        provider_request_id=request_id,
        route=route.wire_id,
        protocol="" if is_responses else manner.protocol.value,
        dropped_parameters=manner.dropped,
        omits_temperature=not manner.takes_temperature,
        most_output_tokens=manner.max_output_tokens,
    )


def read_outcome(
    answer: Received, route: Route, manner: Manner, observation: Observation, secrets: tuple[str, ...]
) -> ModelAnswer | CallFailure:
    """The model's text, or what an answer says of why there is none."""
    body = answer.body
    for secret in secrets:
        body = body.replace(secret.encode(), _MASK.encode())
    if body is not answer.body:
        answer = replace(answer, body=body)
    report = call_report(route, manner, observation.seconds(), answer.status, _request_id(answer.headers))
    outcome = _with_cost(_read(answer, report, manner.protocol), route, observation.call.model)
    if isinstance(outcome, CallFailure):
        wait = retry_after_seconds(answer.headers, datetime.now(UTC))
        outcome = replace(outcome, retry_after_seconds=wait)
    return _masked(outcome, secrets)


def unreachable(answer: Unanswered, report: CallReport) -> CallFailure:
    """The failure of a call that brought no answer."""
    return CallFailure(
        replace(report, latency_seconds=None) if answer.is_local else report,
        errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
        answer.message,
        provider=ProviderError(message=answer.detail),
        cause=answer.cause,
        is_local=answer.is_local,
    )


def timed_out(observation: Observation, report: CallReport) -> CallFailure:
    """The end of the attempt's time: before an answer, or before the request could leave."""
    seconds = observation.seconds()
    reason = errors_pb2.ERROR_REASON_LLM_TIMEOUT
    if not observation.is_sent:
        message = (
            f"The call could not be sent within {seconds:.1f} s: no connection was free, or none came about."
        )
        return CallFailure(replace(report, latency_seconds=None), reason, message, cause="not_sent")
    return CallFailure(report, reason, f"The model did not answer within {seconds:.1f} s.")


def with_partial(failure: CallFailure, kept: Kept, manner: Manner, secrets: tuple[str, ...]) -> CallFailure:
    """The failure of a streamed call, with what the model had written until then."""
    received = kept.received()
    text = read_stream(received.body, manner.protocol).text if received is not None else ""
    if not text:
        return failure
    message = f"{failure.message} It had written {len(text)} characters, which are kept."
    masked = _masked(replace(failure, message=message, raw_output=text), secrets)
    assert isinstance(masked, CallFailure)
    return masked


def _read(answer: Received, report: CallReport, protocol: Protocol) -> ModelAnswer | CallFailure:
    content_type = answer.headers.get("content-type", "")
    if not answer.is_success:
        is_page = "html" in content_type.lower() or "cf-mitigated" in answer.headers
        return failure_of_status(report, read_error(answer.body), is_page=is_page)
    if answer.is_cut:
        return _too_long(report, answer)
    if is_stream(answer.body, content_type):
        return _read_stream(answer, report, protocol, content_type)
    read = read_envelope if protocol == Protocol.RESPONSES else read_completion
    return read(answer.body, report, content_type)


def _read_stream(
    answer: Received, report: CallReport, protocol: Protocol, content_type: str
) -> ModelAnswer | CallFailure:
    """A stream of events, put together; some servers stream whatever they are asked."""
    streamed = read_stream(answer.body, protocol)
    if streamed.whole is not None:
        read = read_response if protocol == Protocol.RESPONSES else read_choices
        return read(streamed.whole, report, answer.body)
    if not streamed.text:
        read_body = read_envelope if protocol == Protocol.RESPONSES else read_completion
        return read_body(answer.body, report, content_type)
    message = "The provider's stream ended before the answer did."
    reason = errors_pb2.ERROR_REASON_LLM_UNAVAILABLE
    return CallFailure(report, reason, message, raw_output=streamed.text, cause="cut_off")


def _too_long(report: CallReport, answer: Received) -> CallFailure:
    message = f"The provider's answer is longer than {len(answer.body)} bytes, and was not read."
    return CallFailure(
        report,
        errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
        message,
        raw_output=answer.body.decode("utf-8", "replace"),
        cause="too_long",
    )


def _with_cost(outcome: ModelAnswer | CallFailure, route: Route, model: str) -> ModelAnswer | CallFailure:
    """The outcome with what it costs, where the route has a price and the provider said how much it was.

    No prompt has no tokens: where none are counted, be it that the counts have names that are not known
    here, the call cost something that nobody knows, and not nothing.
    """
    usage, price = outcome.report.usage, route.price_of(model)
    if usage is None or price is None:
        return outcome
    if not (usage.input_tokens or usage.cached_tokens or usage.cache_write_tokens):
        return outcome
    return replace(
        outcome, report=replace(outcome.report, cost=price.cost(usage), price_version=price.version)
    )


def _request_id(headers: Mapping[str, str]) -> str:
    usual = plain(headers.get("x-request-id"))
    return usual or next((found for name in _OTHER_REQUEST_IDS if (found := plain(headers.get(name)))), "")


def _masked(outcome: ModelAnswer | CallFailure, secrets: tuple[str, ...]) -> ModelAnswer | CallFailure:
    """The outcome without secrets in what was read: escapes or a header may have spelt them."""
    for secret in secrets:
        report = replace(
            outcome.report,
            provider_request_id=outcome.report.provider_request_id.replace(secret, _MASK),
            answered_model=outcome.report.answered_model.replace(secret, _MASK),
        )
        outcome = replace(outcome, report=report)
        if isinstance(outcome, CallFailure):
            outcome = replace(
                outcome,
                message=outcome.message.replace(secret, _MASK),
                raw_output=outcome.raw_output.replace(secret, _MASK),
                provider=ProviderError(*(each.replace(secret, _MASK) for each in astuple(outcome.provider))),
            )
    return outcome
