"""The database itself refuses to change or remove what is only ever added."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.visible import show_rows
from persistence_service.tables import metadata
from tests.support.rows import any_row

ONLY_ADDED = ["journal", "run_settings"]
OF_A_RUN = [
    "run_specifications",
    "revisions",
    "proposal_versions",
    "persona_reviews",
    "decisions",
    "human_reviews",
]


@pytest.fixture
def filled(database: Database) -> Database:
    """A row in every table, all of one run."""

    def fill(connection: Connection) -> None:
        for name in ("runs", *ONLY_ADDED, *OF_A_RUN):
            table = metadata.tables[name]
            connection.execute(table.insert().values(any_row(table)))

    in_transaction(database, fill)
    return database


def run(database: Database, *statements: str) -> None:
    def together(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    in_transaction(database, together)


def count(database: Database, table: str) -> int:
    found: int = database.unit_of_work(
        lambda connection: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one(),
        read_only=True,
    )
    return found


def in_transaction(database: Database, work: Callable[[Connection], None]) -> None:
    with database.engine.connect() as connection, connection.begin():
        if database.backend == "postgresql":
            show_rows(connection, EVERY_TENANT, "")  # what is refused is refused whoever asks
        work(connection)


@pytest.mark.parametrize("table", [*ONLY_ADDED, *OF_A_RUN])
def test_no_row_is_changed(filled: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="UPDATE refused"):
        run(filled, f"UPDATE {table} SET tenant = 'another'")


@pytest.mark.parametrize("table", ONLY_ADDED)
def test_what_outlives_runs_is_not_removed(filled: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="DELETE refused"):
        run(filled, "DELETE FROM runs", f"DELETE FROM {table}")


@pytest.mark.parametrize("table", OF_A_RUN)
def test_nothing_of_a_run_is_removed_while_the_run_stands(filled: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="DELETE refused"):
        run(filled, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", OF_A_RUN)
def test_what_belonged_to_a_run_may_follow_it(filled: Database, table: str) -> None:
    run(filled, "DELETE FROM runs", f"DELETE FROM {table}")
    assert count(filled, table) == 0


@pytest.mark.parametrize("table", [*ONLY_ADDED, *OF_A_RUN])
def test_no_table_is_emptied_at_a_stroke(filled: Database, table: str) -> None:
    emptied = "TRUNCATE" if filled.backend == "postgresql" else "DELETE FROM"
    with pytest.raises(DBAPIError, match="refused"):
        run(filled, f"{emptied} {table}")
