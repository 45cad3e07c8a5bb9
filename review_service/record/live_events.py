"""The events of one run on their way to the caller who follows it in this process."""

from collections.abc import Iterator, Sequence

from consensus.v1 import run_event_pb2
from review_service.record.events import is_ending
from review_service.record.wakeup import Wakeup


class LiveEvents:
    """Events 1, 2, 3 … of a run, appended as they become durable, gone once taken; for one follower.

    `is_complete`: the run's last event was published. `has_stopped`: nothing more comes from here.
    """

    __slots__ = ("_changed", "_events", "has_stopped", "is_complete")

    def __init__(self) -> None:
        self._changed = Wakeup()
        self._events: list[run_event_pb2.RunEvent] = []
        self.has_stopped = False
        self.is_complete = False

    def publish(self, events: Sequence[run_event_pb2.RunEvent]) -> None:
        """Appends the run's next events, which must be durable; those of one commit come together."""
        if events:
            self._events.extend(events)
            self.is_complete = is_ending(events[-1])
            self._changed.set()

    def stop(self) -> None:
        """Says that the run has ended, or goes on elsewhere."""
        self.has_stopped = True
        self._changed.set()

    @property
    def is_exhausted(self) -> bool:
        """Whether all is taken that came, and nothing more comes."""
        return self.has_stopped and not self._events

    def take(self) -> Iterator[run_event_pb2.RunEvent]:
        """The events that are there, and those that come while they are taken."""
        while self._events:
            yield self._events.pop(0)

    async def wait(self) -> None:
        """Waits until there is an event to take, or no more will come."""
        while not self._events and not self.has_stopped:
            await self._changed.wait()
