"""An export read in one transaction: all of it arrives, proved to be the same, or nothing does."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Table, exists, literal, select

from consensus_journal import Checkpoint
from persistence_service.content import repository as content
from persistence_service.content.keyring import Keyring
from persistence_service.database.migrating import head_revision
from persistence_service.database.tables import ARRIVED, OPEN
from persistence_service.journal.append import DatabaseClock
from persistence_service.moving import standing
from persistence_service.moving.lines import BadExport, End, Head, end_from, head_from, key_from, parsed
from persistence_service.moving.proof import verify_journal
from persistence_service.moving.sessions import be_alone, be_patient
from persistence_service.moving.standing import Move, MoveRefused
from persistence_service.moving.stored_rows import (
    TableSum,
    Values,
    content_digest,
    read_rows,
    row_of,
    stored_table,
    tables_of_tenants,
)
from persistence_service.schema.base import insert
from persistence_service.schema.scalars import from_microseconds

# How much goes in one statement.
_ROWS = 500
_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has arrived; `sums` is empty where it had before."""

    tenant: str
    digest: bytes
    sums: dict[str, TableSum] = field(default_factory=dict)


def import_tenant(
    engine: Engine,
    lines: Iterable[bytes],
    clock: DatabaseClock,
    keyring: Keyring,
    checkpoints: Sequence[Checkpoint] = (),
) -> Arrival:
    """Reads an export to its end, and keeps the tenant closed; the same again changes nothing.

    Raises:
        BadExport: it is cut off, or not what was exported; nothing of it is here.
        MoveRefused: it cannot be taken here; nothing of it is here.
        KeyFileError: its content is sealed with keys that the operator's file does not open.
    """
    read = parsed(lines)
    head = head_from(*next(read, ("", None)))
    if head.revision != head_revision():
        raise MoveRefused(f"it was exported at schema {head.revision}, and this is {head_revision()}")
    with standing.changing(engine) as connection:
        before = standing.find(connection, head.tenant)
        there = standing.expect(connection, _expected(head, clock(connection)))
        if there.content_digest is None:
            _require_nothing(connection, head.tenant)
    if there.content_digest is not None and there.state in (ARRIVED, OPEN):
        return _arrived_before(read, there)
    try:
        return _Import(engine, there, clock, keyring).run(read, checkpoints)
    except BaseException:
        if there != before:  # else it was another process that began, and may still be at it
            with standing.changing(engine) as connection:
                standing.give_up(connection, head.tenant, head.move_id, before)
        raise


class _Import:
    def __init__(self, engine: Engine, move: Move, clock: DatabaseClock, keyring: Keyring) -> None:
        self._engine = engine
        self._move = move
        self._tenant = move.tenant
        self._clock = clock
        self._keyring = keyring
        self._waiting: list[dict[str, Any]] = []
        self._size = 0

    def run(self, read: Iterator[tuple[str, Any]], checkpoints: Sequence[Checkpoint]) -> Arrival:
        with self._engine.connect() as connection, connection.begin():
            be_patient(connection)
            if not be_alone(connection, self._tenant):
                raise MoveRefused(f"{self._tenant} is being imported by another process")
            end = self._insert_all(connection, read)
            sums = self._read_again(connection)
            digest = content_digest(sums)
            if digest.hex() != end.content_digest:
                raise BadExport(f"what arrived is not what was exported: {_differing(sums, end)}")
            self._keyring.take_up(content.read_keys(connection))
            verify_journal(connection, self._tenant, checkpoints)
            standing.note_content(connection, self._move, digest, self._clock)
        return Arrival(self._tenant, digest, sums)

    def _insert_all(self, connection: Connection, read: Iterator[tuple[str, Any]]) -> End:
        table: Table | None = None
        for kind, data in read:
            if kind == "row" and table is not None:
                self._add(connection, table, data)
                continue
            self._flush(connection, table)
            if kind == "table":
                table = _table_of(data)
            elif kind == "key":
                self._add_key(connection, key_from(data))
            elif kind == "end":
                return end_from(data)
            else:
                raise BadExport(f"a line is of no known kind: {kind}")
        raise BadExport("it is cut off: its end is missing")

    def _add(self, connection: Connection, table: Table, values: Values) -> None:
        try:
            row = row_of(table, values)
        except (TypeError, ValueError) as error:
            raise BadExport(f"a row of {table.name} is none") from error
        if row["tenant"] != self._tenant:
            raise BadExport(f"a row of {table.name} is another tenant's")
        self._waiting.append(row)
        self._size += sum(len(value) for value in values if isinstance(value, str))
        if len(self._waiting) >= _ROWS or self._size > _CHARACTERS:
            self._flush(connection, table)

    def _flush(self, connection: Connection, table: Table | None) -> None:
        if self._waiting and table is not None:
            connection.execute(insert(stored_table(table)), self._waiting)
        self._waiting, self._size = [], 0

    def _add_key(self, connection: Connection, key: content.StoredKey) -> None:
        known = {each.key_id for each in content.read_keys(connection)}
        if key.key_id not in known:
            content.add_key(connection, key)

    def _read_again(self, connection: Connection) -> dict[str, TableSum]:
        sums = dict[str, TableSum]()
        for table in tables_of_tenants():
            total = sums[table.name] = TableSum()
            for values in read_rows(connection, table, self._tenant):
                total.add(table, values)
        return sums


def _require_nothing(connection: Connection, tenant: str) -> None:
    """Asked before the tenant is closed here: else one that is served could be closed, and deleted."""
    for table in tables_of_tenants():
        found = select(literal(1)).where(exists().where(table.c.tenant == tenant))
        if connection.execute(found).first() is not None:
            raise MoveRefused(f"{tenant} has rows in {table.name} here")


def _expected(head: Head, now: Any) -> Move:
    try:
        digest = bytes.fromhex(head.release_digest)
        frozen = from_microseconds(head.freeze_time_us)
    except (ValueError, OverflowError):
        raise BadExport("its head is not whole") from None
    return Move(
        tenant=head.tenant,
        state=ARRIVED,
        move_id=head.move_id,
        release_code=None,
        release_digest=digest,
        content_digest=None,
        freeze_time=frozen,
        change_time=now,
    )


def _arrived_before(read: Iterator[tuple[str, Any]], there: Move) -> Arrival:
    """The same export once more; another one of the same move is told apart by its end."""
    end = next((end_from(data) for kind, data in read if kind == "end"), None)
    assert there.content_digest is not None
    if end is None or end.content_digest != there.content_digest.hex():
        raise BadExport("another export of this move is here: delete that first")
    return Arrival(there.tenant, there.content_digest)


def _table_of(data: Any) -> Table:
    known = {table.name: table for table in tables_of_tenants()}
    try:
        name, columns = data
        table = known[name]
    except (KeyError, TypeError, ValueError):
        raise BadExport("it has a table that is not known here") from None
    if columns != [column.name for column in table.columns]:
        raise BadExport(f"{name} has other columns here")
    return table


def _differing(sums: dict[str, TableSum], end: End) -> str:
    return ", ".join(
        f"{name} has {each.count} rows of {end.counts.get(name, 0)}"
        if each.count != end.counts.get(name, 0)
        else f"{name} differs"
        for name, each in sorted(sums.items())
        if (each.count, each.digest) != (end.counts.get(name, 0), end.digests.get(name))
    )
