"""The release before and this one beside each other under load, in both orders, and back.

Every process is replaced by itself, as an operator or an orchestrator does it: SIGTERM, a drain, the other
release at its address. Between any two replacements reviews begin and end in the mixture that has come about.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consensus.v1 import run_pb2
from consensus_client import AuditClient, ReviewClient
from consensus_client.requests import RunQuery
from offline_model.script import Rule
from tests.faults.case import Case
from tests.support.pair import kinds
from tests.support.processes import Process
from tests.upgrade.callers import Callers

_CALLERS = 4
_RUNS_BETWEEN = 4
_MODEL_SECONDS = 0.5
_ENDING_SECONDS = 90.0
PERSISTENCE_FIRST = ("persistence", "review")
REVIEW_FIRST = ("review", "persistence")


@asynccontextmanager
async def load(case: Case) -> AsyncIterator[Callers]:
    """Callers until the block ends; none of them was refused anything, and each run was decided."""
    await case.script(Rule(delay_seconds=_MODEL_SECONDS))
    callers = Callers(case)
    calling = asyncio.create_task(callers.go_on(_CALLERS))
    try:
        await callers.more(_RUNS_BETWEEN)
        yield callers
    finally:
        callers.stopping.set()
        async with asyncio.timeout(_ENDING_SECONDS):
            await calling
    print(f"{len(callers.ends)} runs; asked again after {dict(callers.repeated)}")
    assert callers.refused == []
    assert set(kinds(list(callers.ends.values()))) == {"run_completed"}


async def replace(case: Case, order: tuple[str, ...], callers: Callers, checkout: Path | None) -> None:
    """One process after the other by the release in `checkout`, or by this; drained, and back in service."""
    for kind in order:
        for process in tuple(processes(case, kind)):
            assert await asyncio.to_thread(process.stop) == 0, process.logged()[-2000:]
            case.stack.run_from(checkout, process.name)
            await asyncio.to_thread(case.stack.restart, process)
            await asyncio.to_thread(case.stack.wait_serving)
            await callers.more(_RUNS_BETWEEN)


def processes(case: Case, kind: str) -> list[Process]:
    return case.stack.persistences if kind == "persistence" else case.stack.reviews


async def verify(case: Case, callers: Callers) -> None:
    """Every process tells the same of what was written: the runs are decided, the trail is whole."""
    ended = {last.run_id for last in callers.ends.values()}
    completed = RunQuery(state=run_pb2.RUN_STATE_COMPLETED)
    for review in case.stack.reviews:
        async with ReviewClient(review.address) as client:
            assert ended <= {run.run_id async for run in client.runs(completed, page_size=100)}
    for persistence in case.stack.persistences:
        async with AuditClient(persistence.address) as client:
            verdict = [each async for each in client.verify()][-1].verdict
        assert verdict.stream_count >= len(ended)
        assert not verdict.findings


@pytest.mark.slow_fault
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("order", [PERSISTENCE_FIRST, REVIEW_FIRST], ids="_".join)
async def test_either_order_of_an_upgrade_and_of_going_back_loses_nothing_under_load(
    case: Case, before: Path, order: tuple[str, ...]
) -> None:
    async with load(case) as callers:
        await replace(case, order, callers, None)
        await verify(case, callers)
        await replace(case, order, callers, before)
        await verify(case, callers)
