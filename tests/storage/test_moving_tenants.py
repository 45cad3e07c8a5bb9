"""A tenant moved from one database to another, of either kind: all of it arrives, and is opened once."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import Engine, event, func, select

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import TenantElsewhere, TenantFrozen
from consensus_rpc.access.keys import KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.channel.status import contract_errors
from persistence_service.access.directory import StoredKeys
from persistence_service.content.key_file import KeyFileError
from persistence_service.content.keyring import Keyring
from persistence_service.database import EVERY_TENANT, Connection, Database
from persistence_service.database.admission import FENCE
from persistence_service.database.tables import TENANT_MOVES
from persistence_service.housekeeping.purging import purge_all
from persistence_service.housekeeping.retentions import EXPIRED_KEYS
from persistence_service.moving import standing
from persistence_service.moving.deleting import delete_tenant
from persistence_service.moving.exporting import export
from persistence_service.moving.importing import Arrival, import_tenant
from persistence_service.moving.lines import BadExport
from persistence_service.moving.standing import MoveRefused
from persistence_service.moving.stored_rows import tables_of_tenants
from persistence_service.schema.base import insert
from persistence_service.tables import metadata
from persistence_service.webhooks import repository as webhooks
from tests.storage.conftest import IS_DISTRIBUTED, QUICK, make_schema, options_for
from tests.storage.test_audit import serving, verdict
from tests.storage.test_content_keys import write_keys
from tests.support.deletion import delete, finished, listed
from tests.support.pair import until
from tests.support.processes import clean_environment
from tests.support.records import LONG_AGO, Service, attempt, claim, new_id, record, scope
from tests.support.rows import any_row

pytestmark = pytest.mark.skipif(IS_DISTRIBUTED, reason="nothing is moved to such a database, or away")

TENANT, OTHER = "default", "globex"
JOURNALED = {"runs", "run_settings", "run_specifications", "journal", "stream_heads", "proposal_versions"}
NOT_HERE = {"revisions", "run_materials", "stream_heads"}
JOURNALED |= {"persona_reviews", "decisions", "revisions", "run_materials"}


class Place:
    """A database that a tenant leaves, or comes to."""

    def __init__(self, database: Database, engine: Engine, keyring: Keyring) -> None:
        self.database = database
        self.engine = engine
        self.keyring = keyring

    def freeze(self, tenant: str = TENANT) -> None:
        with standing.changing(self.engine) as connection:
            standing.freeze(connection, tenant, self.database.now)

    def thaw(self) -> None:
        with standing.changing(self.engine) as connection:
            standing.thaw(connection, TENANT, self.database.now)

    def exported(self, tenant: str = TENANT) -> list[bytes]:
        lines = list[bytes]()
        export(self.engine, tenant, lambda text: lines.append(f"{text}\n".encode()), self.database.now)
        return lines

    def take(self, lines: list[bytes]) -> Arrival:
        return import_tenant(self.engine, iter(lines), self.database.now, self.keyring)

    def leave(self, digest: bytes) -> bytes:
        with standing.changing(self.engine) as connection:
            move = standing.leave(connection, TENANT, digest, self.database.now)
        assert move.release_code is not None
        return move.release_code

    def open(self, code: bytes) -> None:
        with standing.changing(self.engine) as connection:
            standing.open_arrived(connection, TENANT, code, self.database.now)

    def counts(self, tenant: str = TENANT) -> dict[str, int]:
        """Rows of the tenant, by table, where there are any."""

        def count(connection: Connection) -> dict[str, int]:
            return {
                table.name: connection.execute(
                    select(func.count()).select_from(table).where(table.c.tenant == tenant)
                ).scalar_one()
                for table in tables_of_tenants()
            }

        found = self.database.unit_of_work(count, read_only=True)
        return {name: number for name, number in found.items() if number}

    def state(self) -> str | None:
        found: str | None = self.database.unit_of_work(
            lambda connection: connection.execute(
                select(TENANT_MOVES.c.state).where(TENANT_MOVES.c.tenant == TENANT)
            ).scalar(),
            read_only=True,
        )
        return found


def place(database: Database, keys: Path | None = None) -> Place:
    keyring = Keyring(database, keys)
    if keys is not None:
        keyring.open_file()
    database.use_sealer(keyring)
    return Place(database, database._direct_engine, keyring)


@pytest.fixture
def here(database: Database) -> Place:
    return place(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Where the tenant goes."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'there.db'}"
        make_schema(url)
        with closing(Database(options_for(url))) as opened:
            opened.open()
            yield opened
        return
    server: Any = request.getfixturevalue("postgres_server")
    with (
        server.database(request.getfixturevalue("postgres_template")) as url,
        closing(Database(options_for(url))) as opened,
    ):
        opened.open()
        yield opened


@pytest.fixture
def there(other_database: Database) -> Place:
    return place(other_database)


@asynccontextmanager
async def served(place: Place) -> AsyncIterator[Service]:
    async with Service(place.database, QUICK) as service:
        yield service


def moved(here: Place, there: Place) -> None:
    here.freeze()
    arrival = there.take(here.exported())
    there.open(here.leave(arrival.digest))


def add_everywhere(place: Place, tenant: str) -> None:
    """A row in each table whose rows no run's journal speaks of."""

    def add(connection: Connection) -> None:
        for table in tables_of_tenants():
            if table.name not in JOURNALED:
                key = {"key_id": f"k-{tenant}"} if table.name == "access_keys" else {}
                connection.execute(insert(table), any_row(table, tenant=tenant, **key))

    place.database.unit_of_work(add)


