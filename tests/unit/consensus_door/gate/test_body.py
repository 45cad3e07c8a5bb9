"""Bodies are bounded in bytes, in time, and in sum."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive

from consensus_door.gate.body import Bodies, CallerLeft
from consensus_rpc.errors import CallDeadlineExceeded, MessageTooLarge, Overloaded

LIMIT = 100


def coming(*parts: bytes, is_whole: bool = True) -> Receive:
    """A request whose body comes in these parts, or stays away after them."""
    left: list[Message] = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1 or not is_whole}
        for index, part in enumerate(parts)
    ]

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


async def left_by_its_caller() -> Message:
    return {"type": "http.disconnect"}


async def test_a_body_up_to_the_limit_is_read_whole() -> None:
    assert await Bodies(LIMIT, 5).read(coming(b"a" * 60, b"b" * 40), None) == b"a" * 60 + b"b" * 40


@pytest.mark.parametrize(
    ("parts", "announced"), [((), LIMIT + 1), ((b"a" * 60, b"b" * 41), None)], ids=["announced", "sent"]
)
async def test_what_is_longer_is_refused(parts: Sequence[bytes], announced: int | None) -> None:
    with pytest.raises(MessageTooLarge):
        await Bodies(LIMIT, 5).read(coming(*parts, is_whole=False), announced)


async def test_what_does_not_come_in_time_is_refused() -> None:
    with pytest.raises(CallDeadlineExceeded):
        await Bodies(LIMIT, 0.01).read(coming(b"a", is_whole=False), None)


async def test_who_leaves_is_not_waited_for() -> None:
    with pytest.raises(CallerLeft):
        await Bodies(LIMIT, 5).read(left_by_its_caller, None)


async def test_all_bodies_together_are_bounded_and_what_failed_gives_its_bytes_back() -> None:
    bodies = Bodies(LIMIT, 0.01)
    for _ in range(16):
        await bodies.read(coming(b"a" * LIMIT), LIMIT)
    with pytest.raises(Overloaded):
        await bodies.read(coming(b"a"), 1)
    bodies.release(LIMIT)
    for _ in range(3):
        with pytest.raises(CallDeadlineExceeded):
            await bodies.read(coming(b"a" * LIMIT, is_whole=False), None)
    assert await bodies.read(coming(b"a" * LIMIT), LIMIT)
