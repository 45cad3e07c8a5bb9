"""What a route refuses is learnt from its refusal, once; over real connections, by either protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consensus.v1 import errors_pb2
from consensus_contract.errors import reason_name
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.model_call import CallFailure, ModelAnswer
from review_service.model.routes import CacheBreakpoint, Price, Protocol, Route, Routes, StructuredOutput
from review_service.steps.outputs import PersonaReviewOutput, read_output
from tests.support import providers
from tests.support.engine import model_call
from tests.support.providers import Asked, Habit, Provider, Reply, refusal

KEY = "sk-offline-0123456789"
BOTH = [Protocol.RESPONSES, Protocol.CHAT_COMPLETIONS]


@asynccontextmanager
async def asking(*habits: Habit, **fields: Any) -> AsyncIterator[tuple[ModelClient, Provider]]:
    """A client with one route to such a provider."""
    async with Provider(*habits).serving() as provider:
        given = {"base_url": provider.base_url, "key": KEY} | fields
        if given["base_url"].startswith("?"):
            given["base_url"] = provider.base_url + given["base_url"]
        client = ModelClient(ModelOptions(routes=Routes([Route("default", **given)])))
        yield client, provider
        await client.aclose()


async def settled(client: ModelClient, most: int = 4) -> tuple[ModelAnswer | CallFailure, int]:
    """What comes once the route has refused what it refuses, and how many calls that took."""
    number = 0
    while True:
        number += 1
        outcome = await client.call(model_call(attempt_number=number), 10)
        if number == most or not (isinstance(outcome, CallFailure) and outcome.relearn):
            return outcome, number


@pytest.mark.parametrize("protocol", BOTH)
async def test_an_answer_is_read_in_either_protocol(protocol: Protocol) -> None:
    async with asking(protocol=protocol) as (client, provider):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    read_output(PersonaReviewOutput, answer.text)
    assert answer.report.usage is not None
    assert answer.report.usage.input_tokens == providers.PROMPT_TOKENS
    assert answer.report.usage.output_tokens == providers.ANSWER_TOKENS
    assert provider.asked[0].body["stream"] is False
    assert answer.report.protocol == ("" if protocol == Protocol.RESPONSES else "chat_completions")


LESSONS: dict[str, tuple[list[Habit], Protocol, list[str]]] = {
    "temperature": ([providers.refuses_temperature], Protocol.RESPONSES, ["temperature"]),
    "temperature, in chat": ([providers.refuses_temperature], Protocol.CHAT_COMPLETIONS, ["temperature"]),
    "the cap's name": ([providers.refuses_max_tokens], Protocol.CHAT_COMPLETIONS, ["max_tokens"]),
    "a lower cap": ([providers.caps_at(4096)], Protocol.RESPONSES, ["max_output_tokens.8000"]),
    "the role": ([providers.takes_the_role("developer")], Protocol.CHAT_COMPLETIONS, ["role.system"]),
    "no role but the user's": (
        [providers.takes_the_role("user")],
        Protocol.CHAT_COMPLETIONS,
        ["role.system", "role.developer"],
    ),
    "what it does not know": (
        [providers.forbids_extra("metadata", "prompt_cache_key", "store")],
        Protocol.RESPONSES,
        ["metadata", "prompt_cache_key", "store"],
    ),
    "the schema": ([providers.refuses_json_schema], Protocol.CHAT_COMPLETIONS, ["json_schema"]),
    "a keyword of it": (
        [providers.refuses_keyword("additionalProperties")],
        Protocol.RESPONSES,
        ["schema.additionalProperties"],
    ),
}


@pytest.mark.parametrize(("habits", "protocol", "dropped"), LESSONS.values(), ids=LESSONS)
async def test_what_it_refuses_is_left_out_from_then_on(
    habits: list[Habit], protocol: Protocol, dropped: list[str]
) -> None:
    async with asking(*habits, protocol=protocol) as (client, provider):
        first, calls = await settled(client)
        second = await client.call(model_call(), 10)

    assert isinstance(first, ModelAnswer)
    assert isinstance(second, ModelAnswer)
    assert calls == 1 + len(dropped)
    assert len(provider.asked) == calls + 1  # the second asks once
    assert list(second.report.dropped_parameters) == dropped
    assert client.way("").dropped() == tuple(dropped)
    read_output(PersonaReviewOutput, second.text)


async def test_it_is_said_once_with_the_setting_that_saves_the_call() -> None:
    with capture_logs() as logs:
        async with asking(providers.refuses_temperature) as (client, _):
            await asyncio.gather(*(client.call(model_call(), 10) for _ in range(5)))

    said = [each for each in logs if each["event"] == "parameter_not_taken"]
    assert [(each["parameter"], each["setting"]) for each in said] == [
        ("temperature", "[routes.default] temperature = false")
    ]


async def test_calls_that_were_refused_meanwhile_are_made_again_too() -> None:
    async with asking(providers.refuses_temperature) as (client, _):
        refused = await asyncio.gather(*(client.call(model_call(), 10) for _ in range(3)))
        again = await asyncio.gather(*(client.call(model_call(), 10) for _ in range(3)))

    assert all(isinstance(each, CallFailure) and each.relearn for each in refused)
    assert all(isinstance(each, ModelAnswer) for each in again)


@pytest.mark.parametrize("habit", [providers.speaks_chat_only, providers.has_unexpected_endpoints])
async def test_the_protocol_is_found_out(habit: Habit) -> None:
    async with asking(habit) as (client, provider):
        answer, calls = await settled(client)
        await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    assert calls == 2
    assert [each.is_chat for each in provider.asked] == [False, True, True]
    assert client.way("").protocol == Protocol.CHAT_COMPLETIONS


@pytest.mark.parametrize(("status", "reason"), [(401, "LLM_AUTHENTICATION"), (429, "LLM_RATE_LIMITED")])
async def test_keys_and_rates_say_nothing_of_the_protocol(status: int, reason: str) -> None:
    async with asking(lambda _: refusal(status, "no such endpoint")) as (client, _):
        failure, calls = await settled(client)

    assert isinstance(failure, CallFailure)
    assert (reason_name(failure.reason), calls) == (reason, 1)
    assert client.way("").protocol == Protocol.AUTO


async def test_a_wrong_path_is_said_after_both_protocols_were_tried() -> None:
    async with asking(lambda _: Reply("<html>nothing</html>", 404)) as (client, provider):
        failure, calls = await settled(client)

    assert isinstance(failure, CallFailure)
    assert (failure.cause, calls, len(provider.asked)) == ("path_not_found", 2, 2)


async def test_a_model_that_is_not_there_says_nothing_of_the_path() -> None:
    gone = refusal(404, "The model `gpt-5.1` has been deprecated.", param=None)
    async with asking(lambda _: gone) as (client, _):
        failure, calls = await settled(client)

    assert isinstance(failure, CallFailure)
    assert (failure.cause, calls) == ("model_not_found", 1)


async def test_a_refusal_that_names_nothing_is_not_repeated() -> None:
    async with asking(lambda _: refusal(400, "Bad request.")) as (client, _):
        _, calls = await settled(client)

    assert calls == 1


async def test_azure_has_a_query_and_a_header_of_its_own() -> None:
    async with asking(providers.wants_api_version, base_url="?api-version=preview", key_header="api-key") as (
        client,
        provider,
    ):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    assert provider.asked[0].headers["api-key"] == KEY
    assert "authorization" not in provider.asked[0].headers


async def test_a_route_without_a_key_is_asked_without_one_and_with_its_headers() -> None:
    async with asking(key=None, needs_key=False, headers=(("x-team", "readers"),)) as (client, provider):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    assert "authorization" not in provider.asked[0].headers
    assert provider.asked[0].headers["x-team"] == "readers"


@pytest.mark.parametrize("protocol", BOTH)
async def test_a_schema_that_is_ignored_goes_into_the_prompt(protocol: Protocol) -> None:
    async with asking(providers.ignores_the_schema, protocol=protocol) as (client, provider):
        prose = await client.call(model_call(), 10)
        is_new = client.note_schema_ignored("", model_call().model)
        answer = await client.call(model_call(), 10)

    assert is_new
    assert isinstance(prose, ModelAnswer)
    assert isinstance(answer, ModelAnswer)
    read_output(PersonaReviewOutput, answer.text)
    assert provider.asked[1].schema is not None  # and it is still sent


@pytest.mark.parametrize("protocol", BOTH)
async def test_the_prompt_alone_may_carry_the_schema(protocol: Protocol) -> None:
    async with asking(protocol=protocol, structured_output=StructuredOutput.PROMPT) as (client, provider):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    assert provider.asked[0].schema is None
    read_output(PersonaReviewOutput, answer.text)


async def test_a_commentary_is_not_the_answer() -> None:
    async with asking(providers.comments_first) as (client, _):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    read_output(PersonaReviewOutput, answer.text)


@pytest.mark.parametrize("protocol", BOTH)
async def test_reasoning_that_used_the_whole_cap_is_said(protocol: Protocol) -> None:
    async with asking(providers.thinks_the_cap_away, protocol=protocol) as (client, _):
        failure = await client.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert failure.reason == errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT
    assert (failure.cause, failure.report.usage.reasoning_tokens) == ("all_reasoning", 8000)  # type: ignore[union-attr]


@pytest.mark.parametrize("protocol", BOTH)
async def test_a_slow_route_is_streamed(protocol: Protocol) -> None:
    async with asking(providers.streams(), protocol=protocol, is_slow=True) as (client, provider):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)
    read_output(PersonaReviewOutput, answer.text)
    assert provider.asked[0].body["stream"] is True
    assert answer.report.usage is not None
    assert answer.report.usage.output_tokens == providers.ANSWER_TOKENS


@pytest.mark.parametrize("protocol", BOTH)
async def test_what_a_slow_route_wrote_until_the_time_was_over_is_kept(protocol: Protocol) -> None:
    async with asking(protocol=protocol, is_slow=True) as (client, provider):
        await client.call(model_call(), 30)  # what the first call makes is made
        provider.habits.append(providers.streams(pieces=4))
        failure = await client.call(model_call(), 1.0)

    assert isinstance(failure, CallFailure)
    assert failure.reason == errors_pb2.ERROR_REASON_LLM_TIMEOUT
    assert len(failure.raw_output) == 20


@pytest.mark.parametrize("protocol", BOTH)
async def test_a_server_that_streams_unasked_is_understood(protocol: Protocol) -> None:
    async with asking(providers.streams(), protocol=protocol) as (client, _):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)


@pytest.mark.parametrize("is_slow", [True, False])
async def test_a_stream_of_many_events_that_breaks_off_is_kept(is_slow: bool) -> None:
    event = 'data: {"type": "response.output_text.delta", "delta": "x"}\n\n'
    flood = Reply(event * 20_000, headers={"Content-Type": "text/event-stream"})
    async with asking(lambda _: flood, is_slow=is_slow) as (client, _):
        failure = await client.call(model_call(), 60)

    assert isinstance(failure, CallFailure)
    assert (failure.cause, len(failure.raw_output)) == ("cut_off", 20_000)


@pytest.mark.parametrize("protocol", BOTH)
async def test_the_end_of_the_shared_part_is_marked_for_the_cache(protocol: Protocol) -> None:
    async with asking(protocol=protocol, cache_breakpoint=CacheBreakpoint.OPENAI) as (client, provider):
        await client.call(model_call(), 10)

    body = provider.asked[0].body
    content = body["messages"][1]["content"] if provider.asked[0].is_chat else body["input"][0]["content"]
    assert content[0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert body["prompt_cache_options"] == {"mode": "explicit"}


async def test_what_a_call_costs_stands_in_its_report() -> None:
    price = Price("USD", input=1_250_000, output=10_000_000, cached_input=125_000, cache_write=1_250_000)
    async with asking(price=price) as (client, _):
        answer = await client.call(model_call(), 10)

    assert answer.report.cost is not None
    assert (answer.report.cost.currency, answer.report.cost.micros) == ("USD", 1250 + 500)


async def test_who_finds_no_room_before_the_deadline_makes_no_call() -> None:
    arrived = asyncio.Event()

    def hang(_: Asked) -> Reply:
        arrived.set()
        return Reply("", hangs=True)

    async with asking(hang, max_concurrency=1) as (client, provider):
        first = asyncio.create_task(client.call(model_call(), 60))
        await arrived.wait()
        failure = await client.call(replace(model_call(), seconds_left=0.1), 60)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        provider.habits.clear()
        answer = await client.call(model_call(), 10)  # whoever was cancelled gave its place back

    assert isinstance(failure, CallFailure)
    assert (failure.cause, failure.is_local, failure.report.latency_seconds) == ("route_busy", True, None)
    assert isinstance(answer, ModelAnswer)


async def test_the_routes_own_time_for_an_attempt_wins_within_the_runs_deadline() -> None:
    async with asking(attempt_timeout_seconds=60.0) as (client, provider):
        await client.call(model_call(), 30)  # what the first call makes is made
        provider.habits.append(lambda _: Reply("", hangs=True))
        failure = await client.call(replace(model_call(), seconds_left=1.0), 0.01)

    assert isinstance(failure, CallFailure)
    assert failure.report.latency_seconds is not None
    assert failure.report.latency_seconds >= 0.9


async def test_a_call_goes_to_the_route_that_its_model_names() -> None:
    async with Provider().serving() as here, Provider().serving() as there:
        routes = [Route("default", here.base_url, KEY), Route("local", there.base_url, needs_key=False)]
        client = ModelClient(ModelOptions(routes=Routes(routes)))
        answer = await client.call(replace(model_call(), model="local:llama3:8b"), 10)
        await client.call(replace(model_call(), model="llama3:8b"), 10)
        await client.aclose()

    assert answer.report.route == "local"
    assert [each.body["model"] for each in there.asked] == ["llama3:8b"]
    assert [each.body["model"] for each in here.asked] == ["llama3:8b"]


async def test_a_route_that_is_not_there_is_said() -> None:
    async with asking() as (client, _):
        failure = await client.call(replace(model_call(), route="gone"), 10)

    assert isinstance(failure, CallFailure)
    assert (failure.cause, failure.is_setting) == ("unknown_route", True)


async def test_the_key_and_secret_headers_never_come_back() -> None:
    secret = "hunter2-hunter2"
    echo: Habit = lambda _: refusal(400, f"You sent {KEY} and {secret}.")  # noqa: E731
    async with asking(echo, headers=(("x-secret", secret),)) as (client, _):
        failure = await client.call(model_call(), 10)

    assert isinstance(failure, CallFailure)
    assert failure.provider.message == "You sent [key] and [key]."


async def test_a_key_too_short_to_be_a_secret_leaves_answers_as_they_are() -> None:
    async with asking(key="x") as (client, _):
        answer = await client.call(model_call(), 10)

    assert isinstance(answer, ModelAnswer)


async def test_calls_that_keep_failing_open_the_circuit_and_an_answer_closes_it() -> None:
    async with asking(lambda _: Reply("", 503)) as (client, provider):
        states = []
        for _ in range(5):
            states.append(client.is_open(""))
            await client.call(model_call(), 10)
        opened = client.is_open("default")
        provider.habits.clear()
        await client.call(model_call(), 10)
        closed = client.is_open("")

    assert (states, opened, closed) == ([False] * 5, True, False)


def always(reply: Reply) -> list[Habit]:
    """The habits of a provider that answers so; with an answer, it has none."""
    return [] if reply.status == 200 else [lambda _: reply]


async def test_a_route_answers_once_it_has_and_until_it_is_refused_or_keeps_failing() -> None:
    said: list[bool] = []

    async def ask(client: ModelClient, provider: Provider, *replies: Reply) -> None:
        for reply in replies:
            provider.habits[:] = always(reply)
            await client.call(model_call(), 10)
        said.append(client.is_answering())

    async with asking() as (client, provider):
        said.append(client.is_answering())
        await ask(client, provider, Reply("", 503))
        await ask(client, provider, Reply(""))
        await ask(client, provider, *[Reply("", 503)] * 4)  # one fewer than open its circuit
        await ask(client, provider, Reply("", 503))
        await ask(client, provider, Reply(""))
        await ask(client, provider, refusal(400, "no such model"))  # of what was asked, not of whoever asks
        await ask(client, provider, refusal(401, "no such key"))
        await ask(client, provider, refusal(400, "no such model"))
        await ask(client, provider, Reply(""))

    assert said == [False, False, True, True, False, True, True, False, False, True]


async def test_a_fallback_that_answers_is_the_models_answer() -> None:
    async with Provider().serving() as provider:
        routes = [
            Route("default", base_url="http://127.0.0.1:1/v1", key=KEY, fallbacks=("other",)),
            Route("other", base_url=provider.base_url, key=KEY),
        ]
        client = ModelClient(ModelOptions(routes=Routes(routes)))
        await client.call(replace(model_call(), route="other"), 10)
        assert client.is_answering()
        await client.aclose()
