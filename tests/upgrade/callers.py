"""Callers who start and watch reviews by the client library, at either review service, all the while."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from consensus.v1 import run_event_pb2
from consensus_client import ReviewClient
from consensus_client.async_transport import open_channel
from consensus_client.options import ClientOptions
from consensus_client.reconnecting import is_cut
from consensus_contract.errors import ConsensusError
from tests.faults.case import Case
from tests.faults.checker.witness import SeenStream
from tests.faults.stack import USER_CANARY

LastEvent: TypeAlias = run_event_pb2.RunEvent | None

_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Callers:
    """Each has one review after the other, and reads each to its end: half of them in one stream, half start
    a run and watch it then. What they see goes to the case's witness.
    """

    case: Case
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    ends: dict[int, run_event_pb2.RunEvent] = field(default_factory=dict)
    """The last event of each run that was read to its end, by the run's number."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Passing failures at which the library gave up, after which the caller asked again, by reason."""
    refused: list[str] = field(default_factory=list)
    """All other failures; after the first nobody goes on."""
    _last: int = 0
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def go_on(self, count: int) -> None:
        """That many callers, until `stopping`."""
        target = "ipv4:" + ",".join(review.address for review in self.case.stack.reviews)
        channel = open_channel(target, ClientOptions().channel_options())
        async with ReviewClient(target, channel=channel) as client, asyncio.TaskGroup() as group:
            for index in range(count):
                group.create_task(self._caller(client, is_streamed=index % 2 == 0))

    async def more(self, count: int) -> None:
        """Wait until so many runs that begin from now on have ended, or something was refused."""
        before = self._last

        def have_ended() -> bool:
            return bool(self.refused) or sum(number > before for number in self.ends) >= count

        async with self._told:
            await self._told.wait_for(have_ended)

    async def _caller(self, client: ReviewClient, *, is_streamed: bool) -> None:
        while not self.stopping.is_set() and not self.refused:
            self._last = number = self._last + 1
            last = await self._run(client, f"{self.case.mark}-{number}", is_streamed=is_streamed)
            async with self._told:
                if last is not None:
                    self.ends[number] = last
                self._told.notify_all()

    async def _run(self, client: ReviewClient, key: str, *, is_streamed: bool) -> LastEvent:
        """One run, asked for under its key until its end was told; None if something was refused."""
        while not self.refused:
            seen = self.case.witness.stream()
            try:
                if is_streamed:
                    return await self._streamed(client, key, seen)
                return await self._watched(client, key, seen)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for this caller in vain
                self._note(error)
                await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def _streamed(self, client: ReviewClient, key: str, seen: SeenStream) -> LastEvent:
        events = client.review(self.case.idea, user=USER_CANARY, idempotency_key=key)
        return await self._read(events, key, seen)

    async def _watched(self, client: ReviewClient, key: str, seen: SeenStream) -> LastEvent:
        run = await client.start_review(self.case.idea, user=USER_CANARY, idempotency_key=key)
        self.case.witness.start(run.run_id, key)
        return await self._read(client.watch_run(run.run_id), key, seen)

    async def _read(
        self, events: AsyncIterator[run_event_pb2.RunEvent], key: str, seen: SeenStream
    ) -> LastEvent:
        last = None
        async for last in events:
            self.case.witness.saw(seen, last, key)
        return last

    def _note(self, error: Exception) -> None:
        told = f"{error} {error.metadata}" if isinstance(error, ConsensusError) else str(error)
        self.case.witness.texts.append(told)
        if isinstance(error, ConsensusError) and is_cut(error):
            self.repeated[error.reason_name or type(error).__name__] += 1
        else:
            self.refused.append(f"{type(error).__name__}: {told}")
