"""Faults of the SQLite file while runs are worked on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from tests.faults.case import Case, running_case
from tests.faults.conftest import Stacks
from tests.support.pair import kinds
from tests.support.processes import clean_environment, start_process


@pytest.fixture
async def sqlite_case(stacks: Stacks, mark: str) -> AsyncIterator[Case]:
    """A case on SQLite alone."""
    async with running_case(stacks.lend("sqlite"), mark) as running:
        yield running


@pytest.mark.parametrize("seconds", [0.3, 1.2, 3.0])
async def test_the_file_is_locked_by_another_process(sqlite_case: Case, seconds: float) -> None:
    case = sqlite_case
    await case.hold("critic", "optimist")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("persona_review_ready", 3)
    path = case.stack.database_url.removeprefix("sqlite:///")

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await case.release()
        await asyncio.sleep(seconds)
        other.execute("ROLLBACK")

    assert kinds(await case.finish(caller.run_id))[-1] == "run_completed"
    for persona in caller.reviewed():
        assert (await case.model_wait({}, run_id=caller.run_id, persona=persona))["total"]["started"] == 1


async def test_a_second_process_on_the_file_is_refused_and_harms_nothing(sqlite_case: Case) -> None:
    case = sqlite_case
    await case.hold("expand")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("run_started")

    environment = clean_environment(
        DATABASE_URL=case.stack.database_url, PERSISTENCE_LISTEN="127.0.0.1:0", LOG_FORMAT="json"
    )
    second = start_process("persistence_service", case.stack.folder, environment, name="second")
    status = await asyncio.to_thread(second.popen.wait, 30)
    await case.release()
    await caller.rest()

    assert status != 0
    assert kinds(caller.events)[-1] == "run_completed"
