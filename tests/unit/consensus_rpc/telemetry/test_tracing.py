from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consensus_contract import errors as nouns
from consensus_rpc.channel.channels import call_options
from consensus_rpc.telemetry.tracing import configure_tracing
from tests.unit.consensus_rpc.conftest import KINDS, SERVICE, Probe, Request, Running, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """An SDK that keeps its spans; the API lets one be set only once, so its tracer is put in by hand."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_is_a_span_of_the_callers_trace(
    spans: InMemorySpanExporter, running: Running, kind: str
) -> None:
    await running.call(kind, metadata=(("traceparent", TRACEPARENT),))
    await running.settled()

    [span] = spans.get_finished_spans()
    assert span.name == f"{SERVICE}/{kind}"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.attributes is not None
    assert span.attributes["rpc.grpc.status_code"] == 0


async def test_a_failure_of_ours_marks_its_span_without_its_text(
    spans: InMemorySpanExporter, running: Running
) -> None:
    async def act(request: Any, context: Any) -> None:
        raise ValueError("canary-7f3a")

    running.probe.act = act
    with pytest.raises(grpc.aio.AioRpcError):
        await running.call("UnaryUnary")
    await running.settled()

    [span] = spans.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes is not None
    assert (span.attributes["rpc.grpc.status_code"], span.attributes["error.type"]) == (13, "INTERNAL")
    assert "canary-7f3a" not in span.to_json()


async def test_a_refusal_is_no_failure_of_ours(spans: InMemorySpanExporter, running: Running) -> None:
    async def act(request: Any, context: Any) -> None:
        raise nouns.RunNotFound(run_id="r1")

    running.probe.act = act
    with pytest.raises(grpc.aio.AioRpcError):
        await running.call("UnaryUnary")
    await running.settled()

    [span] = spans.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RUN_NOT_FOUND"


async def test_the_trace_goes_on_to_the_next_hop_even_without_an_sdk() -> None:
    seen: list[str] = []

    async def record(request: Any, context: Any) -> None:
        seen.append(dict(context.invocation_metadata()).get("traceparent", ""))

    async with serving(Probe(record)) as behind:

        async def act(request: Any, context: Any) -> None:
            await behind.method("UnaryUnary")(Request(run_id="r1"), **call_options(context))

        async with serving(Probe(act)) as front:
            await front.call("UnaryUnary", metadata=(("traceparent", TRACEPARENT),))

    assert [each.split("-")[1] for each in seen] == [TRACE]


def test_nothing_is_set_up_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    before = trace.get_tracer_provider()

    configure_tracing("probe")()

    assert trace.get_tracer_provider() is before
