"""One caller's stream of a run's events: in order, each once, with signs of life."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from consensus.v1 import heartbeat_pb2, run_event_pb2
from consensus_rpc.server.event_lists import event_lists
from consensus_rpc.server.outgoing import Outgoing, StreamWriter
from review_service.record.events import is_ending

M = TypeVar("M")


class EventSender(Generic[M]):
    """Sends one run's events to one caller; `make` builds a message from `events=` or `heartbeat=`.

    Whatever is sent raises SlowConsumer when the caller takes nothing for `slow_seconds`. After
    `heartbeat_seconds` of silence a sign of life is due, which whoever waits for events sends.
    """

    __slots__ = (
        "_heartbeat_seconds",
        "_make",
        "_outgoing",
        "_spoke_at",
        "ending",
        "last_sequence",
        "run_id",
    )

    def __init__(
        self,
        context: StreamWriter[M],
        make: Callable[..., M],
        run_id: str,
        *,
        slow_seconds: float,
        heartbeat_seconds: float,
        after_sequence: int = 0,
    ) -> None:
        self._outgoing = Outgoing(context, slow_seconds=slow_seconds, run_id=run_id)
        self._make = make
        self._heartbeat_seconds = heartbeat_seconds
        self.run_id = run_id
        self.last_sequence = after_sequence
        self.ending: run_event_pb2.RunEvent | None = None
        self._spoke_at = asyncio.get_running_loop().time()

    @property
    def seconds_to_heartbeat(self) -> float:
        """Until a sign of life is due; 0 once it is."""
        silent_for = asyncio.get_running_loop().time() - self._spoke_at
        return max(0.0, self._heartbeat_seconds - silent_for)

    async def send(self, events: Iterable[run_event_pb2.RunEvent]) -> None:
        """Sends the next events in as few messages as hold them, less those that the caller has."""
        for ready in event_lists(self._new(events)):
            await self._send(self._make(events=ready))
            self._sent(ready)

    async def heartbeat(self) -> None:
        """Sends a sign of life."""
        beat = heartbeat_pb2.Heartbeat(last_sequence=self.last_sequence)
        await self._send(self._make(heartbeat=beat))

    def _new(self, events: Iterable[run_event_pb2.RunEvent]) -> Iterator[run_event_pb2.RunEvent]:
        return (event for event in events if event.sequence > self.last_sequence)

    async def _send(self, message: M) -> None:
        await self._outgoing.send(message, last_sequence=self.last_sequence)
        self._spoke_at = asyncio.get_running_loop().time()

    def _sent(self, events: Sequence[run_event_pb2.RunEvent]) -> None:
        self.last_sequence = events[-1].sequence
        for event in events:
            if is_ending(event):
                self.ending = event
            elif event.WhichOneof("payload") == "run_resumed":
                self.ending = None
