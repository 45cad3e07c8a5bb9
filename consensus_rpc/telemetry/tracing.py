"""OpenTelemetry: an SDK only where an exporter is configured, W3C context on the wire either way."""

import os
from collections.abc import Callable, Mapping

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"

_propagator = TraceContextTextMapPropagator()
_TRACE_KEYS = frozenset({"traceparent", "tracestate"})

# Codes that are the server's fault: OpenTelemetry's conventions for RPC server spans.
_SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def configure_tracing(service: str) -> Callable[[], None]:
    """Sets up export where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; returns what flushes and ends it."""
    if not os.environ.get(ENDPOINT_VARIABLE):
        return lambda: None
    # Imported here: the SDK costs a start without tracing time and memory.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def caller_context(metadata: Mapping[str, str]) -> Context | None:
    """The caller's trace context, None where it sent none."""
    if "traceparent" not in metadata:
        return None
    return _propagator.extract({key: metadata[key] for key in _TRACE_KEYS if key in metadata})


def start_server_span(service: str, method: str, parent: Context | None) -> Span:
    """A span for one call; without an SDK it only carries the caller's context on."""
    return trace.get_tracer("consensus_rpc").start_span(
        f"{service}/{method}",
        context=parent or Context(),
        kind=SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
    )


def end_server_span(span: Span, code: grpc.StatusCode, reason: str) -> None:
    """Ends it with its status code and reason; never with a message, which could hold content."""
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if reason:
        span.set_attribute("error.type", reason)
    if code in _SERVER_FAULTS:
        span.set_status(Status(StatusCode.ERROR, code.name))
    span.end()


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """`traceparent` and `tracestate` for an outgoing call; nothing outside a trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        return ()
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return tuple(carrier.items())
