"""What watchers of one run cost the review service: pages by the door, beside clients of WatchRun."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_rpc.channel.channels import open_channel
from offline_model.script import Rule
from tests.support.door import Door
from tests.support.pair import until

NOBODY, CLIENTS, PAGES = "nobody", "WatchRun", "pages"

Watch = Callable[[str, asyncio.Semaphore], Awaitable[None]]
"""Watches a run to its end, and says by the semaphore that it has its first event."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of the processes, from before the first watcher to the run's end."""

    review: float
    persistence: float
    door: float


@dataclass(frozen=True, slots=True)
class Watchers:
    """All that can watch runs of this pair, so many at once."""

    door: Door
    count: int
    http: aiohttp.ClientSession
    stub: Any

    async def spend(self, kind: str) -> Spent:
        """What a run costs that so many watch from its first event, while it is held, to its last."""
        mark = f"Mark{uuid.uuid4().hex[:12]}"
        watch: Watch | None = {NOBODY: None, CLIENTS: self._client, PAGES: self._page}[kind]
        count = self.count if watch else 0
        model = self.door.pair.control()
        model.script(Rule(contains=mark, hold=mark))
        run_id = await self._begin(mark)
        ready = asyncio.Semaphore(0)
        before = self._cpu()
        watching = [asyncio.ensure_future(watch(run_id, ready)) for _ in range(count) if watch]
        for _ in range(count):
            await ready.acquire()
        model.release(mark)
        await asyncio.gather(*watching)
        await until(lambda: self._has_ended(run_id), 60)
        after = self._cpu()
        return Spent(*(late - early for early, late in zip(before, after, strict=True)))

    async def _begin(self, mark: str) -> str:
        review = review_service_pb2.ReviewInput(idea=f"{mark} lists the open tasks of a ward on one page.")
        answer = await self.stub.StartReview(review_service_pb2.StartReviewRequest(review=review))
        return str(answer.run.run_id)

    async def _has_ended(self, run_id: str) -> bool:
        answer = await self.stub.GetRun(review_service_pb2.GetRunRequest(run_id=run_id))
        return bool(answer.run.HasField("decision"))

    async def _client(self, run_id: str, ready: asyncio.Semaphore) -> None:
        is_first = True
        async for message in self.stub.WatchRun(review_service_pb2.WatchRunRequest(run_id=run_id)):
            if is_first and message.events:
                is_first = False
                ready.release()

    async def _page(self, run_id: str, ready: asyncio.Semaphore) -> None:
        is_first, last = True, b""
        async with self.http.get(f"/runs/{run_id}/live") as answer:
            async for line in answer.content:
                if is_first and line.startswith(b"id: "):
                    is_first = False
                    ready.release()
                last = line.strip() or last
        assert last == b"data: over", last

    def _cpu(self) -> tuple[float, float, float]:
        pair = self.door.pair
        times = []
        for each in (pair.review, pair.persistence, self.door.process):
            assert each is not None
            spent = psutil.Process(each.pid).cpu_times()
            times.append(spent.user + spent.system)
        return times[0], times[1], times[2]


@asynccontextmanager
async def watchers(door: Door, count: int) -> AsyncIterator[Watchers]:
    """Clients of WatchRun share one connection, which costs the service least."""
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(base_url=door.url, connector=connector) as http,
        open_channel(door.pair.review_address) as channel,
    ):
        yield Watchers(door, count, http, review_service_pb2_grpc.ReviewServiceStub(channel))
