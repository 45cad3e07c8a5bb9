"""Drafts under concurrency and repetition: one key has one effect, positions have no gap."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from consensus.v1 import draft_pb2
from consensus_contract.errors import (
    ConsensusError,
    DatabaseUnavailable,
    DuplicateId,
    IdempotencyKeyReused,
    NotRingHolder,
)
from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.drafts.tables import DraftRow
from tests.support import postgres
from tests.support.drafts import VIEWER, Drafts

EIGHT = range(8)


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        yield drafts


@pytest.fixture
async def replicas(drafts: Drafts, second_database: Database) -> AsyncIterator[list[Drafts]]:
    """Two replicas; on SQLite two servers of the one process."""
    async with Drafts(second_database) as second:
        yield [drafts, second]


async def outcomes(*calls: Any) -> tuple[list[Any], list[BaseException]]:
    """What the calls, made at once, were answered, and their errors."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    return [result for result in results if not isinstance(result, BaseException)], errors


async def test_eight_appends_at_once_with_eight_keys_have_positions_without_gap(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    written, errors = await outcomes(
        *(drafts.append(draft_id, text=f"number {number}", key=f"k{number}") for number in EIGHT)
    )
    assert not errors
    assert sorted(segment.position for segment in written) == list(EIGHT)
    draft = await drafts.get(draft_id)
    assert [segment.position for segment in draft.segments] == list(EIGHT)
    assert len({segment.segment_id for segment in draft.segments}) == 8
    assert draft.last_sequence == 9


async def test_appends_through_two_replicas_have_positions_without_gap(replicas: list[Drafts]) -> None:
    draft_id = (await replicas[0].create()).draft_id
    written, errors = await outcomes(
        *(replicas[number % 2].append(draft_id, text=f"number {number}") for number in range(16))
    )
    assert not errors
    assert sorted(segment.position for segment in written) == list(range(16))


async def test_eight_appends_at_once_with_one_key_are_one_segment_and_eight_equal_answers(
    replicas: list[Drafts],
) -> None:
    draft_id = (await replicas[0].create()).draft_id
    answers, errors = await outcomes(*(replicas[number % 2].append(draft_id, key="once") for number in EIGHT))
    assert not errors
    assert all(answer == answers[0] for answer in answers)
    assert (await replicas[0].get(draft_id)).segment_count == 1


async def test_of_eight_passes_at_once_one_succeeds(replicas: list[Drafts]) -> None:
    drafts = replicas[0]
    draft_id = (await drafts.create()).draft_id
    for number in EIGHT:
        await drafts.add(draft_id, f"user-{number}")
    rings, errors = await outcomes(
        *(replicas[number % 2].pass_ring(draft_id, "ann", f"user-{number}") for number in EIGHT)
    )
    assert len(rings) == 1
    assert [type(error) for error in errors] == [NotRingHolder] * 7
    ring = (await drafts.get(draft_id)).ring
    assert (ring.holder, ring.turn_count) == (rings[0].holder, 2)


async def test_of_eight_who_create_one_id_at_once_one_succeeds(replicas: list[Drafts]) -> None:
    made, errors = await outcomes(
        *(replicas[number % 2].create("one", user=f"user-{number}") for number in EIGHT)
    )
    assert len(made) == 1
    assert [type(error) for error in errors] == [DuplicateId] * 7


async def test_creating_at_once_with_one_key_makes_one_draft(
    replicas: list[Drafts], database: Database
) -> None:
    answers, errors = await outcomes(
        *(
            replicas[number % 2].call("CreateDraft", user="ann", title="One", idempotency_key="once")
            for number in EIGHT
        )
    )
    assert not errors
    assert len({answer.draft.draft_id for answer in answers}) == 1
    count = select(func.count()).select_from(DraftRow)
    assert database.unit_of_work(lambda c: c.execute(count).scalar_one(), read_only=True) == 1


async def test_a_repeated_pass_is_answered_as_the_first_whatever_has_become_of_the_ring(
    drafts: Drafts,
) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.add(draft_id, "ben")
    first = await drafts.pass_ring(draft_id, "ann", "ben", key="pass")
    await drafts.pass_ring(draft_id, "ben", "ann")
    await drafts.pass_ring(draft_id, "ann", "ben")
    assert await drafts.pass_ring(draft_id, "ann", "ben", key="pass") == first
    assert (await drafts.get(draft_id)).ring.turn_count == 4


async def test_a_repeated_append_to_a_deleted_draft_is_answered_as_the_first(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    first = await drafts.append(draft_id, key="k")
    await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")
    assert await drafts.append(draft_id, key="k") == first


async def test_a_key_with_another_request_is_refused_before_anything_else(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.append(draft_id, text="one", key="k")
    for user, text in (("ann", "two"), ("stranger", "one")):
        with pytest.raises(IdempotencyKeyReused):
            await drafts.append(draft_id, user, text, key="k")
    assert (await drafts.get(draft_id)).segment_count == 1


async def test_a_key_has_its_own_effect_in_another_draft_and_another_operation(drafts: Drafts) -> None:
    first, second = (await drafts.create()).draft_id, (await drafts.create()).draft_id
    for draft_id in (first, second):
        await drafts.append(draft_id, key="k")
        await drafts.add(draft_id, "ben")
        await drafts.pass_ring(draft_id, "ann", "ben", key="k")
        await drafts.call(
            "AddCollaborator",
            draft_id=draft_id,
            user="ann",
            collaborator="vic",
            role=VIEWER,
            idempotency_key="k",
        )
    for draft_id in (first, second):
        draft = await drafts.get(draft_id)
        assert (draft.segment_count, draft.ring.holder, draft.collaborator_count) == (1, "ben", 3)


REPEATED = [
    ("UpdateDraft", {"state": draft_pb2.DRAFT_STATE_LOCKED}),
    ("DeleteDraft", {}),
    ("AddCollaborator", {"collaborator": "eve", "role": VIEWER}),
    ("RemoveCollaborator", {"collaborator": "ben"}),
    ("AppendSegment", {"text": "words"}),
    ("PassRing", {"recipient": "ben"}),
]


@pytest.mark.parametrize(("method", "fields"), REPEATED, ids=[name for name, _ in REPEATED])
async def test_a_repeated_call_has_no_second_effect(
    drafts: Drafts, method: str, fields: dict[str, Any]
) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.add(draft_id, "ben")
    request = {"draft_id": draft_id, "user": "ann", "idempotency_key": "again", **fields}
    first = await drafts.call(method, **request)
    after = await drafts.get(draft_id, show_deleted=True)
    assert await drafts.call(method, **request) == first
    assert await drafts.get(draft_id, show_deleted=True) == after


async def test_with_the_database_stopped_the_answer_is_unavailable() -> None:
    with postgres.Cluster() as cluster:
        options = DatabaseOptions(url=normalise_url(cluster.create_database()), probe_interval=0.05)
        database = Database(options)
        database.open()
        async with Drafts(database) as drafts:
            draft_id = (await drafts.create()).draft_id
            first = await drafts.append(draft_id, key="k")
            await asyncio.to_thread(cluster.stop, "immediate")
            calls: list[Any] = [
                drafts.append(draft_id, key="k"),
                drafts.get(draft_id),
                drafts.call("ListDrafts", user="ann"),
                drafts.create("other", idempotency_key="k"),
            ]
            _, errors = await outcomes(*calls)
            assert [type(error) for error in errors] == [DatabaseUnavailable] * len(calls)
            assert all(isinstance(error, ConsensusError) and error.retryable for error in errors)

            back = asyncio.Event()
            loop = asyncio.get_running_loop()

            def note(up: bool) -> None:
                if up:
                    loop.call_soon_threadsafe(back.set)

            database.condition.on_change(note)
            await asyncio.to_thread(cluster.start)
            await asyncio.wait_for(back.wait(), 20)
            assert await drafts.append(draft_id, key="k") == first
            assert (await drafts.get(draft_id)).segment_count == 1
        database.close()
