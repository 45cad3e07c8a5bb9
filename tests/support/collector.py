"""A collector of traces on loopback: keeps the spans that processes export to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True)
class ExportedSpan:
    """A span, and the service that it is of."""

    service: str
    span: trace_pb2.Span

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def attributes(self) -> dict[str, Any]:
        return _plain(self.span.attributes)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The attributes of its events of a name."""
        return [_plain(event.attributes) for event in self.span.events if event.name == name]


@dataclass(slots=True)
class Collector:
    """Where it listens, as the exporter's environment variable says it, and what has come."""

    endpoint: str = ""
    spans: list[ExportedSpan] = field(default_factory=list)

    def named(self, beginning: str) -> list[ExportedSpan]:
        """The spans whose names begin so."""
        return [each for each in self.spans if each.name.startswith(beginning)]

    def names_above(self, span: ExportedSpan) -> list[str]:
        """The names of the spans from one up to the first, of whichever service."""
        found = (each for each in self.spans if each.span.span_id == span.span.parent_span_id)
        parent = next(found, None)
        return [] if parent is None else [parent.name, *self.names_above(parent)]


class _TraceServicer(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(  # noqa: N802 - gRPC names it
        self, request: trace_service_pb2.ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for of_resource in request.resource_spans:
            service = _plain(of_resource.resource.attributes)["service.name"]
            for scope in of_resource.scope_spans:
                self._collector.spans += (ExportedSpan(service, span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens meanwhile."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # it has no types
    add(_TraceServicer(collector), server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _plain(attributes: Any) -> dict[str, Any]:
    """Attributes by name; lists are left as they came."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
