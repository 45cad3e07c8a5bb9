"""Storage tests run twice: on SQLite and on a real PostgreSQL, each test in a database of its own.

The schema is made once per test process and copied: a file on SQLite, a template on PostgreSQL.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence_service.database import Database, DatabaseOptions, normalise_url
from tests.support import postgres


def options_for(url: str) -> DatabaseOptions:
    """As the service would have it, with a probe that is quick to notice."""
    return DatabaseOptions(url=normalise_url(url), probe_interval=0.05)


def make_schema(url: str) -> None:
    database = Database(options_for(url))
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
