"""The database itself refuses to change or remove what is only ever added."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from persistence_service.database import Database
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
def filled(database: Database) -> Engine:
    """A row in every table, all of one run."""
    engine = database.engine
    with engine.connect() as connection, connection.begin():
        for name in ("runs", *ONLY_ADDED, *OF_A_RUN):
            table = metadata.tables[name]
            connection.execute(table.insert().values(any_row(table)))
    return engine


def run(engine: Engine, *statements: str) -> None:
    def together(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    in_transaction(engine, together)


def in_transaction(engine: Engine, work: Callable[[Connection], None]) -> None:
    with engine.connect() as connection, connection.begin():
        work(connection)


@pytest.mark.parametrize("table", [*ONLY_ADDED, *OF_A_RUN])
def test_no_row_is_changed(filled: Engine, table: str) -> None:
    with pytest.raises(DBAPIError, match="UPDATE refused"):
        run(filled, f"UPDATE {table} SET tenant = 'another'")


@pytest.mark.parametrize("table", ONLY_ADDED)
def test_what_outlives_runs_is_not_removed(filled: Engine, table: str) -> None:
    with pytest.raises(DBAPIError, match="DELETE refused"):
        run(filled, "DELETE FROM runs", f"DELETE FROM {table}")


@pytest.mark.parametrize("table", OF_A_RUN)
def test_nothing_of_a_run_is_removed_while_the_run_stands(filled: Engine, table: str) -> None:
    with pytest.raises(DBAPIError, match="DELETE refused"):
        run(filled, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", OF_A_RUN)
def test_what_belonged_to_a_run_may_follow_it(filled: Engine, table: str) -> None:
    run(filled, "DELETE FROM runs", f"DELETE FROM {table}")
    with filled.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


@pytest.mark.parametrize("table", [*ONLY_ADDED, *OF_A_RUN])
def test_no_table_is_emptied_at_a_stroke(filled: Engine, table: str) -> None:
    emptied = "TRUNCATE" if filled.dialect.name == "postgresql" else "DELETE FROM"
    with pytest.raises(DBAPIError, match="refused"):
        run(filled, f"{emptied} {table}")
