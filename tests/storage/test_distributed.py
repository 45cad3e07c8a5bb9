"""On a database that is distributed by tenant each statement that locks or writes content names one tenant.

Shown on plain PostgreSQL, by the statements that are sent: no distributed one is here.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import (
    attempt_pb2,
    event_service_pb2_grpc,
    metric_service_pb2,
    metric_service_pb2_grpc,
    run_event_pb2,
)
from consensus_rpc.channel.status import contract_errors
from persistence_service.database import EVERY_TENANT, Connection, Database
from persistence_service.housekeeping.purging import purge_all
from persistence_service.housekeeping.retentions import EXPIRED_KEYS
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from persistence_service.runs.form.caps import Caps, TenantCaps
from persistence_service.runs.form.keys import creation_key_use, scope_of
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.write.batch import BatchTerms, run_batch
from persistence_service.runs.write.fold import Rules
from persistence_service.runs.write.operations import Create, Operation
from persistence_service.runs.write.outcomes import BatchResult
from persistence_service.runs.write.statements import LOCK_RUNS
from persistence_service.tables import DISTRIBUTED_TABLES, REMOVED, RIGHTS
from persistence_service.webhooks import repository as webhooks
from tests.storage import (
    test_decisions,
    test_documents,
    test_events,
    test_human_reviews,
    test_humans,
    test_revisions,
)
from tests.storage.conftest import IS_PARTITIONED, QUICK, options_for
from tests.storage.test_purging import ahead, purge
from tests.support.deciding import decided, decision_stub
from tests.support.deletion import call, finished
from tests.support.drafts import Drafts
from tests.support.one_tenant import LOCK, watched
from tests.support.records import Service, attempt, claim, failure, new_id, record, scope, specification
from tests.support.serving import once_per_key, served

TENANTS = ("acme", "default", "globex")
CAPS = Caps("USD", "v1", TenantCaps(run=10**9, tenant_day=10**9, open_runs=1000), allows_unpriced=True)
LOCKED = {"runs", "spend", "drafts", "metrics", "stream_heads", "webhook_deliveries", "expansions"}


@pytest.fixture
def distributed(request: pytest.FixtureRequest) -> Iterator[Database]:
    server = request.getfixturevalue("postgres_server")
    with server.database(request.getfixturevalue("postgres_template")) as url:
        database = Database(options_for(url, distributed=True))
        database.open()
        yield database
        database.close()


@pytest.fixture
async def runs(distributed: Database) -> AsyncIterator[Service]:
    """With all that adds statements: counters of what is spent, limits of open runs, webhooks."""
    async with Service(distributed, replace(QUICK, caps=CAPS, tells_ends=True)) as service:
        yield service


def expected() -> set[tuple[str, str]]:
    """What the service does to tables, by the rights that it needs."""
    made = {(right, table) for table in DISTRIBUTED_TABLES for right in RIGHTS[table] if right != "SELECT"}
    made.discard(("UPDATE", "expansions"))  # the right to lock them
    removed = {("DELETE", table) for table in REMOVED & DISTRIBUTED_TABLES}
    return made | removed | {(LOCK, table) for table in LOCKED}


@pytest.mark.skipif(IS_PARTITIONED, reason="a database that is distributed has no partitions")
async def test_all_that_the_service_sends_names_one_tenant(runs: Service) -> None:
    with watched() as found:
        await tour(runs)
    assert found.faults == []
    assert expected() - found.sent.keys() == set()


async def tour(service: Service) -> None:
    """All that is written, for several tenants where that can be one batch, until all of it is purged."""
    await tour_of_runs(service)
    await tour_of_people(service)
    async with Drafts(service.database) as drafts:
        await tour_of_drafts(drafts)
        await tour_of_events_and_metrics(service)
        await call(service, "DeleteUserData", user="ann", idempotency=claim("gone"))
    await tour_of_webhooks(service.database)
    gone = await purge(service.database, 1000, run_days=30, event_days=30, metric_days=30)
    assert {"runs", "drafts", "events", "metrics", "spend", "expansions", "webhook_deliveries"} <= set(gone)
    await purge_all(service.database, EXPIRED_KEYS, ahead(service.database, 1000))


async def tour_of_runs(service: Service) -> None:
    kept = [
        finished(service, scope=scope(tenant), key=claim(f"{tenant} {number}"))
        if number
        else failed(service, tenant)
        for tenant in TENANTS
        for number in range(2)
    ]
    await asyncio.gather(*kept, *(expanded(service, tenant) for tenant in TENANTS))
    queued = await asyncio.gather(*(queue(service, tenant) for tenant in TENANTS * 2))
    granted = await service.claim()
    assert {each.run_id for each in granted} == set(queued)
    await asyncio.gather(*(cancel(service, each.scope.tenant, each.run_id) for each in granted))
    await test_documents.decided(service, test_documents.over_document())
    parent = await test_revisions.finished(service)
    await test_revisions.revise(service, parent, test_revisions.carried("critic", parent))
    await call(service, "AnnotateDecision", run_id=parent, decision_notes="Noted.")
    for method in ("DeleteRun", "UndeleteRun", "DeleteRun"):
        await call(service, method, run_id=parent)


async def failed(service: Service, tenant: str) -> str:
    """A run that failed, of which an attempt began twice and another ended without a beginning."""
    async with service.created(scope=scope(tenant)) as worker:
        again = attempt("expand", 2, attempt_pb2.ATTEMPT_STATE_FAILED)
        await worker.record(record(2, attempts=[attempt(), again]))
        await worker.record(record(2, attempts=[attempt(), again]))
        await worker.record(record(3, run_event_pb2.RunFailed(failure=failure())))
        return worker.run_id


async def expanded(service: Service, tenant: str) -> None:
    for state in (attempt_pb2.ATTEMPT_STATE_STARTED, attempt_pb2.ATTEMPT_STATE_SUCCEEDED):
        request = persistence_service_pb2.RecordExpansionRequest(
            scope=scope(tenant), expansion_id=f"e-{tenant}", attempts=[attempt("expand", state=state)]
        )
        with contract_errors():
            await service.stub.RecordExpansion(request)


async def queue(service: Service, tenant: str) -> str:
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(tenant), run_id=new_id(), specification=specification()
    )
    with contract_errors():
        run_id: str = (await service.stub.CreateRun(request)).run.run_id
    return run_id


async def cancel(service: Service, tenant: str, run_id: str) -> None:
    await call(service, "CancelRun", scope=scope(tenant), run_id=run_id, idempotency=claim(run_id))


async def tour_of_people(service: Service) -> None:
    async with decision_stub(service) as decisions:
        run = await decided(service)
        await test_decisions.record_outcome(decisions, run.run_id, key="o")
        await test_humans.override(decisions, run.run_id, key="v")
        await test_human_reviews.submit(decisions, run.run_id, key="r")
        vetoed = await test_humans.vetoed(service)
        await test_humans.resolve(decisions, vetoed.run_id)


async def tour_of_drafts(drafts: Drafts) -> None:
    draft = await drafts.create(first_segment="words")
    await drafts.add(draft.draft_id, "ben")
    await drafts.append(draft.draft_id, key="s")
    await drafts.pass_ring(draft.draft_id, "ann", "ben")
    invited = await drafts.invite(draft.draft_id)
    await drafts.call("AcceptInvitation", draft_id=draft.draft_id, user="cy", token=invited.token)
    await drafts.append(draft.draft_id, user="ben")
    await drafts.call("RemoveCollaborator", draft_id=draft.draft_id, user="ann", collaborator="cy")
    for method in ("DeleteDraft", "UndeleteDraft"):
        await drafts.call(method, draft_id=draft.draft_id, user="ann")


async def tour_of_events_and_metrics(service: Service) -> None:
    database = service.database
    async with AsyncExitStack() as stack:
        events, metrics = [
            await stack.enter_async_context(served(add, servicer))
            for add, servicer in (
                (event_service_pb2_grpc.add_EventServiceServicer_to_server, test_events.servicer(database)),
                (
                    metric_service_pb2_grpc.add_MetricServiceServicer_to_server,
                    MetricServicer(database, Signing(database), once_per_key(database)),
                ),
            )
        ]
        stub = event_service_pb2_grpc.EventServiceStub(events)
        await test_events.append(stub, test_events.event(n=1), test_events.event(n=2), key="e")
        given = [metric_service_pb2.MetricInput(metric_id=each) for each in ("m1", "m2")]
        request = metric_service_pb2.StoreMetricsRequest(metrics=given, user="ann")
        await metric_service_pb2_grpc.MetricServiceStub(metrics).StoreMetrics(request)


async def tour_of_webhooks(database: Database) -> None:
    """One is delivered, all others are given up."""

    def hold(connection: Connection) -> Sequence[webhooks.Delivery]:
        return webhooks.hold_due(connection, database.now, timedelta(minutes=1), 100)

    held = await database.run(hold, tenant=EVERY_TENANT, isolation="READ COMMITTED")
    assert {each.tenant for each in held} == set(TENANTS)
    settled = [webhooks.Settlement(held[0]), *(webhooks.Settlement(each, "status 410") for each in held[1:])]
    await database.run(
        lambda connection: webhooks.settle(connection, database.now, settled),
        tenant=EVERY_TENANT,
        isolation="READ COMMITTED",
    )


# What a batch comes to.


def creation(tenant: str, number: int) -> Create:
    """A run that waits, under a key."""
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(tenant), run_id=f"r{number}", idempotency=claim(f"k{number}")
    )
    return Create(
        scope=scope_of(request.scope),
        run_id=request.run_id,
        key_use=creation_key_use(request),
        specification=specification_row(specification(), timedelta(minutes=10)),
    )


def sent_for(database: Database, operations: Sequence[Operation]) -> list[str]:
    """The statements of a batch with these operations, in one transaction."""
    own, sent = database.dedicated(), list[str]()
    terms = BatchTerms(Rules(timedelta(seconds=30), 3), timedelta(days=1))

    def look(_connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        sent.extend(text.split("; "))

    def unit(connection: Connection) -> BatchResult:
        event.listen(connection, "before_cursor_execute", look)
        return run_batch(connection, operations, terms)

    try:
        answers = own.unit_of_work(unit).answers
    finally:
        own.close()
    assert not [each for each in answers if isinstance(each, Exception)]
    return sent


def counted(sent: Sequence[str]) -> Counter[str]:
    """How many statements begin so."""
    return Counter(" ".join(each.split()[:3]) for each in sent)


def test_a_batch_has_a_statement_for_each_tenant_and_no_more_round_trips_than_else(
    distributed: Database,
) -> None:
    creations = [creation(tenant, number) for number, tenant in enumerate(TENANTS * 2)]
    sent = counted(sent_for(distributed, creations))
    inserts = ("idempotency_keys", "runs", "run_specifications", "run_settings", "journal")
    assert {name: sent[f"INSERT INTO {name}"] for name in inserts} == dict.fromkeys(inserts, len(TENANTS))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_where_nothing_is_distributed_a_batch_has_one_statement_for_all(database: Database) -> None:
    if database.options.distributed:
        pytest.skip("everything is taken for distributed")
    creations = [creation(tenant, number) for number, tenant in enumerate(TENANTS * 2)]
    assert set(counted(sent_for(database, creations)).values()) == {1}


async def test_work_is_claimed_oldest_first_whatever_its_tenant(runs: Service) -> None:
    queued = [await queue(runs, tenant) for tenant in ("globex", "acme", "globex", "default")]
    assert [each.run_id for each in await runs.claim(max_count=3)] == queued[:3]
    assert [each.run_id for each in await runs.claim()] == queued[3:]


async def test_work_that_somebody_holds_is_left_out_and_the_next_is_claimed(
    runs: Service, distributed: Database
) -> None:
    queued = [await queue(runs, tenant) for tenant in ("globex", "acme", "default")]
    own = distributed.dedicated()
    held, done = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(connection: Connection) -> None:
        (row,) = LOCK_RUNS.rows(connection, [("globex", queued[0])])
        assert row.run_id == queued[0]
        loop.call_soon_threadsafe(held.set)
        assert done.wait(60)

    holding = asyncio.create_task(asyncio.to_thread(own.unit_of_work, hold))
    await held.wait()
    try:
        assert [each.run_id for each in await runs.claim(max_count=1)] == queued[1:2]
    finally:
        done.set()
        await holding
        own.close()
    assert [each.run_id for each in await runs.claim()] == [queued[0], queued[2]]


async def test_a_transaction_that_serves_all_tenants_says_so_to_every_server(distributed: Database) -> None:
    """By SET LOCAL, which is passed on; what a function sets is not."""
    sent: list[str] = []

    def look(_connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        sent.append(text)

    event.listen(Engine, "before_cursor_execute", look)
    try:
        own = distributed.dedicated()
        own.unit_of_work(lambda connection: connection.exec_driver_sql("SELECT 1").close())
        own.close()
        await distributed.run(lambda _: None, tenant="acme")
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    assert sum(text.startswith("SET LOCAL consensus.tenant = ") for text in sent) >= 2
    assert not [text for text in sent if "set_config" in text]
