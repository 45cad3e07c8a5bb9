"""A receiver is told of each run that ends, whatever becomes of it and of the services."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.integration.conftest import StartPair
from tests.support.pair import Pair, until
from tests.support.processes import wait_started
from tests.support.webhooks import HANGS, SECRET, WebhookReceiver, status


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver().serving() as serving:
        yield serving


def telling(receiver: WebhookReceiver, **settings: str) -> dict[str, str]:
    """The settings of a persistence service that tells this receiver."""
    return {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET, **settings}


async def start(start_pair: StartPair, **given: object) -> Pair:
    """Starts a pair in a thread: the receiver is served by this loop."""
    return await asyncio.to_thread(start_pair, **given)


async def test_a_receiver_that_fails_twice_is_told_a_third_time(
    start_pair: StartPair, receiver: WebhookReceiver, idea: str
) -> None:
    receiver.answers = [status(500), status(503)]
    pair = await start(start_pair, persistence=telling(receiver, LOG_LEVEL="DEBUG"))
    async with pair.client() as client:
        events = await client.stream(idea)
        run = await client.get(events[0].run_id)
        sent = await receiver.got(3)
    await asyncio.to_thread(pair.stop)

    assert len({(each.id, each.body) for each in sent}) == 1
    message = sent[-1].verified()
    assert message["type"] == "run.completed"
    assert message["data"]["run_id"] == run.run_id
    assert message["data"]["journal"]["sequence"] == run.last_sequence
    assert "handover" not in str(message)
    assert pair.persistence is not None
    logged = pair.persistence.logged()
    assert "webhook_delivered" in logged
    assert SECRET.removeprefix("whsec_") not in logged
    assert "only-receivers-know" not in logged


async def test_a_receiver_that_hangs_delays_nobody_and_a_kill_loses_nothing(
    start_pair: StartPair, receiver: WebhookReceiver, idea: str
) -> None:
    receiver.answers = [HANGS]
    pair = await start(start_pair, persistence=telling(receiver, WEBHOOK_TIMEOUT_SECONDS="5"))
    async with pair.client() as client:
        runs = {(await client.stream(idea))[0].run_id}
        await receiver.got(1)
        runs.add((await client.stream(idea))[0].run_id)  # while the receiver is being told of the first
    assert pair.persistence is not None
    pair.persistence.kill()
    await asyncio.to_thread(pair.restart_persistence)

    async def each_was_taken() -> bool:
        return {each.verified()["data"]["run_id"] for each in receiver.taken} == runs

    await until(each_was_taken, 60)


@pytest.mark.timeout(300)  # a second process starts, on a machine that may be busy with another's tests
async def test_two_processes_tell_of_each_run_once(
    start_pair: StartPair, receiver: WebhookReceiver, idea: str
) -> None:
    pair = await start(start_pair, database="postgresql", persistence=telling(receiver))
    other = pair.spawn_persistence(pair.ports.listen(), pair.ports.listen())
    pair.others.append(other)
    await asyncio.to_thread(wait_started, other)
    async with pair.client() as client:
        begun = await asyncio.gather(*(client.stream(f"{idea} Ward {number}.") for number in range(20)))
        assert other.popen.poll() is None
    sent = await receiver.got(20)
    await asyncio.to_thread(pair.stop)  # what is under way is settled
    assert Counter(each.verified()["data"]["run_id"] for each in sent) == Counter(
        events[0].run_id for events in begun
    )
