"""What a service and its migrations say to PgBouncer between them and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text

from persistence_service.database import EVERY_TENANT, Connection, Database, StartRefused, normalise_url
from persistence_service.database.migrating import upgrade
from tests.storage.conftest import direct_options
from tests.storage.test_row_security import served_by_roles
from tests.support import pgbouncer, postgres
from tests.support.pgbouncer import Pooler
from tests.support.processes import clean_environment, run_command

pytestmark = pytest.mark.skipif(pgbouncer.COMMAND is None, reason="PgBouncer is not installed here")


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """A server of their own, whose role carries nothing yet."""
    with postgres.Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pooler(cluster: postgres.Cluster) -> Iterator[Pooler]:
    with Pooler(cluster.port) as pooler:
        yield pooler


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and the pooler before it."""

    direct: str
    pooler: Pooler

    def open(self, **changed: Any) -> Database:
        """The database, as a service opens it behind the pooler."""
        options = replace(
            direct_options(self.pooler.url(self.direct)),
            migrate_url=normalise_url(self.direct), pooler_mode="transaction",
        )  # fmt: skip
        database = Database(replace(options, **changed))
        try:
            database.open()
        except BaseException:
            database.close()
            raise
        return database


@pytest.fixture
def place(cluster: postgres.Cluster, pooler: Pooler) -> Iterator[Place]:
    """An empty database."""
    with cluster.database() as url:
        yield Place(url, pooler)


def test_a_pooler_that_lends_sessions_is_refused_unless_the_setting_says_so(place: Place) -> None:
    with pytest.raises(StartRefused, match="set DB_POOLER_MODE=transaction"):
        place.open(pooler_mode="session")


def test_a_role_that_carries_nothing_is_refused_with_what_is_missing_and_the_command(place: Place) -> None:
    with pytest.raises(
        StartRefused, match=r"lock_timeout is 0ms, not 50ms; .*Run: python -m persistence_service migrate"
    ):
        place.open()


def test_migrations_are_refused_through_a_pooler(place: Place) -> None:
    through = Database(direct_options(place.pooler.url(place.direct)))
    with (
        pytest.raises(StartRefused, match="DATABASE_MIGRATE_URL is to name"),
        through.maintenance() as engine,
    ):
        upgrade(engine)


def test_an_address_of_migrations_that_is_another_database_is_refused(
    place: Place, cluster: postgres.Cluster
) -> None:
    place.pooler.options(direct_options(place.direct))
    with (
        cluster.database() as other,
        pytest.raises(StartRefused, match="DATABASE_MIGRATE_URL leads to another database"),
    ):
        place.open(migrate_url=normalise_url(other))


def test_a_pooler_in_session_mode_needs_no_setting(place: Place) -> None:
    with Pooler(place.pooler.server_port, mode="session") as pooler:
        Place(place.direct, pooler).open(pooler_mode="session", migrate_url=None).close()


def test_the_command_gives_a_role_of_its_own_what_sessions_need(
    place: Place, cluster: postgres.Cluster
) -> None:
    """As deploy/postgresql/roles.sql makes the roles: the owner may take on the service's."""
    done = migrate(place)
    assert done.returncode == 0, done.stderr
    with served_by_roles(cluster, place.direct.rpartition("/")[2]) as roles:
        owned = Place(roles.url, place.pooler)
        arguments = ("--service-role", roles.service, "--writer-role", roles.writer)
        assert "GRANT it to who migrates" in migrate(owned, *arguments).stderr
        cluster.execute("GRANT {} TO {}", roles.service, postgres.OWNER)
        done = migrate(owned, *arguments)
        assert done.returncode == 0, done.stderr
        database = Place(roles.service_url, place.pooler).open(auto_migrate=False, writer_role=roles.writer)
        writer = database.dedicated()
        try:
            assert writer.unit_of_work(shown) == ("50ms", "10s", EVERY_TENANT, roles.writer)
        finally:
            writer.close()
            database.close()


def migrate(place: Place, *arguments: str) -> Any:
    environment = clean_environment(
        DATABASE_URL=place.pooler.url(place.direct), DATABASE_MIGRATE_URL=place.direct,
        DB_POOLER_MODE="transaction",
    )  # fmt: skip
    return run_command("migrate", *arguments, package="persistence_service", environment=environment)


def shown(connection: Connection) -> tuple[str, ...]:
    names = ("lock_timeout", "statement_timeout", "consensus.tenant", "role")
    return tuple(connection.execute(text(f"SHOW {name}")).scalar_one() for name in names)
