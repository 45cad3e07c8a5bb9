"""Engines: every connection is set up alike, and known, so that a stuck one can be freed."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson
import psycopg2.extensions
from sqlalchemy import Connection, Dialect, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from consensus_rpc.telemetry.log import get_logger
from persistence_service.database.connections import Connections, PostgresConnection, SqliteConnection
from persistence_service.database.hosts import FirstHost
from persistence_service.database.options import DatabaseOptions, names_several_hosts
from persistence_service.database.preceding import send_together
from persistence_service.database.session import session_settings
from persistence_service.database.tenants import DISTRIBUTED
from persistence_service.database.visible import EVERY_TENANT, session_statements, show_rows
from persistence_service.schema.base import CLOCK, sqlite_clock

READ_ONLY = "consensus_read_only"
"""Execution option of connections that only read; on SQLite they do not take the write lock."""

APPLICATION_NAME = "consensus_persistence"
CONNECT_TIMEOUT_SECONDS = 2
# With three tries and the pauses between them a locked file is reported within two seconds.
SQLITE_BUSY_TIMEOUT_MS = 500

log = get_logger()


def make_engine(
    options: DatabaseOptions,
    connections: Connections,
    hosts: FirstHost,
    *,
    shows_every_tenant: bool = False,
) -> Engine:
    """An engine that has not connected yet; its connections may show the rows of every tenant throughout.

    `hosts` may be shared with other engines, whose connections lead to the same server.
    """
    pool: dict[str, Any] = {"poolclass": NullPool}
    if options.pool == "queue":
        pool = {
            "poolclass": QueuePool,
            "pool_size": options.pool_size,
            "max_overflow": options.max_overflow,
            "pool_timeout": options.pool_timeout,
            "pool_use_lifo": True,
        }
    if options.backend == "postgresql":
        # Many updates go in one round trip, as many inserts do.
        pool["executemany_mode"] = "values_plus_batch"
    if options.distributed:
        pool["execution_options"] = {DISTRIBUTED: True}
    engine = create_engine(
        options.url,
        connect_args=_connect_arguments(options),
        json_serializer=_json_text,
        json_deserializer=orjson.loads,
        hide_parameters=True,  # parameters are content
        pool_recycle=options.pool_recycle,
        # A file's connection does not get lost.
        pool_pre_ping=options.pool_pre_ping and options.backend == "postgresql",
        **pool,
    )
    _listen(engine, options, connections, shows_every_tenant=shows_every_tenant)
    if names_several_hosts(options.url):
        event.listen(engine, "connect", lambda connection, _entry: hosts.reached(connection))
        event.listen(engine, "do_connect", partial(_connected_to_first, hosts))
    return engine


def _connected_to_first(
    hosts: FirstHost, dialect: Dialect, _entry: object, places: Sequence[Any], arguments: Mapping[str, Any]
) -> Any:
    return dialect.connect(*places, **hosts.arranged(arguments))


def _json_text(value: Any) -> str:
    """What a JSON column is sent: by orjson, or by the standard library for integers beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, allow_nan=False)


def _connect_arguments(options: DatabaseOptions) -> dict[str, Any]:
    if options.backend == "sqlite":
        # No transactions of the driver's own making: `_begin_sqlite` says BEGIN.
        return {"isolation_level": None, "check_same_thread": False, "factory": SqliteConnection}
    given = options.url.query
    # The encoding is never what an environment or a role was given: it could not hold every text.
    arguments: dict[str, Any] = {"connection_factory": PostgresConnection, "client_encoding": "UTF8"}
    if "application_name" not in given:
        arguments["application_name"] = APPLICATION_NAME
    if "connect_timeout" not in given:
        arguments["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    if "target_session_attrs" not in given and names_several_hosts(options.url):
        arguments["target_session_attrs"] = "read-write"  # the one of them that is the primary now
    return arguments


def _listen(
    engine: Engine, options: DatabaseOptions, connections: Connections, *, shows_every_tenant: bool
) -> None:
    role = options.writer_role
    more = session_statements(role) if shows_every_tenant else []

    def connected(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connections.add(connection)  # before its first statement, which may be the one that gets no answer
        if options.backend == "sqlite":
            _prepare_sqlite(connection)
        elif not options.shares_sessions:  # else its role carries them
            _prepare_postgresql(connection, options.statement_timeout, more)
        log.debug("database_connected", backend=options.backend)

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", lambda *_: connections.count(1))
    event.listen(engine, "checkin", lambda *_: connections.count(-1))
    if options.backend == "postgresql":
        event.listen(engine, "checkin", _forget_characteristics)
    event.listen(engine, "close", lambda *_: log.debug("database_disconnected", backend=options.backend))
    if options.backend == "sqlite":
        event.listen(engine, "begin", _begin_sqlite)
    elif options.sets_in_transactions and shows_every_tenant:
        event.listen(engine, "begin", lambda connection: show_rows(connection, EVERY_TENANT, role))
    if options.backend == "postgresql" and not options.distributed:
        send_together(engine)


def _prepare_postgresql(
    connection: psycopg2.extensions.connection, statement_timeout: float, more: Sequence[str]
) -> None:
    """Sets for the session what would cost every transaction a round trip."""
    settings = session_settings(statement_timeout).items()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("; ".join([*(f"SET {name} = '{value}'" for name, value in settings), *more]))
    connection.autocommit = False


def _forget_characteristics(connection: psycopg2.extensions.connection | None, _entry: object) -> None:
    """The driver keeps those of the last transaction, and would undo them in two round trips before it pings.

    Outside a transaction this is a note of its own: nothing is sent.
    """
    if connection is not None and not connection.closed:
        connection.set_session(isolation_level="DEFAULT", readonly="default", autocommit=False)


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
    for pragma in (
        f"busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL loses the last commits when the power goes
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function(CLOCK.name, 0, sqlite_clock)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a write fails at once whatever the busy timeout.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
