"""Events of a run made from what was recorded and its acknowledgement: the same bytes as read back later."""

from collections.abc import Iterable
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_event_pb2, run_pb2, suspicion_pb2

RecordItem: TypeAlias = persistence_service_pb2.RecordItem
RunEvent = run_event_pb2.RunEvent

_ENDING = frozenset({"run_completed", "run_failed", "run_cancelled"})


def item_event(run_id: str, sequence: int, time: Timestamp, item: RecordItem) -> RunEvent:
    """The event that an item leaves: its payload under the same field's name."""
    event = RunEvent(run_id=run_id, sequence=sequence, event_time=time)
    name = item.WhichOneof("item")
    assert name is not None, "an item without a payload is never recorded"
    getattr(event, name).CopyFrom(getattr(item, name))
    return event


def item_events(run_id: str, first: int, time: Timestamp, items: Iterable[RecordItem]) -> list[RunEvent]:
    """The events of items that were committed together, numbered from `first`."""
    return [item_event(run_id, first + offset, time, item) for offset, item in enumerate(items)]


def opening_events(
    run_id: str, time: Timestamp, suspicions: Iterable[suspicion_pb2.Suspicion] = ()
) -> list[RunEvent]:
    """Events 1 and 2 of a run that begins at once, with what its texts are suspected of: created, started."""
    created = run_event_pb2.RunCreated(
        type=run_pb2.RUN_TYPE_INITIAL, state=run_pb2.RUN_STATE_RUNNING, suspicions=suspicions
    )
    return [
        RunEvent(run_id=run_id, sequence=1, event_time=time, run_created=created),
        RunEvent(run_id=run_id, sequence=2, event_time=time, run_started=run_event_pb2.RunStarted()),
    ]


def is_ending(event: RunEvent) -> bool:
    """Whether the journal stands in a terminal state at this event (a failed run may be resumed after it)."""
    return event.WhichOneof("payload") in _ENDING
