"""What the roles of a running service are allowed, apart from the role that owns the tables and migrates.

The service's role sees and changes the rows of one tenant at a time; the writer's, which it takes on for what
serves many tenants (`DB_WRITER_ROLE`), those of all, and that one alone deletes. Neither owns a table: they
can change neither the schema nor a policy, and no row of the audit trail.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from persistence_service.database.startup import Rights

_READ = ("schema_compatibility", "alembic_version", "audit_log")


def grant_rights(
    connection: Connection, service: str, writer: str, rights: Rights, removed: Collection[str]
) -> None:
    """Grants both roles what the service does, as the tables' owner; again after each migration.

    `rights` are by table, `removed` the tables whose old rows are deleted. The owner keeps seeing all rows.
    """
    quote = connection.dialect.identifier_preparer.quote
    both, owner = f"{quote(service)}, {quote(writer)}", connection.exec_driver_sql("SELECT current_user")
    seeing_all = f"{quote(owner.scalar_one())}, {quote(writer)}"
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {both}")
    for name in _READ:
        connection.exec_driver_sql(f"GRANT SELECT ON {name} TO {both}")
    for table, allowed in rights.items():
        connection.exec_driver_sql(f"GRANT {', '.join(allowed)} ON {table} TO {both}")
    for table in sorted(removed):
        connection.exec_driver_sql(f"GRANT DELETE ON {table} TO {quote(writer)}")
    for table in ("schema_compatibility", *rights):
        connection.exec_driver_sql(f"ALTER POLICY every_tenant ON {table} TO {seeing_all}")
