"""What a tenant has left behind is deleted, and nothing that arrives or comes back meanwhile."""

import pytest

from consensus_contract.errors import TenantElsewhere
from persistence_service.moving.deleting import delete_tenant
from persistence_service.moving.standing import MoveRefused
from tests.storage.conftest import IS_DISTRIBUTED
from tests.storage.moving.places import OTHER, TENANT, Place, add_everywhere, moved, served
from tests.support.deletion import finished
from tests.support.records import scope

pytestmark = pytest.mark.skipif(IS_DISTRIBUTED, reason="nothing is moved to such a database, or away")


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
