"""Persistence services killed around a commit, and both services killed together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from persistence_service.database import normalise_url
from persistence_service.runs.form.tables import RUNS
from tests.faults.case import ABOUT, Case, Follower
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import kinds, until
from tests.support.postgres import showing_all

pytestmark = pytest.mark.parametrize("about", ABOUT, indirect=True)


@contextmanager
def locked(database_url: str, run_id: str) -> Iterator[None]:
    """Another session that keeps the run (on SQLite the file) to itself."""
    engine = create_engine(normalise_url(showing_all(database_url)), poolclass=NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(select(RUNS.c.state).where(RUNS.c.run_id == run_id).with_for_update())
        yield
        connection.rollback()


def is_last_stored(case: Case, caller: Follower) -> bool:
    # The last review but one was the last thing read; its step's completion came in the same commit.
    return bool(case.stack.column(caller.run_id, "last_sequence") > caller.last + 1)


async def test_persistence_killed_before_its_commit(case: Case) -> None:
    review, persistence = case.stack.reviews[0], case.stack.persistences[0]
    await case.hold("expand")
    caller = await case.stream(review)
    await caller.until("run_started")
    await case.model_wait({"held": 1}, run_id=caller.run_id)

    with locked(case.stack.database_url, caller.run_id):
        await case.release()  # the record that follows waits for the lock
        await case.model_wait({"succeeded": 1}, run_id=caller.run_id)
        await asyncio.sleep(0.05)
        persistence.kill()
    await asyncio.to_thread(case.stack.restart, persistence)

    assert kinds(await case.finish(caller.run_id))[-1] == "run_completed"
    assert (await case.model_wait({}, run_id=caller.run_id, step="expand"))["total"]["started"] <= 2


async def test_persistence_killed_after_its_commit_before_the_answer(case: Case) -> None:
    persistence = case.stack.persistences[0]
    async with FaultProxy.start(persistence.internal_address) as proxy:
        review = case.stack.spawn_review("extra0", persistence=proxy.address)
        try:
            await asyncio.to_thread(case.stack.adopt, review)
            await case.hold("critic")
            caller = await case.stream(review)
            await caller.until("persona_review_ready", len(case.personas) - 1)
            proxy.drop_replies()
            await case.release()

            async def is_written() -> bool:
                return is_last_stored(case, caller)

            await until(is_written)
            persistence.kill()
            proxy.heal()
            await asyncio.to_thread(case.stack.restart, persistence)
            await caller.rest()

            assert kinds(caller.events)[-1] == "run_completed"
            assert (await case.model_wait({}, run_id=caller.run_id))["total"]["started"] == 1 + len(
                case.personas
            )
        finally:
            case.stack.dismiss(review)


async def test_review_killed_with_all_reviews_stored_and_no_decision(case: Case) -> None:
    persistence = case.stack.persistences[0]
    async with FaultProxy.start(persistence.internal_address) as proxy:
        review = case.stack.spawn_review("extra0", persistence=proxy.address)
        try:
            await asyncio.to_thread(case.stack.adopt, review)
            await case.hold("critic")
            caller = await case.stream(review)
            await caller.until("persona_review_ready", len(case.personas) - 1)
            proxy.drop_replies()  # the fifth review's acknowledgement never arrives
            await case.release()

            async def is_written() -> bool:
                return is_last_stored(case, caller)

            await until(is_written)
            review.kill()

            assert kinds(await case.finish(caller.run_id))[-1] == "run_completed"
            assert (await case.model_wait({}, run_id=caller.run_id))["total"]["started"] == 1 + len(
                case.personas
            )
        finally:
            case.stack.dismiss(review)


async def test_review_killed_with_the_decision_stored_before_its_caller_knew(case: Case) -> None:
    first, second = case.stack.reviews
    async with FaultProxy.start(first.address) as proxy:
        await case.hold("critic")
        caller = await case.stream(proxy.address)
        await caller.until("persona_review_ready", len(case.personas) - 1)
        proxy.drop_replies()
        await case.release()

        async def is_over() -> bool:
            return bool(case.stack.column(caller.run_id, "state") == "COMPLETED")

        await until(is_over)
        first.kill()
        rest = await (await case.watch(second, caller.run_id, caller.last)).rest()

        assert kinds(rest)[-1] == "run_completed"
        assert kinds(rest).count("decision_ready") == 1


@pytest.mark.parametrize("order", ["persistence first", "review first"])
async def test_both_killed_and_started_in_either_order(case: Case, order: str) -> None:
    reviews, persistences = [*case.stack.reviews], [*case.stack.persistences]
    await case.hold("critic", "optimist", times=1)
    caller = await case.stream(reviews[0])
    await caller.until("persona_review_ready", len(case.personas) - 2)

    for process in (*reviews, *persistences):
        process.kill()
    back = [*persistences, *reviews] if order == "persistence first" else [*reviews, *persistences]
    await asyncio.to_thread(case.stack.restart, *back)

    assert kinds(await case.finish(caller.run_id, caller.last))[-1] == "run_completed"
    for persona in caller.reviewed():
        calls = await case.model_wait({}, run_id=caller.run_id, persona=persona)
        assert calls["total"]["started"] == 1
