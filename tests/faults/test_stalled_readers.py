"""Callers that take nothing from a connection that stays open: they are let go, and cost a bounded memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_rpc.channel.channels import open_channel
from offline_model.script import Rule
from tests.faults.case import Case
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import kinds, review_request, until
from tests.support.processes import Process

_STALLED = 40
_ROUNDS = 3
_TEXT = "A long word " + "x" * 3_900
# About 400 KB: more than the window of a stream.
_PROPOSAL = {
    "title": None,
    "summary": None,
    "problem_statement": _TEXT,
    "proposed_solution": _TEXT,
    "assumptions": [_TEXT] * 50,
    "scope_non_goals": [_TEXT] * 50,
    "raw_expanded_proposal": None,
}
_PROPOSAL_BYTES = 400_000


@pytest.fixture
async def strict(case: Case) -> AsyncIterator[Process]:
    """A review service that waits for a reader for half a second."""
    review = case.stack.spawn_review("extra0", SLOW_CONSUMER_SECONDS="0.5", MODEL_MAX_OUTPUT_TOKENS="1000000")
    await asyncio.to_thread(case.stack.adopt, review)
    yield review
    case.stack.dismiss(review)


def _let_go(review: Process, run_id: str) -> int:
    return sum("slow_consumer" in line and run_id in line for line in review.logged().splitlines())


async def _stall(case: Case, review: Process, number: int) -> int:
    """One run with readers that stall before its proposal, and a neighbour; both runs come to their end.

    Returns the service's resident bytes while the connection still stands.
    """
    hold = f"{case.mark}-{number}"
    await case.script(Rule(step="expand", override=_PROPOSAL, hold=hold, times=1))
    async with FaultProxy.start(review.address) as proxy, open_channel(proxy.address) as channel:
        reader: Any = review_service_pb2_grpc.ReviewServiceStub(channel)  # its types know no read
        first = reader.StreamReview(review_request(case.idea))
        run_id = (await first.read()).events[0].run_id
        request = review_service_pb2.WatchRunRequest(run_id=run_id)
        watches = [reader.WatchRun(request) for _ in range(_STALLED - 1)]
        for watch in watches:
            await watch.read()

        await case.model_wait({"held": 1}, run_id=run_id)

        proxy.black_hole()  # and reads no more: the sockets fill up
        neighbour = await case.stream(review)
        await case.release(hold)
        assert kinds(await neighbour.rest())[-1] == "run_completed"
        assert kinds(await case.finish(run_id))[-1] == "run_completed"

        async def all_let_go() -> bool:
            return await asyncio.to_thread(_let_go, review, run_id) == _STALLED

        await until(all_let_go, 30)
        resident: int = psutil.Process(review.pid).memory_info().rss
        for call in (first, *watches):
            call.cancel()
        proxy.refuse()
    return resident


async def test_they_are_let_go_and_the_run_and_its_neighbours_finish(case: Case, strict: Process) -> None:
    sizes = [await _stall(case, strict, number) for number in range(_ROUNDS)]

    # What the first round needed is there for the next ones; a leak would grow by all of it in each.
    assert sizes[-1] - sizes[0] < _STALLED * _PROPOSAL_BYTES, sizes
