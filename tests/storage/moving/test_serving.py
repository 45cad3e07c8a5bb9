"""What callers, workers and watchers of a tenant meet while it is frozen, gone, or there."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from sqlalchemy import Engine, event

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import TenantElsewhere, TenantFrozen
from consensus_rpc.access.keys import KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.channel.status import contract_errors
from persistence_service.access.directory import StoredKeys
from persistence_service.database import EVERY_TENANT, Connection
from persistence_service.database.admission import FENCE
from persistence_service.housekeeping.purging import purge_all
from persistence_service.housekeeping.retentions import EXPIRED_KEYS
from persistence_service.moving.exporting import export
from persistence_service.webhooks import repository as webhooks
from tests.storage.conftest import IS_DISTRIBUTED
from tests.storage.moving.places import OTHER, TENANT, Place, add_one, moved, served
from tests.support.deletion import finished
from tests.support.records import LONG_AGO, attempt, claim, new_id, record, scope

pytestmark = pytest.mark.skipif(IS_DISTRIBUTED, reason="nothing is moved to such a database, or away")


async def test_a_frozen_tenant_is_read_and_not_changed_and_others_go_on(here: Place) -> None:
    async with served(here) as service:
        run_id = await finished(service)
        here.freeze()
        assert (await service.run(run_id)).run_id == run_id
        with pytest.raises(TenantFrozen) as refusal:
            await service.queued()
        assert refusal.value.retry_after_seconds
        assert await finished(service, scope=scope(OTHER))
        here.thaw()
        await service.queued()


async def test_work_of_a_frozen_tenant_is_granted_to_nobody(here: Place) -> None:
    async with served(here) as service:
        run = await service.queued()
        here.freeze()
        assert await service.claim() == []
        here.thaw()
        assert [each.run_id for each in await service.claim()] == [run.run_id]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_batch_asks_who_is_on_the_move_together_with_what_it_reads_anyway(here: Place) -> None:
    """The clock or the runs come first in every batch: no round trip is for this alone."""
    sent: list[str] = []

    def look(_connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        sent.append(text)

    event.listen(Engine, "after_cursor_execute", look)
    try:
        async with served(here) as service, service.created() as worker:
            await worker.record(record(2, attempts=[attempt("expand", 1)]))
            await service.queued(key=claim("one"))
            await service.claim()
    finally:
        event.remove(Engine, "after_cursor_execute", look)
    asked = [text for text in sent if "tenant_moves" in text and "consensus.tenant" not in text]
    fenced = [text for text in asked if text.startswith(f"{FENCE}; ")]
    assert len(fenced) >= 4
    assert not [text for text in fenced if "clock_timestamp()" not in text]


async def test_a_worker_goes_on_where_its_run_has_arrived_with_the_token_that_it_has(
    here: Place, there: Place
) -> None:
    """What was refused while the tenant was frozen is recorded there, under the id that it had."""
    async with served(here) as service, service.created() as worker:
        here.freeze()
        worker.send(record=record(2, attempts=[attempt("expand", 1)]))
        with pytest.raises(TenantFrozen):
            await worker.answer()
    arrival = there.take(here.exported())
    there.open(here.leave(arrival.digest))
    async with served(there) as service:
        assert await service.claim() == []
        async with service.attached(worker.run_id, worker.token, "me") as again:
            again.send(record=record(2, attempts=[attempt("expand", 1)]))
            assert (await again.answer()).ack.record_id == 2


async def test_a_lease_is_as_long_as_ever_once_the_tenant_is_open(here: Place, there: Place) -> None:
    async with served(here) as service, service.created() as worker:
        await service.abandon(worker.run_id)
        moved(here, there)
    async with served(there) as service:
        assert await service.claim() == []


async def test_a_key_starts_no_second_run_where_its_run_has_arrived(here: Place, there: Place) -> None:
    async with served(here) as service:
        run = await service.queued(key=claim("order-17"))
    moved(here, there)
    async with served(there) as service:
        assert (await service.queued(new_id(), key=claim("order-17"))).run_id == run.run_id


async def test_where_it_has_left_nothing_is_read_and_where_it_is_not_open_neither(
    here: Place, there: Place
) -> None:
    async with served(here) as service, served(there) as elsewhere:
        run_id = await finished(service)
        here.freeze()
        arrival = there.take(here.exported())
        with pytest.raises(TenantElsewhere):
            await elsewhere.run(run_id)
        code = here.leave(arrival.digest)
        with pytest.raises(TenantElsewhere):
            await service.run(run_id)
        with pytest.raises(TenantElsewhere):
            await service.queued()
        there.open(code)
        assert (await elsewhere.run(run_id)).run_id == run_id


async def test_who_watches_where_it_was_is_told_that_it_has_left(here: Place, there: Place) -> None:
    async with served(here) as service, service.created() as worker:
        request = persistence_service_pb2.WatchRunRequest(scope=scope(), run_id=worker.run_id)
        watch = service.stub.WatchRun(request)
        assert await watch.read() is not None
        here.freeze()
        arrival = there.take(here.exported())
        here.leave(arrival.digest)
        with pytest.raises(TenantElsewhere):
            await read_to_the_end(watch)


async def read_to_the_end(watch: Any) -> None:
    with contract_errors():
        while await watch.read() is not grpc.aio.EOF:
            pass


async def test_a_key_is_good_where_its_tenant_is_and_sends_its_caller_there(
    here: Place, there: Place
) -> None:
    digest = bytes(32)
    key, guess = PresentedKey("k-17", digest), PresentedKey("k-17", b"guessed".rjust(32))
    add_one(here, "access_keys", key_id="k-17", secret_digest=digest, expire_time=None, revoke_time=None)

    async def is_good(place: Place) -> bool:
        keys = StoredKeys(place.database)
        try:
            return isinstance(await keys.find(key), KeyGrant)
        finally:
            await keys.close()

    here.freeze()
    assert await is_good(here)
    arrival = there.take(here.exported())
    code = here.leave(arrival.digest)
    for place in (here, there):
        with pytest.raises(TenantElsewhere):
            await is_good(place)
        assert await StoredKeys(place.database).find(guess) == KeyRefusal()
    there.open(code)
    assert await is_good(there)


def test_others_are_written_to_while_a_tenant_is_exported(here: Place) -> None:
    here.freeze()
    lines: list[str] = []

    def write(line: str) -> None:
        if not lines:
            add_one(here, "access_keys", tenant=OTHER, key_id="k-18")
        lines.append(line)

    export(here.engine, TENANT, write, here.database.now)
    assert here.counts(OTHER) == {"access_keys": 1}


async def test_nothing_is_purged_while_a_tenant_is_frozen(here: Place) -> None:
    add_one(here, "idempotency_keys", expire_time=LONG_AGO)
    here.freeze()
    assert await purge_all(here.database, EXPIRED_KEYS) == 0
    here.thaw()
    assert await purge_all(here.database, EXPIRED_KEYS) == 1


async def test_webhooks_of_a_frozen_tenant_wait_and_what_was_held_settles_where_it_arrives(
    here: Place, there: Place
) -> None:
    add_one(here, "webhook_deliveries", attempt_count=0)

    async def held(place: Place) -> list[webhooks.Delivery]:
        return await place.database.run(
            lambda each: webhooks.hold_due(each, place.database.now, timedelta(), 10),
            tenant=EVERY_TENANT,
            isolation="READ COMMITTED",
        )

    (delivery,) = await held(here)
    here.freeze()
    settled = [webhooks.Settlement(delivery)]
    await here.database.run(
        lambda each: webhooks.settle(each, here.database.now, settled),
        tenant=EVERY_TENANT,
        isolation="READ COMMITTED",
    )
    assert await held(here) == []
    arrival = there.take(here.exported())
    assert await held(there) == []
    there.open(here.leave(arrival.digest))
    assert [(each.run_id, each.attempt) for each in await held(there)] == [(delivery.run_id, 2)]
    assert await held(here) == []
