"""Where a tenant is, and where it goes: each kind of database to each."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistence_service.database import Database
from tests.storage.conftest import make_schema, options_for
from tests.storage.moving.places import Place, place


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
