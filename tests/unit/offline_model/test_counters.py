"""The counters tell what happened to each call, and the memory they take is bounded."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from offline_model.answers import Answers
from offline_model.ask import Ask
from offline_model.control_client import ControlClient, SyncControlClient
from offline_model.counters import Counters
from offline_model.script import Rule
from offline_model.server import OfflineModel


def ask(run_id: str, text: str = "tea") -> Ask:
    return Ask(run_id, "expand", "", 1, "proposal", "m", False, None, "", text, {})


async def test_calls_are_counted_by_run_step_persona_and_attempt(
    control: ControlClient, asking: Any, answered: Any
) -> None:
    await answered(asking.expansion(run_id="a"))
    await answered(asking.review("critic", run_id="a"))
    await answered(asking.review("critic", run_id="a", attempt=2))
    await answered(asking.review("critic", run_id="b"))

    counted = await control.counters(run_id="a", persona="critic")

    assert [(call["step"], call["attempt"], call["succeeded"]) for call in counted["calls"]] == [
        ("review_critic", 1, 1),
        ("review_critic", 2, 1),
    ]
    assert counted["total"]["answered"] == 2
    assert (await control.counters())["total"]["answered"] == 4


async def test_a_call_whose_client_hangs_up_counts_as_aborted(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(hold="never"))
    asked = asyncio.create_task(client.responses.create(**asking.review("critic")))
    await control.wait({"held": 1})

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    [call] = (await control.wait({"aborted": 1}, persona="critic"))["calls"]
    assert (call["started"], call["answered"], call["held"], call["in_flight"]) == (1, 0, 0, 0)


async def test_a_client_that_hangs_up_while_the_body_trickles_counts_as_aborted(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(trickle_seconds=60))
    asked = asyncio.create_task(client.responses.create(**asking.expansion()))
    await control.wait({"in_flight": 1})

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    assert (await control.wait({"aborted": 1}))["total"]["answered"] == 0


async def test_a_fault_is_answered_but_not_succeeded(
    client: AsyncOpenAI, control: ControlClient, asking: Any
) -> None:
    await control.script(Rule(times=1, refusal="No."))

    await client.responses.create(**asking.expansion())
    await client.responses.create(**asking.expansion())

    total = (await control.counters())["total"]
    assert (total["answered"], total["succeeded"]) == (2, 1)


async def test_the_peak_of_calls_in_flight_is_kept(
    control: ControlClient, asking: Any, answered: Any
) -> None:
    await control.script(Rule(hold="gate"))
    asked = [asyncio.create_task(answered(asking.review("critic", run_id=str(n)))) for n in range(5)]
    waiting = await control.wait({"held": 5})
    await control.release("gate")
    await asyncio.gather(*asked)

    counted = await control.counters()

    assert waiting["in_flight"] == 5
    assert (counted["in_flight"], counted["peak_in_flight"]) == (0, 5)


async def test_a_reset_forgets_rules_and_counts(control: ControlClient, asking: Any, answered: Any) -> None:
    await control.script(Rule(contains="nowhere", status=500))
    await answered(asking.expansion())

    await control.reset()

    counted = await control.counters()
    assert counted["calls"] == []
    assert counted["total"]["started"] == 0


async def test_requests_are_recorded_only_on_demand_without_the_credential(
    control: ControlClient, asking: Any, answered: Any
) -> None:
    await answered(asking.expansion())
    assert await control.requests() == []

    await control.record(2)
    for persona in ("architect", "critic", "optimist"):
        await answered(asking.review(persona))

    recorded = await control.requests()
    assert [request["persona"] for request in recorded] == ["critic", "optimist"]
    assert recorded[0]["body"] == asking.review("critic")
    assert "any-key" not in str(recorded)


async def test_the_synchronous_client_does_the_same(model: OfflineModel, asking: Any, answered: Any) -> None:
    control = SyncControlClient(model.base_url)
    await asyncio.to_thread(control.script, Rule(hold="gate"))
    asked = asyncio.create_task(answered(asking.expansion()))

    assert (await asyncio.to_thread(control.wait, {"held": 1}))["in_flight"] == 1
    await asyncio.to_thread(control.release, "gate")
    await asked
    assert (await asyncio.to_thread(control.counters, run_id="run-1"))["total"]["succeeded"] == 1
    await asyncio.to_thread(control.record, 1)
    assert await asyncio.to_thread(control.requests) == []
    await asyncio.to_thread(control.reset)
    assert (await asyncio.to_thread(control.counters))["calls"] == []


def test_the_oldest_keys_are_forgotten_and_the_totals_are_not() -> None:
    counters = Counters(keys_kept=3)
    for number in range(5):
        counters.start(ask(str(number))).land("answered")

    counted = counters.snapshot({})

    assert [call["run_id"] for call in counted["calls"]] == ["2", "3", "4"]
    assert counted["forgotten_keys"] == 2
    assert counted["total"]["answered"] == 5


def test_the_answers_kept_take_bounded_room() -> None:
    answers = Answers(kept_characters=5_000)
    for number in range(50):
        answers.text(ask("a", f"Sell tea number {number}."))

    kept = sum(len(asked) + len(text) for (_, asked), text in answers._texts.items())

    assert 0 < kept <= 5_000
