"""What a database must be before anything is acknowledged on it."""

import sqlite3

from sqlalchemy import Connection, text

LEAST_SQLITE = (3, 35, 0)  # RETURNING


class StartRefused(Exception):  # noqa: N818 - it says what happened
    """The service must not run on this database; the message says why and what to do."""


def verify(connection: Connection) -> None:
    """Checks that what is committed survives a crash of the database.

    Raises:
        StartRefused: naming each setting that stands in the way.
    """
    if connection.dialect.name == "sqlite":
        _verify_sqlite(connection)
    else:
        _verify_postgresql(connection)


def _verify_postgresql(connection: Connection) -> None:
    rows = connection.execute(
        text(
            "SELECT name, setting FROM pg_settings WHERE name IN "
            "('fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding')"
        )
    )
    settings = {name: setting for name, setting in rows}  # noqa: C416 - rows are no pairs to the type checker
    faults = [
        f"{name} is off"
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if settings[name] == "off"
    ]
    if faults:
        raise StartRefused(
            f"PostgreSQL could lose what is acknowledged: {', '.join(faults)}. "
            "Turn it on in postgresql.conf, or with ALTER SYSTEM, and start again."
        )
    if settings["server_encoding"] != "UTF8":
        raise StartRefused(
            f"the database's encoding is {settings['server_encoding']}; create it with ENCODING 'UTF8'."
        )


def _verify_sqlite(connection: Connection) -> None:
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise StartRefused(f"SQLite {sqlite3.sqlite_version} is too old; {least} or later is needed.")
    journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    full = 2
    if journal != "wal" or synchronous < full:
        raise StartRefused(
            f"SQLite could lose what is acknowledged: journal_mode is {journal} and synchronous is "
            f"{synchronous}; WAL and FULL (2) are needed, which some network file systems cannot do."
        )
