"""Random schedules of starts, duplicates, cancels and harm; the seed of a failure stands in its report."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from offline_model.script import Rule
from tests.faults.case import Case, running_case
from tests.faults.chaos import Chaos
from tests.faults.conftest import with_password
from tests.faults.load import Load
from tests.faults.stack import Stack, running_stack
from tests.support.postgres import Cluster

SEED = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


async def _schedule(case: Case, seconds: float, callers: int, cluster: Cluster | None = None) -> None:
    print(f"FAULT_SEED={SEED}")
    await case.script(Rule(delay_seconds=0.2))
    load = Load(case, random.Random(SEED), cancel_share=0.15)
    chaos = Chaos(case, random.Random(SEED + 1), cluster)
    calling = asyncio.create_task(load.callers(callers))
    try:
        await chaos.go_on(seconds, 0.2, 1.0)
        await asyncio.to_thread(case.stack.heal)
    finally:
        load.stopping.set()
    async with asyncio.timeout(60):
        await calling
    print(f"{load.finished} runs, harm: {chaos.done}")
    assert load.finished > 0


async def test_a_short_random_schedule_breaks_no_rule(case: Case) -> None:
    await _schedule(case, seconds=6, callers=3)


@pytest.fixture
async def cluster_case(tmp_path: Path, mark: str) -> AsyncIterator[tuple[Case, Cluster]]:
    """A case on a PostgreSQL server of its own."""
    with Cluster() as cluster:
        stack = Stack(tmp_path, with_password(cluster.create_database()), persistence_count=2)
        with running_stack(stack):
            async with running_case(stack, mark) as case:
                yield case, cluster


@pytest.mark.slow_fault
@pytest.mark.timeout(240)
async def test_a_long_random_schedule_breaks_no_rule(case: Case) -> None:
    await _schedule(case, seconds=60, callers=6)


@pytest.mark.slow_fault
@pytest.mark.timeout(240)
async def test_a_random_schedule_with_restarts_of_the_database_breaks_no_rule(
    cluster_case: tuple[Case, Cluster],
) -> None:
    case, cluster = cluster_case
    await _schedule(case, seconds=45, callers=6, cluster=cluster)
