"""What a session of a move may do that those of the service may not: wait for the other end."""

from sqlalchemy import Connection, text

_IDLE = "10min"
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('consensus tenant import'), hashtext(:tenant))")


def be_patient(connection: Connection) -> None:
    """Lets a transaction wait for the other end of a pipe; what it keeps meanwhile is in nobody's way."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE}'").close()


def be_alone(connection: Connection, tenant: str) -> bool:
    """Whether nobody else imports this tenant, until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(_ALONE, {"tenant": tenant}).scalar_one())
