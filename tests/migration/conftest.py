"""Migration tests run on SQLite and on a real PostgreSQL, each in an empty database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from persistence_service.database import Database, DatabaseOptions, normalise_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """The engine of an empty database."""
    with Database(DatabaseOptions(url=normalise_url(empty_url))).maintenance() as engine:
        yield engine
