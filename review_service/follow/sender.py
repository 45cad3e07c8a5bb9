"""One caller's stream of a run's events: in order, each once, with signs of life and a bound on waiting."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from consensus.v1 import event_pb2
from consensus_rpc.errors import SlowConsumer
from consensus_rpc.telemetry.log import get_logger
from review_service.record.events import is_ending

_log = get_logger()

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Writer(Protocol[M_contra]):
    """The part of a servicer's context that streams need."""

    async def write(self, message: M_contra) -> None:
        """Returns once the transport has taken the message."""


class EventSender(Generic[M]):
    """Sends one run's events to one caller."""

    def __init__(
        self,
        context: Any,
        make: Callable[..., M],
        run_id: str,
        *,
        slow_seconds: float,
        after_sequence: int = 0,
    ) -> None:
        """`make` builds the stream's message from `event=` or `heartbeat=`."""
        self._context: Writer[M] = context
        self._make = make
        self._slow_seconds = slow_seconds
        self.run_id = run_id
        self.last_sequence = after_sequence
        self.ending: event_pb2.RunEvent | None = None

    async def send(self, event: event_pb2.RunEvent) -> None:
        """Sends the next event; one that the caller has is left out.

        Raises:
            SlowConsumer: when the caller takes nothing for too long.
        """
        if event.sequence <= self.last_sequence:
            return
        await self._write(self._make(event=event))
        self.last_sequence = event.sequence
        if is_ending(event):
            self.ending = event
        elif event.WhichOneof("payload") == "run_resumed":
            self.ending = None

    async def send_all(self, events: Iterable[event_pb2.RunEvent]) -> None:
        """Sends these one after the other, and keeps none of them.

        Raises:
            SlowConsumer: when the caller takes nothing for too long.
        """
        for event in events:
            await self.send(event)

    async def heartbeat(self) -> None:
        """Sends a sign of life.

        Raises:
            SlowConsumer: when the caller takes nothing for too long.
        """
        await self._write(self._make(heartbeat=event_pb2.Heartbeat(last_sequence=self.last_sequence)))

    async def _write(self, message: M) -> None:
        try:
            async with asyncio.timeout(self._slow_seconds):
                await self._context.write(message)
        except TimeoutError as error:
            # Said here: the status stays behind the message that the caller does not take.
            _log.warning("slow_consumer", run_id=self.run_id, last_sequence=self.last_sequence)
            raise SlowConsumer(run_id=self.run_id, last_sequence=self.last_sequence) from error
