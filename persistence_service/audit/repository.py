"""Statements over the journal that audit, and no run, needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    exists,
    literal_column,
    or_,
    select,
    tuple_,
)

from consensus_journal import Entry, StreamHead
from persistence_service.audit.filter import EntryFilter
from persistence_service.database.tables import TENANT_MOVES
from persistence_service.journal.entries import RUN_STREAMS
from persistence_service.journal.packing import unpack
from persistence_service.journal.tables import AUDIT_LOG, JournalRow, StreamHeadRow
from persistence_service.runs.form.tables import RunRow
from persistence_service.schema.scalars import microseconds
from persistence_service.schema.visibility import everything

_MOVED = select(TENANT_MOVES.c.tenant)
_ENTRY = AUDIT_LOG.c
_JOURNAL = JournalRow.__table__.c
_HEAD = StreamHeadRow.__table__.c
_HEADS = select(_HEAD.tenant, _HEAD.stream, _HEAD.sequence, _HEAD.hash)
# A run keeps the end of its own journal until it is purged.
_RUN = RunRow.__table__.c
_HEADS_OF_RUNS = everything(
    select(_RUN.tenant, (RUN_STREAMS + _RUN.run_id).label("stream"), _RUN.last_sequence, _RUN.head_hash),
    "a deleted run keeps its journal",
)
# Whether an entry's stream ends somewhere.
_HAS_HEAD = exists().where(_HEAD.tenant == _JOURNAL.tenant, _HEAD.stream == _JOURNAL.stream)
_HAS_RUN = everything(
    select(literal_column("1")).where(
        _RUN.tenant == _JOURNAL.tenant, _JOURNAL.stream == RUN_STREAMS + _RUN.run_id
    ),
    "a deleted run keeps its journal",
).exists()
_NEWEST_FIRST = (_ENTRY.event_time, _ENTRY.stream, _ENTRY.sequence)


@dataclass(frozen=True, slots=True)
class Position:
    """The last entry of a page."""

    event_time: datetime
    stream: str
    sequence: int


@dataclass(frozen=True, slots=True)
class AuditedStream:
    """One stream, whole; `head` None: it has entries and no head.

    `stored`: by the sequences of entries, the digests of what is stored of that which they speak of, None
    where nothing is. What an entry that is left out speaks of cannot be compared.
    """

    tenant: str
    stream: str
    head: StreamHead | None
    entries: tuple[Entry, ...]
    stored: Mapping[int, bytes | None] = field(default_factory=dict)


def page(
    connection: Connection, tenant: str, wanted: EntryFilter, after: Position | None, limit: int
) -> list[Entry]:
    """Entries, newest first, that come after a position."""
    return [entry_of(row) for row in connection.execute(page_statement(tenant, wanted, after, limit))]


def page_statement(tenant: str, wanted: EntryFilter, after: Position | None, limit: int) -> Select[Any]:
    """What reads a page: the newest entries first, those after a position."""
    statement = _filtered(select(*_ENTRY).where(_ENTRY.tenant == tenant), wanted)
    if after is not None:
        position = (after.event_time, after.stream, after.sequence)
        # The time alone as well, for the index, which knows nothing of single entries.
        statement = statement.where(_ENTRY.event_time <= after.event_time, tuple_(*_NEWEST_FIRST) < position)
    return statement.order_by(*(column.desc() for column in _NEWEST_FIRST)).limit(limit)


def _filtered(statement: Select[Any], wanted: EntryFilter) -> Select[Any]:
    for column, value in (
        (_ENTRY.stream, wanted.stream),
        (_ENTRY.event_type, wanted.event_type),
        (_ENTRY.caller, wanted.caller),
        (_ENTRY.user_id, wanted.user),
    ):
        if value:
            statement = statement.where(column == value)
    if wanted.min_severity:
        # A literal, so that the planner sees that the index of what went wrong serves.
        least: ColumnElement[int] = literal_column(str(int(wanted.min_severity)))
        statement = statement.where(_ENTRY.commit_severity >= least, _ENTRY.severity >= least)
    if wanted.time_from is not None:
        statement = statement.where(_ENTRY.event_time >= wanted.time_from)
    if wanted.time_to is not None:
        statement = statement.where(_ENTRY.event_time <= wanted.time_to)
    return statement


def streams(connection: Connection, tenant: str, *, after: str, limit: int) -> list[AuditedStream]:
    """The next streams that have a head, in order of their names, with all their entries."""
    others = _HEADS.where(_HEAD.tenant == tenant, _HEAD.stream > after)
    found = _heads(connection, others.order_by(_HEAD.stream).limit(limit))
    if after < RUN_STREAMS or after.startswith(RUN_STREAMS):
        # Compared with the run's own id, so that its index serves.
        runs = _HEADS_OF_RUNS.where(_RUN.tenant == tenant, _RUN.run_id > after.removeprefix(RUN_STREAMS))
        if after < RUN_STREAMS:
            runs = _HEADS_OF_RUNS.where(_RUN.tenant == tenant)
        found += _heads(connection, runs.order_by(_RUN.run_id).limit(limit))
    return _with_entries(connection, tenant, sorted(found, key=lambda head: head.stream)[:limit])


def stream(connection: Connection, tenant: str, name: str) -> list[AuditedStream]:
    """One stream; none when there is neither head nor entry."""
    heads = _heads(connection, _HEADS.where(_HEAD.tenant == tenant, _HEAD.stream == name))
    if name.startswith(RUN_STREAMS):
        run_id = name.removeprefix(RUN_STREAMS)
        heads += _heads(connection, _HEADS_OF_RUNS.where(_RUN.tenant == tenant, _RUN.run_id == run_id))
    if heads:
        return _with_entries(connection, tenant, heads)
    entries = tuple(_entries(connection, tenant, [name]))
    return [AuditedStream(tenant, name, None, entries)] if entries else []


def headless_streams(connection: Connection, tenant: str) -> list[AuditedStream]:
    """Streams that have entries and no head: somebody wrote past the service. Reads every entry's key."""
    names = connection.scalars(
        select(_JOURNAL.stream).where(_JOURNAL.tenant == tenant, ~_HAS_HEAD, ~_HAS_RUN).distinct()
    ).all()
    return [found for name in sorted(names) for found in stream(connection, tenant, name)]


