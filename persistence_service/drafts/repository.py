"""Reads of drafts. Never commits; every statement names the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from consensus_contract.errors import DraftNotFound
from consensus_journal import Entry
from persistence_service.drafts import statements
from persistence_service.drafts.convert import DraftRows, Row
from persistence_service.journal.stream import entries_after
from persistence_service.paging.keyset import beyond
from persistence_service.schema.scalars import from_microseconds

DraftKey = tuple[str, str]
"""Tenant and draft id."""

SHOWN_TURNS = 100
_STREAM = "drafts/"


@dataclass(frozen=True, slots=True)
class DraftHead:
    """Where a draft's journal ends: what watchers are woken with."""

    tenant: str
    draft_id: str
    last_sequence: int

    @property
    def key(self) -> DraftKey:
        """Tenant and draft id."""
        return (self.tenant, self.draft_id)

    @property
    def version(self) -> tuple[int, int]:
        """The sequence, which only rises."""
        return (0, self.last_sequence)


@dataclass(frozen=True, slots=True)
class RecordedDraftEvent:
    """An entry of a draft's journal; `segment` where it is about one."""

    sequence: int
    event_time: datetime
    event_type: str
    user: str
    data: Row
    segment: Row | None = None


def draft_stream(draft_id: str) -> str:
    """The stream of a draft's entries."""
    return f"{_STREAM}{draft_id}"


def find_short(connection: Connection, key: DraftKey, *, show_deleted: bool = False) -> Row:
    """The draft's own row, and where its journal ends.

    Raises:
        DraftNotFound: the tenant has no such draft.
    """
    found = connection.execute(statements.FIND_DRAFT.shown(show_deleted), _of(key)).mappings().one_or_none()
    if found is None:
        raise DraftNotFound(draft_id=key[1])
    return found


def has_draft(connection: Connection, key: DraftKey) -> bool:
    """Whether the tenant has such a draft, deleted or not."""
    try:
        find_short(connection, key, show_deleted=True)
    except DraftNotFound:
        return False
    return True


def find_draft(connection: Connection, key: DraftKey, *, show_deleted: bool = False) -> DraftRows:
    """All rows of a draft, in four queries.

    Raises:
        DraftNotFound: the tenant has no such draft.
    """
    draft, of_draft = find_short(connection, key, show_deleted=show_deleted), _of(key)
    return DraftRows(
        draft=draft,
        segments=connection.execute(statements.FIND_SEGMENTS.shown(show_deleted), of_draft).mappings().all(),
        collaborators=connection.execute(statements.FIND_COLLABORATORS.shown(show_deleted), of_draft)
        .mappings()
        .all(),
        turns=connection.execute(
            statements.NEWEST_TURNS.shown(show_deleted), {**of_draft, "limit": SHOWN_TURNS}
        )
        .mappings()
        .all(),
    )


def list_drafts(
    connection: Connection,
    tenant: str,
    user: str,
    after: tuple[datetime, str] | None,
    limit: int,
    *,
    show_deleted: bool,
) -> list[Row]:
    """A user's drafts, newest first, in one query; `after` is the last one of the page before."""
    statement = statements.drafts_of_user(show_deleted=show_deleted).limit(limit)
    if after is not None:
        statement = statement.where(beyond(statements.NEWEST_FIRST, after, descending=True))
    return list(connection.execute(statement, {"tenant": tenant, "user_id": user}).mappings())


def list_turns(
    connection: Connection, key: DraftKey, after: int, limit: int, *, show_deleted: bool
) -> list[Row]:
    """Turns of the ring, oldest first.

    Raises:
        DraftNotFound: the tenant has no such draft.
    """
    find_short(connection, key, show_deleted=show_deleted)
    parameters = {**_of(key), "after": after, "limit": limit}
    return list(connection.execute(statements.TURNS_AFTER.shown(show_deleted), parameters).mappings())


def list_invitations(connection: Connection, key: DraftKey, before: str, limit: int) -> list[Row]:
    """Invitations, newest first.

    Raises:
        DraftNotFound: the tenant has no such draft.
    """
    find_short(connection, key)
    parameters = {**_of(key), "before": before, "limit": limit}
    return list(connection.execute(statements.INVITATIONS_BEFORE, parameters).mappings())


def find_member(
    connection: Connection, key: DraftKey, user: str, *, show_deleted: bool = False
) -> Row | None:
    """What the user has to do with the draft; None: nothing."""
    parameters = {**_of(key), "user_id": user}
    return connection.execute(statements.FIND_MEMBER.shown(show_deleted), parameters).mappings().one_or_none()


def find_events(connection: Connection, key: DraftKey, after: int, limit: int) -> list[RecordedDraftEvent]:
    """The draft's next events, those about segments with them."""
    entries = entries_after(connection, key[0], draft_stream(key[1]), after, limit)
    events = [_event(entry) for entry in entries]
    positions = [event.data["position"] for event in events if "segment_id" in event.data]
    if not positions:
        return events
    between = {**_of(key), "first": positions[0], "last": positions[-1]}
    rows = connection.execute(statements.SEGMENTS_AT, between).mappings()
    segments: dict[int, Row] = {row["position"]: row for row in rows}
    return [_joined(event, segments) for event in events]


def find_heads(connection: Connection, keys: Sequence[DraftKey]) -> list[DraftHead]:
    """Where these drafts' journals end; those that are not there are left out."""
    streams = [(tenant, draft_stream(draft_id)) for tenant, draft_id in keys]
    found = connection.execute(statements.HEADS_OF, {"streams": streams})
    return [DraftHead(row.tenant, row.stream.removeprefix(_STREAM), row.sequence) for row in found]


def _event(entry: Entry) -> RecordedDraftEvent:
    time = from_microseconds(entry.event_time_us)
    return RecordedDraftEvent(entry.sequence, time, entry.event_type, entry.user, dict(entry.data))


def _joined(event: RecordedDraftEvent, segments: dict[int, Row]) -> RecordedDraftEvent:
    if "segment_id" not in event.data:
        return event
    segment = segments.get(event.data["position"])
    return RecordedDraftEvent(
        event.sequence, event.event_time, event.event_type, event.user, event.data, segment
    )


def _of(key: DraftKey) -> dict[str, str]:
    return {"tenant": key[0], "draft_id": key[1]}
