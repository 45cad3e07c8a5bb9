"""Deleted runs are left out of everything, shown where asked for, and restored whole."""

import asyncio
from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError, IdempotencyKeyReused, IllegalState, RunNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidPageToken
from tests.support import deletion
from tests.support.deletion import call, delete, event_kinds, finished, get, undelete
from tests.support.records import (
    Service,
    Worker,
    claim,
    failure,
    new_id,
    proposal,
    record,
    scope,
    specification,
)


async def failed(service: Service) -> str:
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
        return worker.run_id


def revision_of(parent: str) -> run_pb2.RunSpecification:
    revision = run_pb2.RevisionSpecification(
        parent_run_id=parent,
        parent_proposal=proposal(),
        edit_notes="Sooner.",
        asked_personas=["critic"],
    )
    return specification(revision=revision)


async def test_a_deleted_run_is_nowhere_unless_deleted_ones_are_asked_for(service: Service) -> None:
    gone, stays = await finished(service), await finished(service)
    await delete(service, gone)
    for read in (
        get(service, gone, show_deleted=False),
        event_kinds(service, gone),
        deletion.attempts(service, gone, show_deleted=False),
        deletion.reviews(service, gone, show_deleted=False),
    ):
        with pytest.raises(RunNotFound):
            await read
    assert await deletion.listed(service) == await deletion.exported(service) == [stays]
    everything = [stays, gone]
    assert await deletion.listed(service, show_deleted=True) == everything
    assert await deletion.exported(service, show_deleted=True) == everything
    assert len(await deletion.attempts(service, gone, show_deleted=True)) == 6
    assert len(await deletion.reviews(service, gone, show_deleted=True)) == 5
    assert (await event_kinds(service, gone, show_deleted=True))[-2:] == ["run_completed", "run_deleted"]


async def test_a_deleted_run_says_when_it_was_deleted_and_until_when_it_can_be_restored(
    service: Service,
) -> None:
    run = await delete(service, await finished(service))
    assert run.delete_time == run.update_time
    assert run.deletion_id
    kept = run.purge_time.ToDatetime() - run.delete_time.ToDatetime()
    assert kept.days == 30


async def test_undeleting_restores_the_run_as_it_was(service: Service) -> None:
    run_id = await finished(service)
    before = await get(service, run_id)
    deleted = await delete(service, run_id)
    restored = await undelete(service, run_id)
    assert restored == await get(service, run_id, show_deleted=False)
    assert restored.last_sequence == before.last_sequence + 2
    for run in (before, restored):
        run.ClearField("last_sequence")
        run.ClearField("update_time")
    assert restored == before
    assert await deletion.listed(service) == [run_id]
    kinds = await event_kinds(service, run_id)
    assert kinds[-2:] == ["run_deleted", "run_undeleted"]
    stored = [data for kind, data in deletion.entries(service.database, f"runs/{run_id}")[-2:]]
    assert stored == [{"deletion_id": deleted.deletion_id}] * 2


async def test_deleting_and_undeleting_again_changes_nothing(service: Service) -> None:
    run_id = await finished(service)
    assert await undelete(service, run_id) == await get(service, run_id)
    deleted = await delete(service, run_id)
    assert await delete(service, run_id) == deleted
    restored = await undelete(service, run_id)
    assert await undelete(service, run_id) == restored
    assert await deletion.flaws(service.database) == []


async def test_a_run_that_has_not_ended_is_not_deleted(service: Service) -> None:
    queued = (await service.queued()).run_id
    async with service.created() as worker:
        for run_id in (queued, worker.run_id):
            with pytest.raises(IllegalState) as refusal:
                await delete(service, run_id)
            assert refusal.value.run_id == run_id
    assert set(await deletion.listed(service)) == {queued, worker.run_id}


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_every_run_that_has_ended_can_be_deleted(service: Service, end: str) -> None:
    if end == "failed":
        run_id = await failed(service)
    else:
        run_id = (await service.queued()).run_id
        await service.cancel(run_id)
    await delete(service, run_id)
    assert await deletion.listed(service) == []


