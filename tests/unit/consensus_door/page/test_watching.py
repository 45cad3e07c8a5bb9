"""Many watchers of a run cost one stream and one reading for each of its events; no other credential's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consensus.v1 import review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError
from consensus_door.metrics import DoorMetrics
from consensus_door.page.watching import Watched, Watching
from consensus_door.services.calling import Credential
from consensus_rpc.errors import ServerUnreachable

ANN, BOB = Credential("Bearer a"), Credential("Bearer b")


class Service:
    """Lets a run be followed as it is told, and keeps who follows it and who reads it."""

    def __init__(self) -> None:
        self.streams: dict[str, asyncio.Queue[Any]] = {}
        self.followed: list[str] = []
        self.left: list[str] = []
        self.read_by: list[str] = []
        self.last_sequence = 0
        self.watching = Watching(self.follow, self.read, DoorMetrics(CollectorRegistry()))

    async def follow(
        self, request: review_service_pb2.WatchRunRequest, credential: Credential
    ) -> AsyncGenerator[Any]:
        self.followed.append(credential.text)
        queue = self.streams[credential.text] = asyncio.Queue()
        for sequence in range(1, self.last_sequence + 1):
            queue.put_nowait(message(sequence))
        try:
            while (said := await queue.get()) is not None:
                if isinstance(said, Exception):
                    raise said
                yield said
        finally:
            self.left.append(credential.text)

    async def read(self, run_id: str, credential: Credential) -> run_pb2.Run:
        self.read_by.append(credential.text)
        await asyncio.sleep(0)
        return run_pb2.Run(run_id=run_id, last_sequence=self.last_sequence)

    def happens(self) -> None:
        """One more event of the run, for all who follow it."""
        self.last_sequence += 1
        self.say(message(self.last_sequence))

    def say(self, said: Any) -> None:
        for queue in self.streams.values():
            queue.put_nowait(said)


def message(*sequences: int) -> review_service_pb2.WatchRunResponse:
    return review_service_pb2.WatchRunResponse(
        events=[run_event_pb2.RunEvent(run_id="run-1", sequence=each) for each in sequences]
    )


async def settled() -> None:
    """Lets all that can go on go on."""
    for _ in range(100):
        await asyncio.sleep(0)


async def seen(watched: Watched, after: int = 0) -> list[int]:
    """How far the run had come each time that a watcher was told of it, to its end."""
    async with aclosing(watched.views(after)) as views:
        return [view.last_sequence async for view in views if view is not None]


async def test_watchers_with_one_credential_share_a_stream_and_what_is_read() -> None:
    service = Service()
    service.last_sequence = 1
    with service.watching.of("run-1", ANN) as first, service.watching.of("run-1", ANN) as second:
        told = [asyncio.create_task(seen(each)) for each in (first, second, first)]
        await settled()
        service.happens()
        await settled()
        with service.watching.of("run-1", ANN) as late, service.watching.of("run-1", BOB) as other:
            told += [asyncio.create_task(seen(late, 1)), asyncio.create_task(seen(other, 1))]
            await settled()
            service.happens()
            service.say(None)
            assert await asyncio.gather(*told) == [[1, 2, 3], [1, 2, 3], [1, 2, 3], [2, 3], [2, 3]]
    assert service.followed == [ANN.text, BOB.text]
    assert service.read_by.count(ANN.text) == 3


async def test_a_stream_ends_with_its_last_watcher_and_the_next_begins_one() -> None:
    service = Service()
    service.last_sequence = 1
    for _ in range(2):
        with service.watching.of("run-1", ANN) as watched, service.watching.of("run-1", ANN):
            async with aclosing(watched.views(0)) as views:
                await anext(views)
        assert len(service.left) < len(service.followed)
        await settled()
        assert service.left == service.followed
    assert len(service.followed) == 2


async def test_all_watchers_are_told_of_a_cut_and_whoever_comes_again_is_followed_anew() -> None:
    service = Service()
    with service.watching.of("run-1", ANN) as watched:
        told = [asyncio.create_task(seen(watched)) for _ in range(2)]
        await settled()
        service.say(ServerUnreachable("cut"))
        for each in told:
            with pytest.raises(ConsensusError):
                await each
        with service.watching.of("run-1", ANN) as again:
            assert again is not watched


async def test_a_sign_of_life_is_passed_on() -> None:
    service = Service()
    service.last_sequence = 1
    with service.watching.of("run-1", ANN) as watched:
        async with aclosing(watched.views(0)) as views:
            assert await anext(views) is not None
            waiting = asyncio.ensure_future(anext(views))
            await settled()
            service.say(message())
            assert await waiting is None


async def test_a_watcher_is_told_of_a_call_that_is_made_again_though_the_run_was_read_behind_it() -> None:
    service = Service()
    service.last_sequence = 2
    with service.watching.of("run-1", ANN) as watched:
        async with aclosing(watched.views(0)) as views:
            assert await anext(views) is not None
            failed = message(4)
            failed.events[0].attempt_failed.step = "review_critic"
            failed.events[0].attempt_failed.retry_delay.seconds = 1
            service.last_sequence = 4
            service.say(message(3))
            await settled()
            read = await anext(views)
            assert read is not None
            assert read.last_sequence == 4
            service.say(failed)
            again = await asyncio.wait_for(anext(views), 60)
            assert again is not None
            assert again.last_sequence == 4
    assert service.read_by.count(ANN.text) == 2
