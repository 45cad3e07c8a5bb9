"""Events go in lists of a bounded size, in order, each once."""

import pytest

from consensus.v1 import run_event_pb2, run_pb2
from consensus_rpc.server.event_lists import MAX_LIST_BYTES, event_lists

HALF = MAX_LIST_BYTES // 2


def event(size: int) -> run_event_pb2.RunEvent:
    """An event of exactly that many bytes."""
    event = run_event_pb2.RunEvent(run_failed=run_event_pb2.RunFailed(failure=run_pb2.RunFailure()))
    event.run_failed.failure.message = "x" * size
    event.run_failed.failure.message = "x" * (2 * size - event.ByteSize())
    assert event.ByteSize() == size
    return event


@pytest.mark.parametrize(
    ("sizes", "lists"),
    [
        ([], []),
        ([1000], [[1000]]),
        ([1000, 2000, 3000], [[1000, 2000, 3000]]),
        ([HALF, HALF, 1000], [[HALF, HALF], [1000]]),
        ([HALF, HALF + 1], [[HALF], [HALF + 1]]),
        ([1000, MAX_LIST_BYTES + 1, 1000], [[1000], [MAX_LIST_BYTES + 1], [1000]]),
        ([MAX_LIST_BYTES + 1] * 2, [[MAX_LIST_BYTES + 1]] * 2),
    ],
    ids=["none", "one", "few", "just-room", "one-byte-over", "larger-than-a-list", "only-larger"],
)
def test_a_list_has_as_many_events_as_it_has_room_for(sizes: list[int], lists: list[list[int]]) -> None:
    events = [event(size) for size in sizes]
    gathered = list(event_lists(events))
    assert [[each.ByteSize() for each in group] for group in gathered] == lists
    assert [each for group in gathered for each in group] == events