async def test_every_table_of_a_tenant_arrives_and_nothing_of_others(here: Place, there: Place) -> None:
    async with served(here) as service:
        done = await finished(service)
        await delete(service, await finished(service))
        await finished(service, scope=scope(OTHER))
    add_everywhere(here, TENANT)
    add_everywhere(here, OTHER)
    before = here.counts()
    assert before.keys() >= {table.name for table in tables_of_tenants()} - NOT_HERE

    here.freeze()
    frozen = here.counts()
    arrival = there.take(here.exported())
    assert there.counts() == frozen
    assert there.counts(OTHER) == {}
    assert {name: each.count for name, each in arrival.sums.items() if each.count} == frozen
    there.open(here.leave(arrival.digest))
    async with served(there) as service:
        assert await listed(service) == [done]


async def test_the_journal_verifies_where_the_tenant_has_arrived(here: Place, there: Place) -> None:
    async with served(here) as service:
        await finished(service)
    moved(here, there)
    (found,) = [await verdict(stub) async for stub in serving(there.database, None)]
    assert not found.findings
    assert found.payload_count > 0


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


async def test_it_is_opened_by_the_code_with_which_it_left_and_by_nothing_else(
    here: Place, there: Place
) -> None:
    here.freeze()
    arrival = there.take(here.exported())
    with pytest.raises(MoveRefused, match="not the code"):
        there.open(bytes(32))
    with pytest.raises(MoveRefused, match="not what was exported"):
        here.leave(bytes(32))
    here.thaw()
    here.freeze()
    again = here.exported()
    with pytest.raises(MoveRefused, match="by another move"):
        there.take(again)
    assert list(delete_tenant(there.engine, TENANT))
    second = there.take(again)
    assert second.digest != arrival.digest
    there.open(here.leave(second.digest))


async def test_each_step_may_be_taken_again(here: Place, there: Place) -> None:
    async with served(here) as service:
        await finished(service)
    here.freeze()
    here.freeze()
    first, lines = here.exported(), here.exported()
    assert lines == first
    arrival = there.take(lines)
    counts = there.counts()
    assert there.take(lines).digest == arrival.digest
    assert there.counts() == counts
    code = here.leave(arrival.digest)
    assert here.leave(arrival.digest) == code
    there.open(code)
    there.open(code)
    assert there.take(lines).digest == arrival.digest


def cut(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def changed(lines: list[bytes]) -> list[bytes]:
    return [each.replace(b"Let readers save", b"Let writers save") for each in lines]


def without_a_row(lines: list[bytes]) -> list[bytes]:
    index = next(index for index, each in enumerate(lines) if each.startswith(b'{"row"'))
    return lines[:index] + lines[index + 1 :]


def of_another(lines: list[bytes]) -> list[bytes]:
    return [each.replace(b'{"row":["default"', b'{"row":["globex"') for each in lines]


def of_no_digest(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b'"release_digest":"', b'"release_digest":"x'), *lines[1:]]


def of_no_counts(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b'"counts":{', b'"counts":[],"others":{')]


@pytest.mark.parametrize("harm", [cut, changed, without_a_row, of_another, of_no_digest, of_no_counts])
async def test_a_refused_import_leaves_nothing(here: Place, there: Place, harm: Any) -> None:
    async with served(here) as service:
        await finished(service)
    here.freeze()
    lines = here.exported()
    with pytest.raises(BadExport):
        there.take(harm(lines))
    assert (there.counts(), there.state()) == ({}, None)
    assert there.take(lines).digest


@pytest.mark.timeout(300)
async def test_an_import_killed_half_way_leaves_no_row_and_is_begun_again(here: Place, there: Place) -> None:
    async with served(here) as service:
        await finished(service)
    here.freeze()
    lines = here.exported()
    url = there.database.options.url.render_as_string(hide_password=False)
    importing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "persistence_service", "tenant", "import"),
        env=clean_environment(DATABASE_URL=url),
        stdin=asyncio.subprocess.PIPE,
    )
    assert importing.stdin is not None
    importing.stdin.write(b"".join(lines[:-1]))
    await importing.stdin.drain()

    async def is_expected() -> bool:
        return await asyncio.to_thread(there.state) == "ARRIVED"

    await until(is_expected, 240)
    importing.kill()
    await importing.wait()
    assert there.counts() == {}
    arrival = there.take(lines)
    there.open(here.leave(arrival.digest))


async def test_a_tenant_that_has_rows_there_is_not_imported(here: Place, there: Place) -> None:
    async with served(there) as service:
        await service.queued()
    here.freeze()
    with pytest.raises(MoveRefused, match="has rows in"):
        there.take(here.exported())
    assert there.state() is None


