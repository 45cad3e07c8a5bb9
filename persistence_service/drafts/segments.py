"""Segments: what is written, by whoever holds the ring."""

from typing import Any

from uuid_utils.compat import uuid7

from consensus.v1 import draft_service_pb2
from consensus_contract.characters import says_nothing
from consensus_contract.errors import DraftFull, DraftNotActive, NotRingHolder
from consensus_journal import canonical_json, digest
from consensus_rpc.errors import InvalidField
from persistence_service.drafts import convert, names, statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.convert import Row
from persistence_service.events.analytics import SEGMENT_ADDED

MAX_SEGMENTS = 800


def checked_text(text: str, field: str) -> str:
    """The text, as it is.

    Raises:
        InvalidField: there is nothing to be seen in it.
    """
    if says_nothing(text):
        raise InvalidField(field=field, description="is not blank")
    return text


def append(
    change: Change, request: draft_service_pb2.AppendSegmentRequest
) -> draft_service_pb2.AppendSegmentResponse:
    """A segment at the end.

    Raises:
        NotAWriter, NotRingHolder, DraftNotActive: the user may not write, or not now.
        DraftFull: there are as many as there may be.
    """
    draft = change.lock()
    change.check_writer()
    if draft["holder"] != change.user:
        raise NotRingHolder(draft_id=change.draft_id)
    if draft["state"] != names.ACTIVE:
        raise DraftNotActive(draft_id=change.draft_id, state=draft["state"])
    if draft["segment_count"] >= MAX_SEGMENTS:
        raise DraftFull(draft_id=change.draft_id, subject="segments", limit=MAX_SEGMENTS)
    segment = write_segment(change, draft, request.text)
    change.finish()
    return draft_service_pb2.AppendSegmentResponse(segment=convert.segment_message(segment))


def write_segment(change: Change, draft: Row, text: str) -> Row:
    """Writes at the next position, which the lock on the draft keeps for this transaction."""
    row = _row(change, draft, text)
    change.connection.execute(statements.INSERT_SEGMENT, row)
    change.connection.execute(statements.MARK_AUTHOR, {**change.of_draft, "of_user": change.user})
    change.update(segment_count=row["position"] + 1)
    data = {
        "segment_id": row["segment_id"],
        "position": row["position"],
        "holder": row["holder"],
        "length": len(text),
    }
    content = {**data, "author": row["author"], "text": text}
    change.note("draft.segment_added", data, payload_digest=digest(canonical_json(content)))
    change.emit(SEGMENT_ADDED, segment_id=row["segment_id"], position=row["position"])
    return row


def _row(change: Change, draft: Row, text: str) -> dict[str, Any]:
    return {
        **change.row_key,
        "position": draft["segment_count"],
        "segment_id": str(uuid7()),
        "author": change.user,
        "author_display": names.author_display(change.user),
        "holder": draft["holder"],
        "content": text,
        "create_time": change.now,
        "delete_time": None,
        "deletion_id": None,
    }