def grown_heads(connection: Connection, since: datetime | None) -> list[StreamHead]:
    """Heads of all tenants that moved at that instant or later; None: all of them.

    Those of a tenant that was brought here since are all new here.
    """
    others, runs = _HEADS, _HEADS_OF_RUNS
    if since is not None:
        brought = _MOVED.where(TENANT_MOVES.c.change_time >= since)
        others = others.where(or_(_HEAD.update_time >= since, _HEAD.tenant.in_(brought)))
        runs = runs.where(or_(_RUN.update_time >= since, _RUN.tenant.in_(brought)))
    return _heads(connection, others) + _heads(connection, runs)


def _heads(connection: Connection, statement: Executable) -> list[StreamHead]:
    return [StreamHead(*row) for row in connection.execute(statement)]


def entry_of(row: Row[Any]) -> Entry:
    """The entry as it was hashed."""
    return Entry(
        tenant=row.tenant,
        stream=row.stream,
        sequence=row.sequence,
        event_time_us=microseconds(row.event_time),
        event_type=row.event_type,
        caller=row.caller,
        user=row.user_id,
        request_id=row.request_id,
        severity=row.severity,
        persona_id=row.persona_id,
        data=row.data,
        record_id=row.record_id,
        payload_digest=None if row.payload_digest is None else bytes.fromhex(row.payload_digest),
        previous_hash=bytes.fromhex(row.previous_hash),
    )


def _with_entries(connection: Connection, tenant: str, heads: Sequence[StreamHead]) -> list[AuditedStream]:
    entries: dict[str, list[Entry]] = {head.stream: [] for head in heads}
    for entry in _entries(connection, tenant, list(entries)):
        entries[entry.stream].append(entry)
    return [AuditedStream(tenant, head.stream, head, tuple(entries[head.stream])) for head in heads]


def _entries(connection: Connection, tenant: str, names: Sequence[str]) -> Iterable[Entry]:
    rows = connection.execute(
        select(*_JOURNAL)
        .where(_JOURNAL.tenant == tenant, _JOURNAL.stream.in_(names))
        .order_by(_JOURNAL.stream, _JOURNAL.first_sequence)
    )
    return (entry for row in rows for entry in unpack(row))
