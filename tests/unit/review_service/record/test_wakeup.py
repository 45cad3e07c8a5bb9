"""A Wakeup wakes its one waiter, once for what was set before."""

import asyncio

import pytest

from review_service.record.wakeup import Wakeup


async def test_what_was_set_before_ends_the_next_wait_and_only_that() -> None:
    wakeup = Wakeup()
    wakeup.set()
    wakeup.set()

    await wakeup.wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wakeup.wait(), 0)


async def test_a_waiter_is_woken() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)

    wakeup.set()

    await asyncio.wait_for(waiting, 1)


async def test_after_a_waiter_that_was_cancelled_the_next_is_woken() -> None:
    wakeup = Wakeup()
    gone = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    wakeup.set()

    await asyncio.wait_for(wakeup.wait(), 1)
