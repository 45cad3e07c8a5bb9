"""A tenant moved from one database to another, of either kind: all of it arrives, and is opened once."""

from pathlib import Path

import pytest

from persistence_service.content.key_file import KeyFileError
from persistence_service.moving.deleting import delete_tenant
from persistence_service.moving.standing import MoveRefused
from persistence_service.moving.stored_rows import tables_of_tenants
from tests.storage.conftest import IS_DISTRIBUTED
from tests.storage.moving.places import OTHER, TENANT, Place, add_everywhere, moved, place, served
from tests.storage.test_audit import serving, verdict
from tests.storage.test_content_keys import write_keys
from tests.support.deletion import delete, finished, listed
from tests.support.records import scope

pytestmark = pytest.mark.skipif(IS_DISTRIBUTED, reason="nothing is moved to such a database, or away")

NOT_HERE = {"revisions", "run_materials", "stream_heads"}


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
