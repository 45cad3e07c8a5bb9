"""What the roles of a running service are allowed, apart from the one that owns the tables and migrates them.

The service's role sees and changes the rows of one tenant at a time; the writer's, which it takes on for what
serves many tenants (`DB_WRITER_ROLE`), those of all, and that one alone removes what is old. Neither owns a
table: they can change neither the schema nor a policy, and no row of the audit trail.
"""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, text

from persistence_service.database.migrating import exclusive, set_limits
from persistence_service.database.partitions import grants, is_partitioned
from persistence_service.database.startup import Rights

_READ = ("schema_compatibility", "alembic_version", "audit_log")
_INHERITS = text("SELECT pg_has_role(:service, :writer, 'USAGE')")
_SEEN_BY_OTHERS = text(
    "SELECT tablename FROM pg_policies WHERE schemaname = current_schema() "
    "AND policyname = 'every_tenant' "
    "AND NOT (roles @> ARRAY[current_user, :writer]::name[] AND cardinality(roles) = 2)"
)


def grant_rights(engine: Engine, service: str, writer: str, rights: Rights, removed: Collection[str]) -> None:
    """Grants both roles what the service does, as the tables' owner; again after each migration.

    `rights` are by table, `removed` the tables whose old rows are deleted. The owner keeps seeing all rows.
    Each statement is a transaction of its own, and a policy that is right is left alone: it would be locked.

    Raises:
        ValueError: the service's role has the writer's rights without taking them on.
        ProgrammingError: a role is not there, or whoever is connected does not own the tables.
    """
    with exclusive(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        set_limits(connection)
        if connection.execute(_INHERITS, {"service": service, "writer": writer}).scalar_one():
            raise ValueError(f"{service} inherits from {writer} and so would see all tenants: NOINHERIT")
        for statement in _statements(connection, service, writer, rights, removed):
            connection.exec_driver_sql(statement)


def _statements(
    connection: Connection, service: str, writer: str, rights: Rights, removed: Collection[str]
) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    both = f"{quote(service)}, {quote(writer)}"
    others = connection.execute(_SEEN_BY_OTHERS, {"writer": writer}).scalars().all()
    return [
        f"GRANT USAGE ON SCHEMA public TO {both}",
        *(f"GRANT SELECT ON {name} TO {both}" for name in _READ),
        *(f"GRANT {', '.join(allowed)} ON {table} TO {both}" for table, allowed in rights.items()),
        *(f"GRANT DELETE ON {table} TO {quote(writer)}" for table in sorted(removed)),
        *(grants(quote(writer)) if is_partitioned(connection) else ()),
        *(f"ALTER POLICY every_tenant ON {table} TO CURRENT_USER, {quote(writer)}" for table in others),
    ]
