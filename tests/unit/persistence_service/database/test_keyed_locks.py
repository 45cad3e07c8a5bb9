"""Who uses the same key waits, who uses another does not, and nothing is kept of those who have gone."""

import asyncio
import gc
import weakref

from persistence_service.database.keyed_locks import KeyedLocks


async def test_one_at_a_time_holds_a_key_in_the_order_in_which_they_came() -> None:
    locks, held = KeyedLocks(), list[int]()

    async def hold(number: int) -> None:
        async with locks.of("a"):
            held.append(number)
            await asyncio.sleep(0)
            held.append(number)

    await asyncio.gather(*map(hold, range(3)))
    assert held == [0, 0, 1, 1, 2, 2]


async def test_another_key_is_free() -> None:
    locks = KeyedLocks()
    async with locks.of("a"):
        assert not locks.of("b").locked()
        assert locks.of("a").locked()


async def test_a_lock_that_nobody_has_is_forgotten() -> None:
    locks = KeyedLocks()
    async with locks.of("a"):
        forgotten = weakref.ref(locks.of("a"))
    gc.collect()
    assert forgotten() is None
