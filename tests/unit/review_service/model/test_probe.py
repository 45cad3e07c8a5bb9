"""What a probe says of routes of many kinds, over real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consensus.v1 import review_service_pb2
from consensus_contract.errors import reason_name
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.probe import RouteProbe
from review_service.model.routes import Price, Route, Routes, StructuredOutput
from tests.support import providers
from tests.support.providers import Asked, Habit, Provider, Reply, refusal

FRESH_SECONDS = 0.2
PRICE = Price("USD", input=1_000_000, output=2_000_000, cached_input=0, cache_write=0)


@asynccontextmanager
async def probing(
    *habits: Habit, fresh_seconds: float = 0.0, **fields: Any
) -> AsyncIterator[tuple[RouteProbe, Provider]]:
    """A probe of one route to such a provider."""
    async with Provider(*habits).serving() as provider:
        route = Route("default", base_url=provider.base_url, needs_key=False, **fields)
        client = ModelClient(ModelOptions(routes=Routes([route])))
        yield RouteProbe(client, "gpt-5.1", timeout_seconds=5, fresh_seconds=fresh_seconds), provider
        await client.aclose()


async def probed(*habits: Habit, **fields: Any) -> review_service_pb2.ModelRouteProbe:
    async with probing(*habits, **fields) as (probe, _):
        (found,) = await probe.probe(["default"])
    return found


async def test_a_route_that_does_all_that_is_asked() -> None:
    found = await probed(price=PRICE)

    assert found.usable
    assert found.reachable
    assert (found.route, found.requested_model, found.answered_model) == ("default", "gpt-5.1", "gpt-5.1")
    assert (found.protocol, found.schema_enforced, found.temperature_taken) == ("responses", True, True)
    assert found.latency.ToMicroseconds() > 0
    assert (found.cost.currency, found.cost.micros) == ("USD", 1_000 + 100)


async def test_what_it_does_not_take_is_named() -> None:
    found = await probed(
        providers.speaks_chat_only, providers.refuses_temperature, providers.refuses_max_tokens
    )

    assert found.usable
    assert found.protocol == "chat_completions"
    assert found.HasField("temperature_taken")
    assert not found.temperature_taken
    assert list(found.dropped_parameters) == ["temperature", "max_tokens"]


async def test_a_schema_that_is_not_enforced_is_told_from_one_that_is() -> None:
    async with probing(providers.ignores_the_schema) as (probe, provider):
        (first,) = await probe.probe(["default"])
        (second,) = await probe.probe(["default"])

    assert [first.usable, second.usable] == [True, True]
    assert [first.schema_enforced, second.schema_enforced] == [False, False]
    assert len(provider.asked) == 3  # it is found out once


async def test_nothing_is_known_of_enforcing_where_the_prompt_alone_carries_the_schema() -> None:
    found = await probed(structured_output=StructuredOutput.PROMPT)

    assert found.usable
    assert not found.HasField("schema_enforced")


def prose(asked: Asked) -> Reply:
    return providers.answer(asked, "I am here.")


BROKEN: dict[str, tuple[Habit, str, str, bool]] = {
    "no JSON": (prose, "LLM_INVALID_OUTPUT", "not_the_schema", True),
    "no such model": (
        lambda _: refusal(404, "gone", code="model_not_found"),
        "LLM_REQUEST_REJECTED",
        "model_not_found",
        True,
    ),
    "a wrong key": (lambda _: refusal(401, "no"), "LLM_AUTHENTICATION", "", True),
    "silence": (lambda _: Reply("", hangs=True), "LLM_TIMEOUT", "", False),
}


@pytest.mark.parametrize(("habit", "reason", "cause", "reachable"), BROKEN.values(), ids=BROKEN)
async def test_why_a_route_is_of_no_use_is_said(
    habit: Habit, reason: str, cause: str, reachable: bool
) -> None:
    found = await probed(habit, attempt_timeout_seconds=2.0)

    assert not found.usable
    assert (reason_name(found.reason), found.cause, found.reachable) == (reason, cause, reachable)
    assert found.message


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    async with probing() as (probe, provider):
        await asyncio.gather(*(probe.probe(["default"]) for _ in range(5)))

    assert len(provider.asked) == 1


async def test_who_asks_again_soon_is_told_what_came_of_it_and_nothing_is_spent() -> None:
    async with probing(fresh_seconds=FRESH_SECONDS) as (probe, provider):
        first = await probe.probe(["default"])
        calls = len(provider.asked)
        assert await probe.probe(["default"]) == first
        assert len(provider.asked) == calls
        await asyncio.sleep(2 * FRESH_SECONDS)
        await probe.probe(["default"])
        assert len(provider.asked) == 2 * calls
