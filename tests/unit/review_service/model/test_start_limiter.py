"""Many that begin at once do so over several turns of the loop, in order, and nobody waits without need."""

import asyncio

from review_service.model.start_limiter import StartLimiter


async def turns_of(starts: StartLimiter, count: int) -> list[int]:
    """In which turn of the loop each of so many began that came in the same one."""
    began: list[int] = []
    now = 0

    async def begin() -> None:
        await starts.turn()
        began.append(now)

    tasks = [asyncio.create_task(begin()) for _ in range(count)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        now += 1
    return began


async def test_so_many_begin_in_each_turn() -> None:
    began = await turns_of(StartLimiter(3), 10)
    assert max(began.count(turn) for turn in set(began)) == 3
    assert began == sorted(began)
    assert len(set(began)) == 4


async def test_within_the_limit_all_begin_in_the_same_turn() -> None:
    assert len(set(await turns_of(StartLimiter(10), 10))) == 1


async def test_a_later_turn_has_room_again() -> None:
    starts = StartLimiter(2)
    await turns_of(starts, 5)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(set(await turns_of(starts, 2))) == 1


async def test_one_that_is_cancelled_takes_no_place() -> None:
    starts = StartLimiter(1)
    order: list[str] = []

    async def begin(name: str) -> None:
        await starts.turn()
        order.append(name)

    tasks = {name: asyncio.create_task(begin(name)) for name in "abcd"}
    await asyncio.sleep(0)
    tasks["b"].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert order == ["a", "c", "d"]
