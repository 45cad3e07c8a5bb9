"""Connections end at an age, between services and to callers; nobody who uses the client library notices."""

from collections.abc import Callable

import pytest

from consensus_client import ReviewClient
from offline_model.script import Rule
from tests.support.pair import Pair

# Several ages pass while the critic's answer is held.
RECYCLED = {"MAX_CONNECTION_AGE_SECONDS": "1", "MAX_CONNECTION_AGE_GRACE_SECONDS": "1"}
HELD_SECONDS = 6.0


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_review_outlives_the_connections_that_carry_it(
    start_pair: Callable[..., Pair], database: str
) -> None:
    pair = start_pair(database=database, review=RECYCLED, persistence=RECYCLED)
    async with pair.client() as caller, ReviewClient(pair.review_address) as client:
        await caller.model.script(Rule(persona="critic", delay_seconds=HELD_SECONDS))
        events = [event async for event in client.review("Let customers export their orders as CSV.")]
        replayed = [event async for event in client.watch_run(events[0].run_id)]
        counters = await caller.model.counters()
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].HasField("run_completed")
    assert replayed == events
    assert counters["total"]["started"] == 6
