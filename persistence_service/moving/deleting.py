"""Deleting what a tenant has left behind, a few thousand rows in a transaction."""

from collections.abc import Iterator

from sqlalchemy import Engine, Table, delete, select, tuple_

from persistence_service.moving import standing
from persistence_service.moving.standing import Move
from persistence_service.moving.stored_rows import tables_of_tenants
from persistence_service.schema.visibility import everything

_ROWS = 2000
_GONE = "the tenant is not here any more"


def delete_tenant(engine: Engine, tenant: str) -> Iterator[tuple[str, int]]:
    """Deletes all its rows, and says how many of each table; to be run again if it was cut short.

    Of a tenant that was moved away it stays known that it was; of one that arrived and was never opened
    nothing does.

    Raises:
        MoveRefused: it was neither moved away, nor has it arrived and not been opened; or it has arrived once
            more meanwhile.
    """
    with standing.changing(engine) as connection:
        move = standing.begin_deletion(connection, tenant)
    for table in tables_of_tenants():  # runs and drafts first: what belongs to them is kept while they stand
        count = 0
        while some := _delete_some(engine, table, move):
            count += some
        yield table.name, count
    with standing.changing(engine) as connection:
        standing.end_deletion(connection, move)


def _delete_some(engine: Engine, table: Table, move: Move) -> int:
    key = tuple_(*table.primary_key)
    some = everything(select(*table.primary_key).where(table.c.tenant == move.tenant).limit(_ROWS), _GONE)
    with engine.begin() as connection:
        standing.require_deletion(connection, move)
        return connection.execute(everything(delete(table).where(key.in_(some)), _GONE)).rowcount
