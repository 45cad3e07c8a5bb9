"""Events gathered into the lists that a stream's messages carry. Pure."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

MAX_LIST_BYTES = 262_144
"""Of the events of one message, each as it is serialised by itself."""


class EventMessage(Protocol):
    """What is asked of an event here."""

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        """Its size as it is serialised."""


Event = TypeVar("Event", bound=EventMessage)


def event_lists(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The events in order, as many to a list as it has room for; a larger one goes alone."""
    gathered: list[Event] = []
    size = 0
    for event in events:
        event_size = event.ByteSize()
        if gathered and size + event_size > MAX_LIST_BYTES:
            yield gathered
            gathered, size = [], 0
        gathered.append(event)
        size += event_size
    if gathered:
        yield gathered
