"""What a call to the model leaves in traces and metrics: never content."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from consensus_rpc.telemetry.labels import BoundedLabel
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model import telemetry as model_telemetry
from review_service.model.client import ModelClient
from tests.support.engine import RUN_ID, model_call

DURATION = "gen_ai_client_operation_duration_seconds_count"
CHAT = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "route": "default"}


class Collected:
    """The spans of one test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def span(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span

    def attributes(self) -> Mapping[str, object]:
        return self.span().attributes or {}


def added(name: str, **labels: str) -> Callable[[], float]:
    """What a metric has grown by since now."""
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    return lambda: (REGISTRY.get_sample_value(name, labels) or 0.0) - before


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """In place of the process's providers, which can be set once only."""
    collected = Collected()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(collected.exporter))
    monkeypatch.setattr(model_telemetry, "_tracer", traces.get_tracer("test"))
    return collected


async def test_a_span_says_what_was_asked_and_answered(model: ModelClient, collected: Collected) -> None:
    await model.call(model_call(), 10)

    attributes = collected.attributes()
    assert attributes["server.address"] == "127.0.0.1"
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
    failed = added(DURATION, **CHAT, gen_ai_request_model="gpt-review", error_type="LLM_RATE_LIMITED")

    await model.call(model_call(), 10)

    assert collected.attributes()["error.type"] == "LLM_RATE_LIMITED"
    assert not collected.span().status.is_ok
    assert failed() == 1


async def test_an_answer_that_was_cut_off_says_so(
    model: ModelClient, control: ControlClient, collected: Collected
) -> None:
    await control.script(Rule(incomplete="max_output_tokens"))

    await model.call(model_call(), 10)

    assert collected.attributes()["gen_ai.response.finish_reasons"] == ("length",)


async def test_a_cancelled_call_is_told_from_a_failed_one(
    model: ModelClient, control: ControlClient, collected: Collected
) -> None:
    await control.script(Rule(hold="for ever"))
    call = asyncio.create_task(model.call(model_call(), 60))
    await control.wait({"held": 1})
    call.cancel()
    await asyncio.wait([call])

    assert collected.attributes()["error.type"] == "cancelled"


async def test_time_and_tokens_are_measured(model: ModelClient) -> None:
    calls = added(DURATION, **CHAT, gen_ai_request_model="gpt-review", error_type="")
    of_model = {"route": "default", "model": "gpt-review"}
    read = added("consensus_model_tokens_total", **of_model, type="input")
    written = added("consensus_model_tokens_total", **of_model, type="output")

    await model.call(model_call(), 10)

    assert calls() == 1
    assert read() > 0
    assert written() > 0


async def test_no_more_models_are_told_apart_than_metrics_bear(
    model: ModelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_telemetry, "_model_label", BoundedLabel(1))
    others = added(DURATION, **CHAT, gen_ai_request_model="other", error_type="")

    for name in ("gpt-first", "gpt-second", "gpt-third"):
        await model.call(model_call(model=name), 10)

    assert others() == 2


@pytest.mark.parametrize("rule", [None, Rule(refusal="canary"), Rule(status=400, error_message="canary")])
async def test_no_content_is_kept(
    model: ModelClient, control: ControlClient, collected: Collected, rule: Rule | None
) -> None:
    if rule is not None:
        await control.script(rule)

    await model.call(model_call(instructions="canary", messages=("canary", "canary")), 10)

    assert "canary" not in collected.span().to_json()
