"""Storage tests run twice: on SQLite and on a real PostgreSQL, each test in a database of its own.

The schema is made once per test process and copied: a file on SQLite, a template on PostgreSQL. With
`TEST_POOLED=1` (`make test-pooled`) services reach PostgreSQL through PgBouncer in transaction mode; what a
test itself looks at it sees directly. With `TEST_DISTRIBUTED=1` (`make test-distributed`) they take
PostgreSQL for distributed by tenant, and every statement of theirs is held against the rule for that. With
`TEST_PARTITIONED=1` (`make test-partitioned`) runs are partitioned on PostgreSQL.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.runs.form.options import RunOptions
from tests.support import postgres
from tests.support.deciding import decision_stub, policy_stub
from tests.support.one_tenant import Watched, watched
from tests.support.partitions import partition_by_day
from tests.support.pgbouncer import Poolers
from tests.support.records import Service

IS_PARTITIONED = os.environ.get("TEST_PARTITIONED") == "1"
IS_POOLED = os.environ.get("TEST_POOLED") == "1"
IS_DISTRIBUTED = os.environ.get("TEST_DISTRIBUTED") == "1"
_poolers = Poolers()


def direct_options(url: str, **changed: Any) -> DatabaseOptions:
    """As the service would have it, with a probe that asks often and bears a machine that stalls."""
    patient: dict[str, Any] = {"probe_interval": 0.05, "answer_timeout": 20.0, "distributed": IS_DISTRIBUTED}
    return DatabaseOptions(url=normalise_url(url), **(patient | changed))


def options_for(url: str, **changed: Any) -> DatabaseOptions:
    """The same, through the pooler where there is one."""
    direct = direct_options(url, **changed)
    if not IS_POOLED or direct.backend == "sqlite":
        return direct
    assert direct.url.port is not None
    return _poolers.before(direct.url.port).options(direct)


@pytest.fixture(scope="session", autouse=True)
def poolers() -> Iterator[None]:
    """No pooler outlives its test process."""
    yield
    _poolers.close()


@pytest.fixture(autouse=IS_DISTRIBUTED)
def one_tenant_a_statement() -> Iterator[Watched]:
    """What the service sends to a distributed database while a test runs: nothing against the rule."""
    with watched() as found:
        yield found
    assert found.faults == []


def make_schema(url: str) -> None:
    database = Database(direct_options(url))  # a pooler would keep the template open
    try:
        database.open()
    finally:
        database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    make_schema(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server) -> Iterator[str]:
    """The name of a database with the schema in it."""
    url = postgres_server.create_database()
    make_schema(url)
    if IS_PARTITIONED:
        partition_by_day(url, timedelta(0))
    yield url.rpartition("/")[2]
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a migrated database of this test's own."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "test.db")
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    with server.database(request.getfixturevalue("postgres_template")) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with the schema in it."""
    database = Database(options_for(database_url))
    database.open()
    yield database
    database.close()


# Quick to notice, and patient where the machine that tests run on stalls for seconds.
QUICK = RunOptions(
    watch_poll_seconds=0.05, heartbeat_seconds=0.1, batch_timeout_seconds=20.0, write_timeout_seconds=30.0
)


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    """A persistence service on that database, which notices quickly what others wrote."""
    async with Service(database, QUICK) as service:
        yield service


@pytest.fixture
def second_database(database_url: str, database: Database) -> Iterator[Database]:
    """What another process on the same database has; on SQLite there is only one."""
    if database.backend == "sqlite":
        yield database
        return
    second = Database(options_for(database_url))
    second.open()
    yield second
    second.close()


@pytest.fixture
async def second_service(second_database: Database) -> AsyncIterator[Service]:
    """Another replica."""
    async with Service(second_database, QUICK) as service:
        yield service


@pytest.fixture
async def policies(database: Database) -> AsyncIterator[Any]:
    """A stub of PolicyService."""
    async with policy_stub(database) as stub:
        yield stub


@pytest.fixture
async def decisions(service: Service) -> AsyncIterator[Any]:
    """A stub of DecisionService, over the service's runs."""
    async with decision_stub(service) as stub:
        yield stub
