"""A key has one effect, however often and by whomever it is sent."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from consensus_contract.errors import IdempotencyKeyReused, IllegalState, RunNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import Overloaded
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.housekeeping.purging import purge_all
from persistence_service.housekeeping.retentions import EXPIRED_KEYS
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.runs.form.options import RunOptions
from tests.support.records import (
    LONG_AGO,
    Service,
    Worker,
    claim,
    new_id,
    scope,
)


async def listed(service: Service) -> list[run_pb2.Run]:
    return list((await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))).runs)


async def key_count(database: Database) -> int:
    count = select(func.count()).select_from(IdempotencyKeyRow)
    return await database.run(
        lambda connection: int(connection.execute(count).scalar_one()), tenant=EVERY_TENANT
    )


async def test_fifty_callers_at_once_with_one_key_make_one_run(
    service: Service, second_service: Service
) -> None:
    services = [service, second_service]
    runs = await asyncio.gather(*(services[n % 2].queued(key=claim("k")) for n in range(50)))
    assert len({run.run_id for run in runs}) == 1
    assert len(await listed(service)) == 1


async def test_one_stream_of_many_with_one_key_works_and_the_others_follow_it(
    service: Service, second_service: Service
) -> None:
    services = [service, second_service]

    async def begin(number: int) -> tuple[str, str | None]:
        run_id = new_id()
        async with Worker(services[number % 2]) as worker:
            answer = await worker.create(run_id, claim("k"))
            return (answer.follow.run_id or run_id), answer.WhichOneof("message")

    answers = await asyncio.gather(*(begin(number) for number in range(50)))
    assert len({run_id for run_id, _ in answers}) == 1
    assert [kind for _, kind in answers].count("created") == 1


async def test_a_key_that_was_used_says_where_its_run_stands(service: Service) -> None:
    async with service.created(key=claim("k")) as worker:
        await worker.finish()
    async with Worker(service) as again:
        answer = await again.create(new_id(), claim("k"))
        assert (answer.follow.run_id, answer.follow.state) == (
            worker.run_id,
            run_pb2.RUN_STATE_COMPLETED,
        )
        assert (await again.answer()).WhichOneof("message") is None


async def test_queued_and_streamed_starts_are_one_operation(service: Service) -> None:
    run = await service.queued(key=claim("k"))
    async with Worker(service) as worker:
        assert (await worker.create(new_id(), claim("k"))).follow.run_id == run.run_id


async def test_the_same_key_with_another_request_is_refused_and_nothing_is_written(
    service: Service,
) -> None:
    run = await service.queued(key=claim("k"))
    with pytest.raises(IdempotencyKeyReused) as caught:
        await service.queued(key=claim("k", b"s"))
    assert caught.value.metadata["idempotency_key"] == "k"
    assert [each.run_id for each in await listed(service)] == [run.run_id]
    assert await key_count(service.database) == 1


@pytest.mark.parametrize("other", [scope(tenant="t-2"), scope(caller="c-2")], ids=["tenant", "caller"])
async def test_keys_of_others_are_not_ours(
    service: Service, other: persistence_service_pb2.CallScope
) -> None:
    run = await service.queued(key=claim("k"))
    async with Worker(service) as worker:
        answer = await worker.create(new_id(), claim("k", b"s"), scope=other)
        assert answer.WhichOneof("message") == "created"
        assert worker.run_id != run.run_id


async def test_a_key_of_a_refused_operation_stays_free(service: Service) -> None:
    run = await service.queued()
    await service.set_run(run.run_id, state="COMPLETED")
    with pytest.raises(IllegalState):
        await service.cancel(run.run_id, claim("k"))
    assert await key_count(service.database) == 0


async def test_a_cancellation_is_answered_with_its_first_success(service: Service) -> None:
    run = await service.queued()
    cancelled = await service.cancel(run.run_id, claim("k"))
    assert await service.cancel(run.run_id, claim("k")) == cancelled


async def test_a_resumption_that_is_repeated_is_no_second_one(service: Service) -> None:
    run = await service.queued()
    await service.set_run(run.run_id, state="FAILED")
    request = persistence_service_pb2.ResumeRunRequest(
        scope=scope(), run_id=run.run_id, idempotency=claim("k")
    )
    with contract_errors():
        answers = [(await service.stub.ResumeRun(request)).run.resume_count for _ in range(3)]
    assert answers == [1, 1, 1]


async def annotated(
    service: Service, run_id: str, notes: str, key: persistence_service_pb2.IdempotencyClaim | None = None
) -> run_pb2.Run:
    request = persistence_service_pb2.AnnotateDecisionRequest(
        scope=scope(), run_id=run_id, decision_notes=notes, idempotency=key
    )
    with contract_errors():
        return (await service.stub.AnnotateDecision(request)).run


async def test_a_note_is_set_once_per_key_and_replaced_by_another(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
    assert (await annotated(service, worker.run_id, "a", claim("k"))).decision.decision_notes == "a"
    assert (await annotated(service, worker.run_id, "b")).decision.decision_notes == "b"
    again = await annotated(service, worker.run_id, "a", claim("k"))
    assert again.decision.decision_notes == "b"
    events = await service.events(worker.run_id)
    assert [event.HasField("decision_annotated") for event in events[-3:]] == [False, True, True]


async def test_a_note_needs_a_decision(service: Service) -> None:
    run = await service.queued()
    with pytest.raises(IllegalState):
        await annotated(service, run.run_id, "a")
    with pytest.raises(RunNotFound):
        await annotated(service, new_id(), "a")


async def expire_keys(database: Database) -> None:
    change = update(IdempotencyKeyRow).values(expire_time=LONG_AGO, create_time=LONG_AGO - timedelta(days=7))
    await database.run(lambda connection: connection.execute(change).rowcount, tenant=EVERY_TENANT)


async def test_expired_keys_are_forgotten_once_their_run_has_ended(service: Service) -> None:
    ended, waiting = await service.queued(key=claim("a")), await service.queued(key=claim("b"))
    await service.set_run(ended.run_id, state="COMPLETED")
    await expire_keys(service.database)
    assert await purge_all(service.database, EXPIRED_KEYS) == 1
    assert (await service.queued(key=claim("b"))).run_id == waiting.run_id
    assert (await service.queued(key=claim("a"))).run_id != ended.run_id


async def test_keys_that_have_not_expired_are_kept(service: Service) -> None:
    run = await service.queued(key=claim("a"))
    await service.set_run(run.run_id, state="COMPLETED")
    assert await purge_all(service.database, EXPIRED_KEYS) == 0


async def test_no_more_runs_wait_than_may(database: Database) -> None:
    async with Service(database, RunOptions(max_queued_runs_per_tenant=2)) as service:
        first = await service.queued(key=claim("k"))
        await service.queued()
        with pytest.raises(Overloaded):
            await service.queued()
        assert (await service.queued(key=claim("k"))).run_id == first.run_id
