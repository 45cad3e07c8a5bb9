"""An export that is harmed, cut short or not wanted leaves nothing where it was taken."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from persistence_service.moving import standing
from persistence_service.moving.deleting import delete_tenant
from persistence_service.moving.importing import import_tenant
from persistence_service.moving.lines import BadExport
from persistence_service.moving.standing import MoveRefused
from tests.storage.conftest import IS_DISTRIBUTED
from tests.storage.moving.places import TENANT, Place, served
from tests.support.deletion import finished
from tests.support.pair import until
from tests.support.processes import clean_environment

pytestmark = pytest.mark.skipif(IS_DISTRIBUTED, reason="nothing is moved to such a database, or away")


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
