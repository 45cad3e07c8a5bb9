"""How many runs may wait, counted now and then."""

import pytest

from consensus_rpc.errors import Overloaded
from persistence_service.runs.write.queue_limit import MOST_TENANTS, RECOUNT_SECONDS, QueueLimit


class Queue:
    """A queue whose length and clock the test sets."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.counts = 0
        self.now = 0.0
        self.limit = QueueLimit(3, self.count, lambda: self.now)

    async def count(self, _tenant: str, limit: int) -> int:
        self.counts += 1
        return min(self.length, limit)


async def test_runs_are_admitted_up_to_the_limit_between_two_counts() -> None:
    queue = Queue(1)
    await queue.limit.admit("t")
    await queue.limit.admit("t")
    with pytest.raises(Overloaded):
        await queue.limit.admit("t")
    assert queue.counts == 1


async def test_a_queue_that_was_worked_off_is_noticed_at_the_next_count() -> None:
    queue = Queue(3)
    with pytest.raises(Overloaded):
        await queue.limit.admit("t")
    queue.length, queue.now = 0, RECOUNT_SECONDS * 2
    await queue.limit.admit("t")


async def test_tenants_have_queues_of_their_own() -> None:
    queue = Queue(2)
    await queue.limit.admit("t")
    await queue.limit.admit("u")


async def test_what_is_admitted_makes_no_count_younger() -> None:
    queue = Queue(0)
    for step in range(3):
        queue.now = step * 0.6 * RECOUNT_SECONDS
        await queue.limit.admit("t")
    assert queue.counts == 2


async def test_however_many_tenants_come_few_are_remembered() -> None:
    queue = Queue(0)
    for number in range(MOST_TENANTS + 1):
        await queue.limit.admit(f"t-{number}")
    await queue.limit.admit("t-1")
    assert queue.counts == MOST_TENANTS + 1
    await queue.limit.admit("t-0")
    assert queue.counts == MOST_TENANTS + 2
