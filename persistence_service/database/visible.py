"""Whose rows a transaction may see and write: PostgreSQL looks at each again, whatever a statement asks for.

A migration has made the policies, on every table: rows of the tenant that the transaction has set, all rows
where it has set `EVERY_TENANT`, and none where it has set nothing. They are the second net: every statement
names its tenant by itself.
"""

from sqlalchemy import Connection, text

from persistence_service.database.tenants import is_distributed

EVERY_TENANT = "*"
"""No tenant's name; for what serves all of them, and for tables that belong to none."""

SETTING = "consensus.tenant"

_OF_TENANT = f"SELECT set_config('{SETTING}', %(tenant)s, true)"
_OF_EVERY_TENANT = f"SELECT set_config('role', %(role)s, true), set_config('{SETTING}', %(tenant)s, true)"
# What a function sets stays with the server that was asked; this goes to all that have rows.
_OF_TENANT_EVERYWHERE = text(f"SET LOCAL {SETTING} = :tenant")


def show_rows(connection: Connection, tenant: str, role: str) -> None:
    """To the end of a transaction: this tenant's rows, or all of them, as `role` if there is one."""
    if is_distributed(connection):
        if tenant == EVERY_TENANT and role:
            connection.exec_driver_sql(f'SET LOCAL ROLE "{role}"').close()
        connection.execute(_OF_TENANT_EVERYWHERE, {"tenant": tenant}).close()
        return
    statement = show_rows_statement(tenant, role)
    connection.exec_driver_sql(statement, {"role": role, "tenant": tenant}).close()


def show_rows_statement(tenant: str, role: str) -> str:
    """What does that on one server, with the parameters `tenant` and `role`."""
    return _OF_EVERY_TENANT if tenant == EVERY_TENANT and role else _OF_TENANT


def session_statements(role: str) -> list[str]:
    """What shows all rows for as long as a connection is open, to the role that serves all tenants."""
    return [*([f'SET ROLE "{role}"'] if role else []), f"SET {SETTING} = '{EVERY_TENANT}'"]
