"""Alembic's environment: the models to compare with, and one process at a time on a database.

A revision only adds to what the release before uses, and what that one no longer names may be removed
(docs/operations.md, "Upgrading and rolling back"). `make upgrade-test` runs the release that the file RELEASE
names on the new schema.

The database is the one of the settings, unless `persistence_service.database.migrating` hands an engine over.
"""

from dataclasses import replace
from typing import Any

from alembic import context
from sqlalchemy import Connection, Engine

from persistence_service.config import PersistenceSettings
from persistence_service.database import Database
from persistence_service.database.migrating import exclusive, set_limits
from persistence_service.database.partitions import table_of
from persistence_service.tables import metadata


def run_on(connection: Connection) -> None:
    """Runs the wanted revisions, each in a transaction of its own (SQLite's DDL is transactional too)."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        include_name=_is_described,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _is_described(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether a table is to be compared: a partition is as its table is, which is."""
    return kind != "table" or name is None or table_of(name) == name


def run(engine: Engine) -> None:
    """Takes the lock before Alembic reads where the schema stands."""
    with exclusive(engine), engine.connect() as connection:
        set_limits(connection)
        run_on(connection)


def run_from_settings() -> None:
    """As the `alembic` command calls it."""
    options = replace(PersistenceSettings.load_or_exit().database_options(), writer_role="")
    with Database(options).maintenance() as engine:
        run(engine)


if context.is_offline_mode():
    raise SystemExit("migrations look at the database; there is no offline mode")
handed_over: Engine | None = context.config.attributes.get("engine")
if handed_over is None:
    run_from_settings()
else:
    run(handed_over)