@pytest.mark.parametrize("method", ["CancelRun", "ResumeRun", "AnnotateDecision"])
async def test_a_deleted_run_is_changed_by_nobody(service: Service, method: str) -> None:
    run_id = await failed(service)
    before = await delete(service, run_id)
    with pytest.raises(RunNotFound):
        await call(service, method, run_id=run_id)
    assert await get(service, run_id) == before


async def test_another_tenant_and_nobody_know_of_the_run(service: Service) -> None:
    run_id = await finished(service)
    with pytest.raises(RunNotFound):
        await delete(service, run_id, scope=scope("other"))
    await delete(service, run_id)
    with pytest.raises(RunNotFound):
        await undelete(service, run_id, scope=scope("other"))
    with pytest.raises(RunNotFound):
        await call(service, "GetRun", run_id=run_id, scope=scope("other"), show_deleted=True)
    with pytest.raises(RunNotFound):
        await delete(service, new_id())


async def test_a_key_that_started_a_deleted_run_is_not_found(service: Service) -> None:
    key = claim("start")
    run_id = await finished(service, key=key)
    await delete(service, run_id)
    with pytest.raises(RunNotFound):
        await service.queued(key=key)
    async with Worker(service) as worker:
        with pytest.raises(RunNotFound):
            await worker.create(new_id(), key)


async def test_the_same_key_deletes_once(service: Service) -> None:
    run_id, other = await finished(service), await finished(service)
    deleted = await delete(service, run_id, idempotency=claim("k"))
    await undelete(service, run_id)
    again = await delete(service, run_id, idempotency=claim("k"))
    assert (again.deletion_id, again.HasField("delete_time")) == ("", False)
    assert deleted.deletion_id
    with pytest.raises(IdempotencyKeyReused):
        await delete(service, run_id, idempotency=claim("k", b"x"))
    assert (await delete(service, other, idempotency=claim("k"))).deletion_id  # a key of another run


async def test_a_deleted_parent_leaves_its_revisions(service: Service) -> None:
    parent = await finished(service)
    created = persistence_service_pb2.CreateRunRequest(
        scope=scope(), run_id=new_id(), specification=revision_of(parent)
    )
    with contract_errors():
        revision = (await service.stub.CreateRun(created)).run
    await delete(service, parent)
    assert (await get(service, revision.run_id, show_deleted=False)).parent_run_id == parent
    late = persistence_service_pb2.CreateRunRequest(
        scope=scope(), run_id=new_id(), specification=revision_of(parent)
    )
    with pytest.raises(RunNotFound), contract_errors():
        await service.stub.CreateRun(late)


async def test_a_page_token_belongs_to_one_of_the_two_lists(service: Service) -> None:
    for _ in range(3):
        await finished(service)
    token = (await call(service, "ListRuns", page_size=1, show_deleted=True)).next_page_token
    with pytest.raises(InvalidPageToken):
        await call(service, "ListRuns", page_size=1, page_token=token)


async def outcome(work: Any) -> str:
    try:
        await work
    except ConsensusError as error:
        return error.reason_name
    return "OK"


async def test_of_deleting_and_resuming_at_once_one_is_refused(
    service: Service, second_service: Service
) -> None:
    for _ in range(8):
        run_id = await failed(service)
        outcomes = [
            *await asyncio.gather(outcome(delete(service, run_id)), outcome(second_service.resume(run_id)))
        ]
        run = await get(service, run_id)
        if run.HasField("delete_time"):
            assert (outcomes, run.state) == (["OK", "RUN_NOT_FOUND"], run_pb2.RUN_STATE_FAILED)
        else:
            assert (outcomes, run.state) == (["ILLEGAL_STATE", "OK"], run_pb2.RUN_STATE_RUNNING)
    assert await deletion.flaws(service.database) == []


async def test_eight_who_delete_at_once_leave_one_deletion(service: Service, second_service: Service) -> None:
    run_id = await finished(service)
    both = [service, second_service] * 4
    runs = await asyncio.gather(*(delete(each, run_id) for each in both))
    assert len({run.deletion_id for run in runs}) == 1
    assert [kind for kind, _ in deletion.entries(service.database, f"runs/{run_id}")].count(
        "run.deleted"
    ) == 1
