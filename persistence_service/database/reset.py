"""Starting over: everything in the database goes, and the schema is made anew."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from persistence_service.database.migrating import exclusive, set_limits, upgrade
from persistence_service.database.options import DatabaseOptions

_FUNCTIONS = text(
    "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace "
    "AND prokind = 'f' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
)


def reset(engine: Engine, options: DatabaseOptions) -> list[str]:
    """Drops every table, migrates to head, and answers the names of the tables that stand then.

    Whoever else uses the tables is waited for, shortly.
    """
    if options.backend == "sqlite":
        _remove_file(options.sqlite_path)
    else:
        with exclusive(engine), engine.connect() as connection:
            set_limits(connection)
            with connection.begin():
                _drop_all(connection)
    upgrade(engine)
    return sorted(inspect(engine).get_table_names())


def _remove_file(path: Path) -> None:
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        each.unlink(missing_ok=True)


def _drop_all(connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer.quote
    there = inspect(connection)
    for name in there.get_view_names():
        connection.exec_driver_sql(f"DROP VIEW {quote(name)} CASCADE")
    for name in there.get_table_names():  # a partition is gone with its table
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote(name)} CASCADE")
    for signature in connection.execute(_FUNCTIONS).scalars().all():
        connection.exec_driver_sql(f"DROP FUNCTION {signature} CASCADE")
