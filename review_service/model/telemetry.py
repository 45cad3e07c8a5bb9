"""Spans and metrics of calls to the model, by OpenTelemetry's gen_ai conventions; never content."""

import time
from typing import Self

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from prometheus_client import Counter, Gauge

from consensus_contract.errors import reason_name
from review_service.model.model_call import CallFailure, ModelAnswer, ModelCall
from review_service.model.routes import DEFAULT_ROUTE

_SCOPE = "review_service.model.client"
_tracer = trace.get_tracer(_SCOPE)
_meter = metrics.get_meter(_SCOPE)
_tokens = _meter.create_histogram(
    "gen_ai.client.token.usage", unit="{token}", description="Tokens of a call, by type."
)
_duration = _meter.create_histogram(
    "gen_ai.client.operation.duration", unit="s", description="Time of a call."
)


circuit_open = Gauge(
    "consensus_model_circuit_open",
    "Whether calls to a route kept failing, so that its fallbacks are asked instead.",
    ("route",),
)
_fallbacks = Counter(
    "consensus_model_fallbacks",
    "Steps that turned from a route to the next, by both.",
    ("route", "fallback_route"),
)


def count_fallback(route: str, fallback_route: str) -> None:
    """Counts a step that turned from one route to another."""
    _fallbacks.labels(route, fallback_route).inc()


class Observation:
    """A span around a call, and its metrics at the end.

    `outcome` is set when it is known, and stays None if the call was cancelled. `is_sent`: some of the
    request may have left.
    """

    __slots__ = ("_span", "_started", "call", "is_sent", "outcome")

    def __init__(self, call: ModelCall) -> None:
        self.call = call
        self.is_sent = False
        self.outcome: ModelAnswer | CallFailure | None = None

    def __enter__(self) -> Self:
        """Starts the span; it is nobody's parent, so that it need not be the current one."""
        self._started = time.perf_counter()
        self._span = _tracer.start_span(f"chat {self.call.model}", kind=SpanKind.CLIENT)
        return self

    def __exit__(self, *_: object) -> None:
        if self._span.is_recording():
            _describe(self._span, self)
        self._span.end()
        _measure(self)

    def sending(self) -> None:
        """Notes that the request begins to leave."""
        self.is_sent = True

    def begin_again(self) -> None:
        """Counts the time from here: what went before was no call."""
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._started


def _common(call: ModelCall) -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": call.model,
        "consensus.route": call.route or DEFAULT_ROUTE,
    }


def _describe(span: Span, observation: Observation) -> None:
    """Everything about the call but its content."""
    call = observation.call
    span.set_attributes(
        _common(call)
        | {
            "gen_ai.request.max_tokens": call.max_output_tokens,
            "gen_ai.output.type": "json",
            "consensus.run_id": call.run_id,
            "consensus.step": call.step,
            "consensus.attempt_number": call.attempt_number,
        }
    )
    if call.temperature is not None:
        span.set_attribute("gen_ai.request.temperature", call.temperature)
    outcome = observation.outcome
    if outcome is None:
        span.set_attribute("error.type", "cancelled")
        return
    span.set_attributes(_response(outcome))
    if isinstance(outcome, CallFailure):
        span.set_attribute("error.type", reason_name(outcome.reason))
        span.set_status(Status(StatusCode.ERROR, outcome.message))


def _response(outcome: ModelAnswer | CallFailure) -> dict[str, AttributeValue]:
    """What the provider said of the call."""
    report = outcome.report
    attributes: dict[str, AttributeValue] = {
        "http.response.status_code": report.http_status,
        "gen_ai.response.id": report.provider_request_id,
        "gen_ai.response.model": report.answered_model,
    }
    if isinstance(outcome, ModelAnswer):
        attributes["gen_ai.response.finish_reasons"] = ("stop",)
    usage = report.usage
    if usage is not None:
        attributes |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }
    return attributes


def _measure(observation: Observation) -> None:
    """Time and tokens, by model and what became of the call."""
    outcome = observation.outcome
    attributes = _common(observation.call)
    if isinstance(outcome, CallFailure):
        attributes["error.type"] = reason_name(outcome.reason)
    elif outcome is None:
        attributes["error.type"] = "cancelled"
    _duration.record(observation.seconds(), attributes)
    if outcome is not None and outcome.report.usage is not None:
        usage = outcome.report.usage
        _tokens.record(usage.input_tokens, attributes | {"gen_ai.token.type": "input"})
        _tokens.record(usage.output_tokens, attributes | {"gen_ai.token.type": "output"})
