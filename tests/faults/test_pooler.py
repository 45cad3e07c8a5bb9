"""A pair whose persistence services reach PostgreSQL through PgBouncer in transaction mode."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.case import Case, running_case
from tests.faults.stack import Stack
from tests.support import pgbouncer
from tests.support.pair import kinds
from tests.support.pgbouncer import Pooler
from tests.support.postgres import Cluster
from tests.support.processes import clean_environment, run_command

_RUNS = 20

pytestmark = pytest.mark.skipif(pgbouncer.COMMAND is None, reason="PgBouncer is not installed here")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def pooler(cluster: Cluster) -> Iterator[Pooler]:
    with Pooler(cluster.port) as pooler:
        yield pooler


@pytest.fixture
async def pooled_case(cluster: Cluster, pooler: Pooler, tmp_path: Path, mark: str) -> AsyncIterator[Case]:
    """A case on two persistence services, whose role was prepared by the command that an operator runs."""
    direct = cluster.create_database()
    settings = {"DB_POOLER_MODE": "transaction", "DATABASE_MIGRATE_URL": direct}
    served = pooler.url(direct)
    environment = clean_environment(DATABASE_URL=served, **settings)
    done = await asyncio.to_thread(
        run_command, "migrate", package="persistence_service", environment=environment
    )
    assert done.returncode == 0, done.stderr
    stack = Stack(tmp_path, direct, persistence_count=2, served_url=served, persistence_settings=settings)
    try:
        await asyncio.to_thread(stack.start)
        async with running_case(stack, mark) as case:
            yield case
    finally:
        await asyncio.to_thread(stack.stop)


async def _finish(case: Case, runs: list[str]) -> Counter[str]:
    """How the runs ended."""
    return Counter(kinds(events)[-1] for events in await asyncio.gather(*map(case.finish, runs)))


async def test_reviews_go_through_a_pooler_and_the_trail_is_whole(pooled_case: Case) -> None:
    case = pooled_case
    runs = [await case.start(case.stack.reviews[n % 2]) for n in range(_RUNS)]
    assert await _finish(case, runs) == {"run_completed": _RUNS}
    environment = clean_environment(CONSENSUS_PERSISTENCE=case.stack.persistences[1].address)
    verified = await asyncio.to_thread(run_command, "audit", "verify", environment=environment)
    assert verified.stdout.startswith(f"whole: {_RUNS} streams"), verified.stderr


@pytest.mark.slow_fault
async def test_a_pooler_that_is_killed_and_started_again_loses_nothing(
    pooled_case: Case, pooler: Pooler
) -> None:
    case = pooled_case
    await case.hold("critic", "optimist")
    callers = [await case.stream(case.stack.reviews[n % 2]) for n in range(_RUNS)]
    await asyncio.gather(*(caller.until("persona_review_ready", 2) for caller in callers))
    await case.release()
    await asyncio.to_thread(pooler.restart, away_seconds=2.0)
    assert await _finish(case, [caller.run_id for caller in callers]) == {"run_completed": _RUNS}
