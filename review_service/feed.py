"""The events of one run in this process's memory, for whoever follows it here."""

import asyncio

from consensus.v1 import event_pb2
from review_service.events import is_ending


class Feed:
    """Events 1, 2, 3 … of a run, appended as they become durable; bounded by what one run leaves."""

    __slots__ = ("_changed", "events", "has_stopped")

    def __init__(self) -> None:
        """Starts empty."""
        self._changed = asyncio.Event()
        self.events: list[event_pb2.RunEvent] = []
        self.has_stopped = False

    @property
    def is_complete(self) -> bool:
        """Whether it holds the run's last event."""
        return bool(self.events) and is_ending(self.events[-1])

    def publish(self, event: event_pb2.RunEvent) -> None:
        """Appends the run's next event, which must be durable."""
        self.events.append(event)
        self._changed.set()

    def stop(self) -> None:
        """Says that nothing more comes from here: the run has ended, or goes on elsewhere."""
        self.has_stopped = True
        self._changed.set()

    async def wait_beyond(self, count: int) -> None:
        """Waits until there are more than `count` events, or no more will come."""
        while len(self.events) <= count and not self.has_stopped:
            self._changed.clear()
            await self._changed.wait()
