"""What a call to the model leaves in traces and metrics: never content."""

import asyncio
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model import telemetry as model_telemetry
from review_service.model.client import ModelClient
from tests.support.engine import RUN_ID, model_call


class Collected:
    """The spans and metrics of one test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()

    def span(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span

    def attributes(self) -> Mapping[str, object]:
        return self.span().attributes or {}

    def points(self, name: str) -> list[HistogramDataPoint]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
            if isinstance(point, HistogramDataPoint)
        ]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """In place of the process's providers, which can be set once only."""
    collected = Collected()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(collected.exporter))
    meter = MeterProvider([collected.reader]).get_meter("test")
    monkeypatch.setattr(model_telemetry, "_tracer", traces.get_tracer("test"))
    for name, metric in (
        ("_tokens", "gen_ai.client.token.usage"),
        ("_duration", "gen_ai.client.operation.duration"),
    ):
        monkeypatch.setattr(model_telemetry, name, meter.create_histogram(metric))
    return collected


async def test_a_span_says_what_was_asked_and_answered(model: ModelClient, collected: Collected) -> None:
    await model.call(model_call(), 10)

    attributes = collected.attributes()
    assert collected.span().name == "chat gpt-review"
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.request.model"] == "gpt-review"
    assert attributes["gen_ai.request.temperature"] == 0.2
    assert attributes["consensus.run_id"] == RUN_ID
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert {
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    } <= attributes.keys()


async def test_a_failed_call_is_an_error_by_its_reason(
    model: ModelClient, control: ControlClient, collected: Collected
) -> None:
    await control.script(Rule(status=429))

    await model.call(model_call(), 10)

    assert collected.attributes()["error.type"] == "LLM_RATE_LIMITED"
    assert not collected.span().status.is_ok
    (point,) = collected.points("gen_ai.client.operation.duration")
    assert (point.attributes or {})["error.type"] == "LLM_RATE_LIMITED"


async def test_a_cancelled_call_is_told_from_a_failed_one(
    model: ModelClient, control: ControlClient, collected: Collected
) -> None:
    await control.script(Rule(hold="for ever"))
    call = asyncio.create_task(model.call(model_call(), 60))
    await control.wait({"held": 1})
    call.cancel()
    await asyncio.wait([call])

    assert collected.attributes()["error.type"] == "cancelled"


async def test_time_and_tokens_are_measured(model: ModelClient, collected: Collected) -> None:
    await model.call(model_call(), 10)

    types = {(p.attributes or {})["gen_ai.token.type"] for p in collected.points("gen_ai.client.token.usage")}
    assert types == {"input", "output"}
    assert len(collected.points("gen_ai.client.operation.duration")) == 1


@pytest.mark.parametrize("rule", [None, Rule(refusal="canary"), Rule(status=400, error_message="canary")])
async def test_no_content_is_kept(
    model: ModelClient, control: ControlClient, collected: Collected, rule: Rule | None
) -> None:
    if rule is not None:
        await control.script(rule)

    await model.call(model_call(instructions="canary", messages=("canary", "canary")), 10)

    assert "canary" not in collected.span().to_json()
