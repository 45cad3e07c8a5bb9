"""What must be set in every session of the service on PostgreSQL.

A connection sets it when it is made. Where a pooler lends its sessions for a transaction each, what one
client sets is lost, or met by another: there the role carries it.
"""

from sqlalchemy import Connection, Engine, text

# A process that stops inside a transaction would keep its rows locked for everyone else.
LOCK_TIMEOUT_MS = 50
IDLE_IN_TRANSACTION_MS = 10_000

_FOUND = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
_TIME_ZONE = "TimeZone"


def session_settings(statement_timeout: float) -> dict[str, str]:
    """By name, what is set, once and not in each transaction; `statement_timeout` in seconds."""
    spans = {name: f"{ms}ms" for name, ms in _spans_ms(statement_timeout).items()}
    return {_TIME_ZONE: "UTC", **spans}


def lacking_settings(connection: Connection, statement_timeout: float) -> list[str]:
    """What this session has not, or longer than it may be, such as `lock_timeout is 0ms, not 50ms`."""
    wanted = _spans_ms(statement_timeout)
    rows = connection.execute(_FOUND, {"names": [_TIME_ZONE, *wanted]})
    found = {name: setting for name, setting in rows}  # noqa: C416 - rows are no pairs to the type checker
    lacking = [
        f"{name} is {found[name]}ms, not {most}ms"
        for name, most in wanted.items()
        if not 0 < int(found[name]) <= most
    ]
    if found[_TIME_ZONE] != "UTC":
        lacking.insert(0, f"{_TIME_ZONE} is {found[_TIME_ZONE]}, not UTC")
    return lacking


def set_for_role(engine: Engine, role: str, statement_timeout: float) -> str:
    """Has new sessions of a role begin with all of it, in this database; answers the role's name.

    A role sets such things for itself, so whoever connects takes it on for that: as a member of it, or as a
    superuser. An empty `role` is whoever connects.

    Raises:
        ProgrammingError: there is no such role, or whoever connects may not take it on.
    """
    quote = engine.dialect.identifier_preparer.quote
    with engine.begin() as connection:
        if role:
            connection.exec_driver_sql(f"SET LOCAL ROLE {quote(role)}")
        name, database = connection.exec_driver_sql("SELECT current_user, current_database()").one()
        for setting, value in session_settings(statement_timeout).items():
            connection.exec_driver_sql(
                f"ALTER ROLE {quote(name)} IN DATABASE {quote(database)} SET {setting} = '{value}'"
            )
    return str(name)


def _spans_ms(statement_timeout: float) -> dict[str, int]:
    return {
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": round(statement_timeout * 1000),
    }