async def test_an_import_that_is_killed_does_not_close_a_tenant_that_is_served_there(
    here: Place, there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is closed and was never opened may be deleted: that must not be what is served."""
    async with served(there) as service:
        run = await service.queued()
        here.freeze()
        monkeypatch.setattr(standing, "give_up", lambda *_: None)  # it was killed before it came so far
        with pytest.raises(MoveRefused, match="has rows in"):
            there.take(here.exported())
        assert (await service.run(run.run_id)).run_id == run.run_id
    with pytest.raises(MoveRefused, match="not moved away"):
        list(delete_tenant(there.engine, TENANT))


async def test_what_is_being_deleted_is_not_what_arrived(here: Place, there: Place) -> None:
    """Cut short, a deletion leaves some rows: they must not let the tenant leave, nor be opened."""
    async with served(here) as service:
        await finished(service)
    here.freeze()
    lines = here.exported()
    arrival = there.take(lines)
    deleting = delete_tenant(there.engine, TENANT)
    next(deleting)
    with pytest.raises(MoveRefused, match="has rows in"):
        there.take(lines)
    with pytest.raises(MoveRefused, match="has not arrived"):
        there.open(here.leave(arrival.digest))
    assert there.state() == "ARRIVED"
    list(delete_tenant(there.engine, TENANT))
    assert (there.counts(), there.state()) == ({}, None)
    assert there.take(lines).digest == arrival.digest


async def test_what_arrives_while_the_same_is_deleted_stays_whole_and_closed(
    here: Place, there: Place
) -> None:
    async with served(here) as service:
        await finished(service)
    here.freeze()
    lines = here.exported()
    first = there.take(lines)
    deleting = delete_tenant(there.engine, TENANT)
    while there.counts():
        next(deleting)
    assert there.take(lines).sums == first.sums
    with pytest.raises(MoveRefused, match="has arrived"):
        list(deleting)
    assert there.counts() == here.counts()
    assert there.state() == "ARRIVED"


async def test_what_comes_back_while_what_it_left_is_deleted_stays_whole(here: Place, there: Place) -> None:
    async with served(here) as service:
        await finished(service)
    moved(here, there)
    deleting = delete_tenant(here.engine, TENANT)
    while here.counts():
        next(deleting)
    moved(there, here)
    with pytest.raises(MoveRefused, match="was opened"):
        list(deleting)
    # The same but for the entry that it was opened.
    assert here.counts() == there.counts() | {"journal": there.counts()["journal"] + 1}


@pytest.mark.parametrize("other_database", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_an_import_that_is_refused_leaves_another_of_the_same_its_place(
    here: Place, there: Place
) -> None:
    async with served(here) as service:
        await finished(service)
    here.freeze()
    lines = here.exported()

    def meanwhile() -> Iterator[bytes]:
        yield lines[0]
        with pytest.raises(MoveRefused, match="by another process"):
            there.take(lines)
        assert there.state() == "ARRIVED"
        yield from lines[1:]

    arrival = import_tenant(there.engine, meanwhile(), there.database.now, there.keyring)
    there.open(here.leave(arrival.digest))


async def test_what_was_left_behind_is_deleted_and_nothing_else(here: Place, there: Place) -> None:
    async with served(here) as service:
        await finished(service)
        await finished(service, scope=scope(OTHER))
    add_everywhere(here, TENANT)
    others = here.counts(OTHER)
    with pytest.raises(MoveRefused, match="not moved away"):
        list(delete_tenant(here.engine, TENANT))
    moved(here, there)
    counts = there.counts()
    list(delete_tenant(here.engine, TENANT))
    assert (here.counts(), here.counts(OTHER)) == ({}, others)
    assert there.counts() == counts
    async with served(here) as service:
        with pytest.raises(TenantElsewhere):
            await service.queued()


async def test_a_tenant_comes_back(here: Place, there: Place) -> None:
    async with served(here) as service:
        run_id = await finished(service)
    moved(here, there)
    list(delete_tenant(here.engine, TENANT))
    moved(there, here)
    async with served(here) as service:
        assert await listed(service) == [run_id]


async def test_sealed_content_stays_sealed_and_opens_where_its_keys_are(
    here: Place, there: Place, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    write_keys(keys, "first")
    sealed = place(here.database, keys)
    async with served(sealed) as service:
        run_id = await finished(service)
    sealed.freeze()
    lines = sealed.exported()
    assert b"Let readers save" not in b"".join(lines)
    with pytest.raises(KeyFileError):
        there.take(lines)
    assert there.counts() == {}
    write_keys(tmp_path / "others", "second", "first")
    opening = place(there.database, tmp_path / "others")
    arrival = opening.take(lines)
    opening.open(sealed.leave(arrival.digest))
    async with served(opening) as service:
        assert (await service.run(run_id)).specification.idea.startswith("Let readers save")


def add_one(place: Place, name: str, **given: Any) -> None:
    table = metadata.tables[name]
    row = any_row(table, **{"tenant": TENANT} | given)
    place.database.unit_of_work(lambda connection: connection.execute(insert(table), row))


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
