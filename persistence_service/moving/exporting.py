"""All rows of a frozen tenant, written as lines; memory is that of a few rows."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, Table

from persistence_service.content import repository as content
from persistence_service.database.engine import READ_ONLY
from persistence_service.database.migrating import head_revision
from persistence_service.database.tables import FROZEN, MOVED
from persistence_service.journal.append import DatabaseClock
from persistence_service.moving import standing
from persistence_service.moving.lines import Head, end_of, key_line, line
from persistence_service.moving.sessions import be_patient
from persistence_service.moving.standing import Move, MoveRefused
from persistence_service.moving.stored_rows import (
    TableSum,
    content_digest,
    read_rows,
    sealing_key_ids,
    tables_of_tenants,
)
from persistence_service.schema.scalars import microseconds

Write = Callable[[str], None]


def export(engine: Engine, tenant: str, write: Write, clock: DatabaseClock) -> dict[str, TableSum]:
    """Writes the export, line by line, and takes note of its digest; answers what it has of each table.

    Raises:
        MoveRefused: the tenant is not frozen.
    """
    reading = engine.connect().execution_options(**{READ_ONLY: True})
    with reading as connection, connection.begin():  # others go on writing on SQLite too
        be_patient(connection)
        move = standing.find(connection, tenant)
        if move is None or move.state not in (FROZEN, MOVED):
            raise MoveRefused(f"{tenant} is not frozen: freeze it first")
        write(line("head", _head(move)))
        sums, key_ids = dict[str, TableSum](), set[str]()
        for table in tables_of_tenants():
            sums[table.name] = _export_table(connection, table, tenant, write, key_ids)
        for key in content.read_keys(connection):
            if key.key_id in key_ids:
                write(key_line(key))
    digest = content_digest(sums)
    # Before the end is written: who reads it may leave at once.
    with standing.changing(engine) as connection:
        standing.note_content(connection, move, digest, clock)
    end = end_of(sums, digest)
    write(line("end", {"counts": end.counts, "digests": end.digests, "content_digest": end.content_digest}))
    return sums


def _export_table(
    connection: Connection, table: Table, tenant: str, write: Write, key_ids: set[str]
) -> TableSum:
    total = TableSum()
    write(line("table", [table.name, [column.name for column in table.columns]]))
    for values in read_rows(connection, table, tenant):
        total.add(table, values)
        key_ids.update(sealing_key_ids(table, values))
        write(line("row", values))
    return total


def _head(move: Move) -> dict[str, str | int]:
    head = Head(
        tenant=move.tenant,
        move_id=move.move_id,
        revision=head_revision(),
        freeze_time_us=microseconds(move.freeze_time),
        release_digest=move.release_digest.hex(),
    )
    return {name: getattr(head, name) for name in Head.__slots__}
