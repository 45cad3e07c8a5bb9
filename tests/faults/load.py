"""Callers as they are in production: they retry what failed, reconnect, send twice, and sometimes cancel."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from consensus.v1 import review_service_pb2
from tests.faults.case import Case, Follower
from tests.support.processes import Process

_PAUSE_SECONDS = 0.1
_START_SECONDS = 30.0


@dataclass(slots=True)
class Load:
    """Starts runs under keys, each followed to its end; `random` decides how."""

    case: Case
    random: random.Random
    reviews: Sequence[Process] = ()
    """Whom callers may ask; unless given, all of the stack."""
    cancel_share: float = 0.0
    numbers: int = 0
    finished: int = 0
    unavailable: int = 0
    """Calls that failed and were made again."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def any_review(self) -> Process:
        """A review service, running or not."""
        return self.random.choice(list(self.reviews or self.case.stack.reviews))

    async def callers(self, count: int, pause_seconds: float = 0.0) -> None:
        """That many callers, one run after the other, until `stopping`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._caller(pause_seconds))

    async def _caller(self, pause_seconds: float) -> None:
        while not self.stopping.is_set():
            await self.one_run()
            await asyncio.sleep(pause_seconds * self.random.uniform(0.5, 1.5))

    async def one_run(self) -> str:
        """One run from its start to its end; its id."""
        self.numbers += 1
        key = f"{self.case.mark}-{self.numbers}"
        is_streamed = self.random.random() < 0.5
        run_id = await self._begun(key, is_streamed=is_streamed)
        while run_id is None:
            await asyncio.sleep(_PAUSE_SECONDS)
            run_id = await self._begun(key, is_streamed=is_streamed)
        if self.random.random() < 0.2:
            await self.start_again(key)
        if self.random.random() < self.cancel_share:
            await self.cancel(run_id)
        await self.case.finish(run_id)
        self.finished += 1
        return run_id

    async def start_again(self, key: str) -> None:
        """The same start once more, wherever."""
        try:
            await self.case.start(self.any_review(), key=key)
        except grpc.aio.AioRpcError as error:
            self._failed(error)

    async def cancel(self, run_id: str) -> None:
        """Cancel a run; one that has ended refuses."""
        client = await self.case.at(self.any_review())
        try:
            request = review_service_pb2.CancelRunRequest(run_id=run_id)
            await client.review.CancelRun(request, timeout=_START_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._failed(error)

    async def _begun(self, key: str, *, is_streamed: bool) -> str | None:
        review = self.any_review()
        try:
            async with asyncio.timeout(_START_SECONDS):
                if not is_streamed:
                    return await self.case.start(review, key=key)
                stream = await self.case.stream(review, key=key)
                return await self._followed(stream)
        except grpc.aio.AioRpcError as error:
            self._failed(error)
        except TimeoutError:
            self.unavailable += 1
        return None

    async def _followed(self, stream: Follower) -> str | None:
        """Read a stream for a while; whatever ends it, the run is followed from elsewhere."""
        event = await stream.read()
        if event is None:
            return None
        try:
            for _ in range(self.random.randrange(30)):
                if await stream.read() is None:
                    break
        except grpc.aio.AioRpcError as error:
            self._failed(error)
        except TimeoutError:
            pass
        stream.call.cancel()
        return event.run_id

    def _failed(self, error: grpc.aio.AioRpcError) -> None:
        self.unavailable += 1
        self.case.witness.texts.append(f"{error.details()} {error.trailing_metadata()}")
