"""Limits of a route: how many at once and in a minute, and whose turn it is."""

import asyncio

from review_service.model.route_limits import RouteLimits


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_no_more_than_so_many_are_let_in_at_once() -> None:
    limits = RouteLimits(2, None, None, Clock())
    assert await limits.enter("a", 1, 1)
    assert await limits.enter("a", 1, 1)

    assert not await limits.enter("a", 1, 0.01)

    limits.leave(1, None)
    assert await limits.enter("a", 1, 0.01)


async def test_runs_take_turns_whatever_one_of_them_has_waiting() -> None:
    limits = RouteLimits(1, None, None, Clock())
    await limits.enter("first", 1, 1)
    let_in: list[str] = []

    async def wait(run_id: str) -> None:
        assert await limits.enter(run_id, 1, 5)
        let_in.append(run_id)
        limits.leave(1, None)

    waiting = [asyncio.create_task(wait("large")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(wait("small")))
    await asyncio.sleep(0)
    limits.leave(1, None)
    await asyncio.gather(*waiting)

    assert let_in.index("small") <= 2
    assert len(let_in) == 21


async def test_requests_of_a_minute_come_back_with_time() -> None:
    clock = Clock()
    limits = RouteLimits(None, 60, None, clock)
    taken = [await limits.enter("a", 1, 0) for _ in range(11)]
    assert taken == [True] * 10 + [False]

    clock.now = 1.0

    assert [await limits.enter("a", 1, 0) for _ in range(2)] == [True, False]


async def test_tokens_are_taken_as_estimated_and_given_back_as_used() -> None:
    clock = Clock()
    limits = RouteLimits(None, None, 6_000, clock)
    assert await limits.enter("a", 1_000, 0)
    assert not await limits.enter("a", 1_000, 0)

    limits.leave(1_000, 0)

    assert await limits.enter("a", 1_000, 0)


async def test_a_call_larger_than_a_burst_passes_when_the_burst_is_full_and_leaves_a_debt() -> None:
    clock = Clock()
    limits = RouteLimits(None, None, 6_000, clock)
    assert await limits.enter("a", 5_000, 0)
    clock.now = 30.0
    assert not await limits.enter("a", 1_000, 0)
    clock.now = 51.0
    assert await limits.enter("a", 1_000, 0)


async def test_who_waits_for_a_rate_is_let_in_when_its_time_comes() -> None:
    limits = RouteLimits(None, 6_000, None, asyncio.get_running_loop().time)
    while await limits.enter("a", 1, 0):
        pass

    assert await limits.enter("a", 1, 5)


async def test_a_turn_that_comes_to_someone_who_left_goes_to_the_next() -> None:
    limits = RouteLimits(1, None, None, Clock())
    await limits.enter("a", 1, 1)
    gone, stays = (asyncio.create_task(limits.enter(run_id, 1, 5)) for run_id in ("b", "c"))
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.sleep(0)
    limits.leave(1, None)

    assert await stays
    limits.leave(1, None)
    assert await limits.enter("a", 1, 0)


async def test_who_leaves_in_the_very_turn_in_which_it_is_let_in_gives_its_place_back() -> None:
    limits = RouteLimits(1, None, None, Clock())
    await limits.enter("a", 1, 1)
    gone = asyncio.create_task(limits.enter("b", 1, 5))
    await asyncio.sleep(0)

    limits.leave(1, None)  # its turn has come, and it has not run since
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    assert await limits.enter("c", 1, 0)
