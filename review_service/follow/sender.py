"""One caller's stream of a run's events: in order, each once, with signs of life."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from consensus.v1 import heartbeat_pb2, run_event_pb2
from consensus_rpc.server.outgoing import Outgoing, StreamWriter
from review_service.record.events import is_ending

M = TypeVar("M")


class EventSender(Generic[M]):
    """Sends one run's events to one caller; `make` builds the stream's message from `event=` or `heartbeat=`.

    Whatever is sent raises SlowConsumer when the caller takes nothing for `slow_seconds`.
    """

    __slots__ = ("_make", "_outgoing", "ending", "last_sequence", "run_id")

    def __init__(
        self,
        context: StreamWriter[M],
        make: Callable[..., M],
        run_id: str,
        *,
        slow_seconds: float,
        after_sequence: int = 0,
    ) -> None:
        self._outgoing = Outgoing(context, slow_seconds=slow_seconds, run_id=run_id)
        self._make = make
        self.run_id = run_id
        self.last_sequence = after_sequence
        self.ending: run_event_pb2.RunEvent | None = None

    async def send(self, event: run_event_pb2.RunEvent) -> None:
        """Sends the next event; one that the caller has is left out."""
        if event.sequence <= self.last_sequence:
            return
        await self._outgoing.send(self._make(event=event), last_sequence=self.last_sequence)
        self.last_sequence = event.sequence
        if is_ending(event):
            self.ending = event
        elif event.WhichOneof("payload") == "run_resumed":
            self.ending = None

    async def send_all(self, events: Iterable[run_event_pb2.RunEvent]) -> None:
        """Sends these one after the other, and keeps none of them."""
        for event in events:
            await self.send(event)

    async def heartbeat(self) -> None:
        """Sends a sign of life."""
        beat = heartbeat_pb2.Heartbeat(last_sequence=self.last_sequence)
        await self._outgoing.send(self._make(heartbeat=beat), last_sequence=self.last_sequence)
