"""Whether a pooler stands between the service and PostgreSQL, and what it does to sessions.

In session mode a pooler's connection is as good as PostgreSQL's own. In transaction mode each transaction may
meet another session: nothing may be set or locked for longer (`DB_POOLER_MODE`).
"""

from sqlalchemy import URL, Connection, NullPool, create_engine, text

from persistence_service.database.options import DatabaseOptions, names_several_hosts
from persistence_service.database.session import lacking_settings
from persistence_service.database.startup import StartRefused

CONNECT_TIMEOUT_SECONDS = 2
# Other clients of a pooler may by chance make a lent session look like one's own.
_TRIES = 5
_BACKEND = text("SELECT pg_backend_pid()")


def lends_sessions(url: URL) -> bool:
    """Whether two connections at this address share sessions, each having one for a transaction at a time.

    A server tells its client the process that serves it; a pooler tells something else. Nothing is set in a
    session that may be another's the next moment.
    """
    arguments: dict[str, object] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    if names_several_hosts(url):
        arguments["target_session_attrs"] = "read-write"
    given = {name: value for name, value in arguments.items() if name not in url.query}
    engine = create_engine(url, poolclass=NullPool, connect_args=given)
    with engine.connect() as first:
        driver = first.connection.driver_connection
        assert driver is not None
        if _backend(first) == driver.info.backend_pid:
            return False
        with engine.connect() as second:
            return any(_is_lent(first, second) for _ in range(_TRIES))


def verify_lending(options: DatabaseOptions) -> None:
    """Checks that nothing is going to be set in sessions that a pooler hands on.

    Raises:
        StartRefused: it would be.
    """
    if options.backend == "postgresql" and not options.shares_sessions and lends_sessions(options.url):
        raise StartRefused(
            "a pooler in between lends a session for one transaction, and what the service sets for a "
            "session would be lost: set DB_POOLER_MODE=transaction."
        )


def verify_role(connection: Connection, options: DatabaseOptions) -> None:
    """Checks that sessions which nobody prepares begin with what the service needs.

    Raises:
        StartRefused: naming what is missing, and the command that sets it.
    """
    if not options.shares_sessions:
        return
    lacking = lacking_settings(connection, options.statement_timeout)
    if not lacking:
        return
    role = connection.exec_driver_sql("SELECT session_user").scalar_one()
    raise StartRefused(
        f"behind a pooler in transaction mode the role {role} is to carry what a session needs: "
        f"{'; '.join(lacking)}. Run: python -m persistence_service migrate (as that role, or with "
        f"--service-role {role}), and have the pooler open its connections anew."
    )


def _is_lent(first: Connection, second: Connection) -> bool:
    """Whether the second gets, or the first does not get again, the session that the first has just had."""
    had = _backend(first)
    if _backend(second, ends=False) == had:
        second.rollback()
        return True
    again = _backend(first)
    second.rollback()
    return again != had


def _backend(connection: Connection, *, ends: bool = True) -> int:
    pid = connection.execute(_BACKEND).scalar_one()
    if ends:
        connection.rollback()
    return int(pid)
