"""Statements over events. All that read start from `_of_tenant`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, or_, select

from persistence_service.database.tenants import OldestRemoved
from persistence_service.events.analytics import (
    DRAFT_COMPLETED,
    DRAFT_CREATED,
    RING_PASSED,
    SEGMENT_ADDED,
    DraftEvent,
)
from persistence_service.events.convert import PLACES
from persistence_service.events.event import EventFilter, NewEvent, StoredEvent
from persistence_service.events.tables import EventRow
from persistence_service.paging.keyset import beyond
from persistence_service.schema.base import core_table, insert
from persistence_service.schema.containment import JsonContains
from persistence_service.schema.scalars import microseconds
from persistence_service.schema.time_bucket import TimeBucket

_EVENTS = EventRow.__table__.c
_IDENTITY = (_EVENTS.event_type, _EVENTS.occur_time, _EVENTS.data_digest)
_APPEND = insert(EventRow).on_conflict_do_nothing(index_elements=["tenant", *_IDENTITY]).returning(*_IDENTITY)
_STORED = (
    _EVENTS.event_type,
    _EVENTS.occur_time,
    _EVENTS.position,
    _EVENTS.data,
    _EVENTS.data_digest,
    _EVENTS.schema_version,
    _EVENTS.event_key,
)
# The last two only tell apart what was stored in one microsecond at one place of two batches.
_OLDEST_FIRST = (_EVENTS.occur_time, _EVENTS.position, _EVENTS.event_type, _EVENTS.data_digest)
_OF_DRAFT = (
    _EVENTS.event_type,
    _EVENTS.occur_time,
    _EVENTS.draft_id,
    _EVENTS.user_id,
    _EVENTS.recipient_id,
)
_RING_TYPES = (DRAFT_CREATED, RING_PASSED, DRAFT_COMPLETED)
_BOARD_TYPES = (DRAFT_CREATED, SEGMENT_ADDED, RING_PASSED)
_FETCHED_AT_ONCE = 2000

_PURGE = OldestRemoved(core_table(EventRow), _EVENTS.position, _EVENTS.position < bindparam("before"))


@dataclass(frozen=True, slots=True)
class EventTypeCount:
    """Events of one type: how many, and when the first and the last happened."""

    event_type: str
    event_count: int
    first_time: datetime
    last_time: datetime


@dataclass(frozen=True, slots=True)
class BucketCount:
    """Events of one type within one span of time."""

    start_time: datetime
    event_type: str
    event_count: int


def append(connection: Connection, tenant: str, events: Sequence[NewEvent], now: datetime) -> list[bool]:
    """Stores events at `now`; of each whether it was stored, or there before (or earlier in the list).

    At READ COMMITTED one who appends the same waits, and finds it there. Rows go in in the order of their
    keys, so that two who append the same in another order do not wait for each other.
    """
    base = microseconds(now) * PLACES
    rows: dict[tuple[str, datetime, bytes], dict[str, Any]] = {}
    firsts = [
        rows.setdefault(event.identity, row := _row(tenant, event, base + place)) is row
        for place, event in enumerate(events)
    ]
    stored = connection.execute(_APPEND, [rows[identity] for identity in sorted(rows)])
    new = {(event_type, occur_time, bytes(digest)) for event_type, occur_time, digest in stored}
    return [is_first and event.identity in new for is_first, event in zip(firsts, events, strict=True)]


def _row(tenant: str, event: NewEvent, position: int) -> dict[str, Any]:
    draft = event.draft
    return {
        "tenant": tenant,
        "event_type": event.event_type,
        "occur_time": event.occur_time,
        "data_digest": event.data_digest,
        "position": position,
        "data": event.data,
        "schema_version": event.schema_version,
        "event_key": event.event_key,
        "draft_id": draft.draft_id if draft else None,
        "user_id": draft.user_id if draft else None,
        "recipient_id": draft.recipient_id if draft else None,
    }


def page(
    connection: Connection, tenant: str, wanted: EventFilter, after: Sequence[Any] | None, limit: int
) -> list[StoredEvent]:
    """Events, oldest first, that come after a position (as `position_of` tells it)."""
    statement = _filtered(_of_tenant(tenant, *_STORED), wanted)
    if after is not None:
        statement = statement.where(beyond(_OLDEST_FIRST, after))
    return [_stored(row) for row in connection.execute(statement.order_by(*_OLDEST_FIRST).limit(limit))]


def count_types(connection: Connection, tenant: str, wanted: EventFilter, limit: int) -> list[EventTypeCount]:
    """Counts per type, in the order of types."""
    times = (func.min(_EVENTS.occur_time), func.max(_EVENTS.occur_time))
    statement = _filtered(_of_tenant(tenant, _EVENTS.event_type, func.count(), *times), wanted)
    grouped = statement.group_by(_EVENTS.event_type).order_by(_EVENTS.event_type).limit(limit)
    return [EventTypeCount(*row) for row in connection.execute(grouped)]


def count_buckets(
    connection: Connection, tenant: str, wanted: EventFilter, seconds: int, limit: int
) -> list[BucketCount]:
    """Counts per span and type, in this order."""
    start = TimeBucket(_EVENTS.occur_time, seconds).label("start_time")
    counted = _filtered(_of_tenant(tenant, start, _EVENTS.event_type, func.count()), wanted)
    grouped = counted.group_by(start, _EVENTS.event_type).order_by(start, _EVENTS.event_type).limit(limit)
    return [BucketCount(*row) for row in connection.execute(grouped)]


def of_draft(connection: Connection, tenant: str, draft_id: str) -> list[DraftEvent]:
    """All events of a draft, as they happened."""
    statement = _of_tenant(tenant, *_OF_DRAFT).where(_EVENTS.draft_id == draft_id)
    return [DraftEvent(*row) for row in connection.execute(statement.order_by(*_OLDEST_FIRST))]


def of_user(connection: Connection, tenant: str, user_id: str) -> list[DraftEvent]:
    """What a user did, and all that moved the rings of those drafts, as it happened."""
    touched = [
        _of_tenant(tenant, _EVENTS.draft_id).where(column == user_id)
        for column in (_EVENTS.user_id, _EVENTS.recipient_id)
    ]
    statement = _of_tenant(tenant, *_OF_DRAFT).where(
        _EVENTS.draft_id.in_(touched[0].union(touched[1])),
        or_(_EVENTS.event_type.in_(_RING_TYPES), _EVENTS.user_id == user_id),
    )
    return [DraftEvent(*row) for row in connection.execute(statement.order_by(*_OLDEST_FIRST))]


def of_boards(connection: Connection, tenant: str, wanted: EventFilter) -> Iterator[DraftEvent]:
    """All that counts for a leaderboard, in no order, a few at a time; `wanted` bounds the time only."""
    statement = _of_tenant(tenant, *_OF_DRAFT).where(_EVENTS.event_type.in_(_BOARD_TYPES))
    streamed = connection.execution_options(yield_per=_FETCHED_AT_ONCE).execute(_within(statement, wanted))
    return (DraftEvent(*row) for row in streamed)


def created_before(connection: Connection, tenant: str, wanted: EventFilter) -> list[DraftEvent]:
    """Creations before the window of those drafts that were written in within it."""
    if wanted.time_from is None:
        return []
    written = _within(_of_tenant(tenant, _EVENTS.draft_id), wanted).where(_EVENTS.event_type == SEGMENT_ADDED)
    statement = _of_tenant(tenant, *_OF_DRAFT).where(
        _EVENTS.draft_id.in_(written),
        _EVENTS.event_type == DRAFT_CREATED,
        _EVENTS.occur_time < wanted.time_from,
    )
    return [DraftEvent(*row) for row in connection.execute(statement)]


def purge_some(connection: Connection, before: datetime, max_count: int) -> int:
    """Deletes events that were stored before an instant; how many."""
    return _PURGE.count(connection, max_count, before=microseconds(before) * PLACES)


def position_of(event: StoredEvent) -> tuple[Any, ...]:
    """Where the event stands in a list."""
    return (event.occur_time, event.position, event.event_type, event.data_digest)


def _of_tenant(tenant: str, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(_EVENTS.tenant == tenant)


def _filtered(statement: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.types:
        statement = statement.where(_EVENTS.event_type.in_(wanted.types))
    if wanted.data is not None:
        statement = statement.where(JsonContains(_EVENTS.data, wanted.data))
    return _within(statement, wanted)


def _within(statement: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.time_from is not None:
        statement = statement.where(_EVENTS.occur_time >= wanted.time_from)
    if wanted.time_to is not None:
        statement = statement.where(_EVENTS.occur_time <= wanted.time_to)
    return statement


def _stored(row: Row[Any]) -> StoredEvent:
    return StoredEvent(
        event_type=row.event_type,
        occur_time=row.occur_time,
        position=row.position,
        data=row.data,
        data_digest=bytes(row.data_digest),
        schema_version=row.schema_version,
        event_key=row.event_key,
    )
