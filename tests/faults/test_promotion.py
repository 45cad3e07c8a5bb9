"""A PostgreSQL primary that dies under reviews, and its synchronous standby that takes its place."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from consensus_cli.local.processes import reserve_port
from tests.faults.case import Case, Follower, running_case
from tests.faults.conftest import with_password
from tests.faults.stack import Stack
from tests.support.pair import kinds, until
from tests.support.postgres import Cluster

_RUNS = 100
_AWAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary whose commits wait for its standby."""

    primary: Cluster
    standby: Cluster

    def in_step(self) -> bool:
        """Whether the standby streams, and commits wait for it."""
        with closing(psycopg2.connect(self.primary.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
            )
            return cursor.fetchone() is not None


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Cluster() as primary, Cluster(primary) as standby:
        primary.require_standby()
        yield Pair(primary, standby)


@pytest.fixture
async def own_case(pair: Pair, tmp_path: Path, mark: str) -> AsyncIterator[Case]:
    """A case on the primary, whose services know both servers' addresses."""

    async def is_in_step() -> bool:
        return await asyncio.to_thread(pair.in_step)

    await until(is_in_step)
    url = with_password(await asyncio.to_thread(pair.primary.create_database))
    both = f"127.0.0.1:{pair.primary.port},127.0.0.1:{pair.standby.port}"
    stack = Stack(tmp_path, url, persistence_count=2, served_url=_elsewhere(url, both))
    try:
        await asyncio.to_thread(stack.start)
        async with running_case(stack, mark) as case:
            yield case
    finally:
        await asyncio.to_thread(stack.stop)


def _elsewhere(url: str, address: str) -> str:
    """The same database at another `host:port`, or at several."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{address}"))


@pytest.mark.slow_fault
async def test_the_primary_is_killed_and_the_standby_promoted(own_case: Case, pair: Pair) -> None:
    case = own_case
    await case.hold("critic", "optimist")
    callers = [await case.stream(case.stack.reviews[n % 2]) for n in range(_RUNS)]
    await asyncio.gather(*(caller.until("persona_review_ready", 3) for caller in callers))
    asked = await _asked(case, callers)
    begun = await case.start(case.stack.reviews[0])  # is written while the primary dies

    await case.release()
    await asyncio.to_thread(pair.primary.kill)
    with reserve_port(port=pair.primary.port) as silent:  # as where a machine is gone that could refuse
        silent.listen()
        await asyncio.sleep(_AWAY_SECONDS)
        await asyncio.to_thread(pair.standby.promote)
        case.stack.database_url = _elsewhere(case.stack.database_url, f"127.0.0.1:{pair.standby.port}")
        ends = await asyncio.gather(*(case.finish(caller.run_id, caller.last) for caller in callers))
        ends.append(await case.finish(begun))
        later = await case.start(case.stack.reviews[1])

    assert Counter(kinds(events)[-1] for events in ends) == {"run_completed": _RUNS + 1}
    assert kinds(await case.finish(later))[-1] == "run_completed"
    assert await _asked(case, callers) == asked


async def _asked(case: Case, callers: list[Follower]) -> dict[tuple[str, str], int]:
    """How often the model was asked for each review that a caller has: twice where a lease ran out before."""
    asked = {}
    for caller in callers:
        for persona in caller.reviewed():
            counted = await case.model_wait({}, run_id=caller.run_id, persona=persona)
            asked[caller.run_id, persona] = counted["total"]["started"]
    return asked
