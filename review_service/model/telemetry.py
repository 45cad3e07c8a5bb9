"""Spans and metrics of calls to the model, by OpenTelemetry's gen_ai conventions; never content.

Tokens and cost are counters of our own: the conventions are about to replace their histogram of tokens, and
have nothing for money.
"""

import time
from typing import Self

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from prometheus_client import Counter, Gauge, Histogram

from consensus.v1 import errors_pb2
from consensus_contract.errors import reason_name
from consensus_rpc.telemetry.labels import BoundedLabel
from review_service.model.model_call import CallFailure, ModelAnswer, ModelCall
from review_service.model.routes import DEFAULT_ROUTE

_tracer = trace.get_tracer("review_service.model.client")

_MOST_MODELS = 30
_MICROS = 1_000_000
_OPERATION, _PROVIDER = "chat", "openai"
_OK = 200

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
_in_flight = Gauge("consensus_model_calls_in_flight", "Calls that have not ended.", ("route",))
_duration = Histogram(
    "gen_ai_client_operation_duration_seconds",
    "Time of a call to the model; `error_type` is empty where it was answered.",
    ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "route", "error_type"),
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
_tokens = Counter(
    "consensus_model_tokens",
    "Tokens by the provider: `input` and `output`, and of these `cached`, `cache_write` and `reasoning`.",
    ("route", "model", "type"),
)
_cost = Counter(
    "consensus_model_cost",
    "What calls to routes with a price cost, in the currency that the label names.",
    ("route", "model", "currency"),
)
_without_cost = Counter(
    "consensus_model_calls_without_cost",
    "Calls that ended and whose cost nobody knows: the route has no price, or no tokens were counted.",
    ("route",),
)
_model_label = BoundedLabel(_MOST_MODELS)
# What a provider says of an answer that was cut or withheld.
_FINISH_REASONS = {
    errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT: "length",
    errors_pb2.ERROR_REASON_LLM_REFUSED: "content_filter",
}


def count_fallback(route: str, fallback_route: str) -> None:
    """Counts a step that turned from one route to another."""
    _fallbacks.labels(route, fallback_route).inc()


class Observation:
    """A span around a call, and its metrics at the end.

    `outcome` is set when it is known, and stays None if the call was cancelled. `is_sent`: some of the
    request may have left. `server` is where the call goes: host and port.
    """

    __slots__ = ("_flying", "_span", "_started", "call", "is_sent", "outcome", "server")

    def __init__(self, call: ModelCall, server: tuple[str, int] | None = None) -> None:
        self.call = call
        self.server = server
        self.is_sent = False
        self.outcome: ModelAnswer | CallFailure | None = None

    @property
    def route(self) -> str:
        """The id of the route that is asked."""
        return self.call.route or DEFAULT_ROUTE

    def __enter__(self) -> Self:
        """Starts the span; it is nobody's parent, so that it need not be the current one."""
        self._started = time.perf_counter()
        self._span = _tracer.start_span(f"{_OPERATION} {self.call.model}", kind=SpanKind.CLIENT)
        self._flying = _in_flight.labels(self.route)
        self._flying.inc()
        return self

    def __exit__(self, *_: object) -> None:
        self._flying.dec()
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

    @property
    def error_type(self) -> str:
        """The reason of a failure, `cancelled`, or nothing."""
        if self.outcome is None:
            return "cancelled"
        return reason_name(self.outcome.reason) if isinstance(self.outcome, CallFailure) else ""


def _describe(span: Span, observation: Observation) -> None:
    """Everything about the call but its content."""
    call = observation.call
    span.set_attributes(_request(observation))
    if call.temperature is not None:
        span.set_attribute("gen_ai.request.temperature", call.temperature)
    if observation.server is not None:
        host, port = observation.server
        span.set_attributes({"server.address": host, "server.port": port})
    if error_type := observation.error_type:
        span.set_attribute("error.type", error_type)
    outcome = observation.outcome
    if outcome is None:
        return
    span.set_attributes(_response(outcome))
    if isinstance(outcome, CallFailure):
        span.set_status(Status(StatusCode.ERROR, outcome.message))


def _request(observation: Observation) -> dict[str, AttributeValue]:
    """What was asked for."""
    call = observation.call
    return {
        "gen_ai.operation.name": _OPERATION,
        "gen_ai.provider.name": _PROVIDER,
        "gen_ai.request.model": call.model,
        "gen_ai.request.max_tokens": call.max_output_tokens,
        "gen_ai.output.type": "json",
        "consensus.route": observation.route,
        "consensus.run_id": call.run_id,
        "consensus.step": call.step,
        "consensus.attempt_number": call.attempt_number,
    }


def _response(outcome: ModelAnswer | CallFailure) -> dict[str, AttributeValue]:
    """What the provider said of the call."""
    report = outcome.report
    attributes: dict[str, AttributeValue] = {
        "http.response.status_code": report.http_status,
        "consensus.provider_request_id": report.provider_request_id,
        "gen_ai.response.model": report.answered_model,
    }
    if (reason := _finish_reason(outcome)) is not None:
        attributes["gen_ai.response.finish_reasons"] = (reason,)
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


def _finish_reason(outcome: ModelAnswer | CallFailure) -> str | None:
    """Why the model stopped, where it had begun to answer."""
    if isinstance(outcome, ModelAnswer):
        return "stop"
    return _FINISH_REASONS.get(outcome.reason) if outcome.report.http_status == _OK else None


def _measure(observation: Observation) -> None:
    """Time, tokens and cost, by route and model, and what became of the call."""
    model = _model_label(observation.call.model)
    labels = (_OPERATION, _PROVIDER, model, observation.route, observation.error_type)
    _duration.labels(*labels).observe(observation.seconds())
    if observation.outcome is None:
        return
    report = observation.outcome.report
    if (usage := report.usage) is not None:
        for kind, count in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            _tokens.labels(observation.route, model, kind).inc(count)
    if (cost := report.cost) is not None:
        _cost.labels(observation.route, model, cost.currency).inc(cost.micros / _MICROS)
    else:
        _without_cost.labels(observation.route).inc()
