"""docs/backup.md, followed to the letter on real databases."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from persistence_service.database import Database, normalise_url
from persistence_service.tables import RIGHTS, metadata
from tests.backup.places import PAGE, PostgresPlace, renamed
from tests.storage.conftest import QUICK, direct_options
from tests.support.deletion import finished
from tests.support.postgres import Cluster, showing_all
from tests.support.records import Service

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


def opened(url: str) -> Database:
    database = Database(direct_options(url), RIGHTS)
    database.open()
    return database


async def write_runs(url: str, count: int) -> None:
    """Migrate a database, and let runs be decided in it."""
    database = opened(url)
    async with Service(database, QUICK) as service:
        for _ in range(count):
            await finished(service)
    database.close()


def contents(url: str) -> dict[str, str]:
    """By table, how many rows it has, and a digest of them."""
    engine = create_engine(normalise_url(showing_all(url)), poolclass=NullPool)
    digest = (
        "SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} AS t"
    )
    with engine.connect() as connection:
        return {
            name: connection.exec_driver_sql(digest.format(name)).scalar_one() for name in metadata.tables
        }


async def test_a_dump_is_restored_with_every_row(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.create_database()
    await write_runs(url, 2)
    restored = renamed(url, "consensus_restored")
    dumped = PAGE.succeed("dump", tmp_path, DATABASE_URL=url)
    assert re.search(r"^COPY public\.schema_compatibility .*\n\S", dumped.stdout, re.MULTILINE)
    PAGE.succeed("restore dump", tmp_path, ADMIN_URL=cluster.admin_url, RESTORED_URL=restored)
    assert contents(restored) == contents(url)
    assert contents(url)["runs"].startswith("2 ")
    opened(restored).close()


async def test_a_base_backup_and_the_archived_log_come_to_a_point_in_time(cluster: Cluster) -> None:
    place = PostgresPlace(cluster)
    place.prepare()
    await write_runs(place.url, 1)
    place.backup()
    await write_runs(place.url, 1)
    wanted, until = contents(place.url), cluster.now()
    await write_runs(place.url, 1)
    assert contents(place.url) != wanted
    place.end_segment()

    place.destroy()
    place.restore(until)

    assert contents(place.url) == wanted
    assert "recovery" not in (cluster.data / "postgresql.auto.conf").read_text(encoding="utf-8")
    opened(place.url).close()


def test_every_command_of_the_page_is_run() -> None:
    assert PAGE.not_run_by(Path(__file__).parent.glob("*.py")) == []
