"""Between rows of drafts and the messages of the contract. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consensus.v1 import draft_pb2
from persistence_service.drafts import names
from persistence_service.schema.scalars import to_timestamp

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class DraftRows:
    """All rows of a draft; of the turns the newest, newest first."""

    draft: Row
    segments: Sequence[Row]
    collaborators: Sequence[Row]
    turns: Sequence[Row]


def short_draft(row: Row) -> draft_pb2.Draft:
    """A draft as it stands in lists."""
    message = draft_pb2.Draft(
        draft_id=row["draft_id"],
        title=row["title"],
        platform=names.platform_number(row["platform"]),
        state=names.state_number(row["state"]),
        creator=row["creator"],
        ring=ring_message(row),
        segment_count=row["segment_count"],
        collaborator_count=row["collaborator_count"],
        last_sequence=row["last_sequence"],
        create_time=to_timestamp(row["create_time"]),
        update_time=to_timestamp(row["update_time"]),
        deletion_id=row["deletion_id"] or "",
    )
    for name in ("complete_time", "delete_time"):
        if row[name] is not None:
            getattr(message, name).CopyFrom(to_timestamp(row[name]))
    return message


def whole_draft(rows: DraftRows) -> draft_pb2.Draft:
    """A draft with all that belongs to it."""
    message = short_draft(rows.draft)
    message.segments.extend(map(segment_message, rows.segments))
    message.collaborators.extend(map(collaborator_message, rows.collaborators))
    message.ring.turns.extend(map(turn_message, reversed(rows.turns)))
    return message


def ring_message(row: Row) -> draft_pb2.Ring:
    """The ring as the draft's own row has it."""
    return draft_pb2.Ring(
        holder=row["holder"], receive_time=to_timestamp(row["ring_time"]), turn_count=row["turn_count"]
    )


def segment_message(row: Row) -> draft_pb2.Segment:
    return draft_pb2.Segment(
        segment_id=row["segment_id"],
        position=row["position"],
        author=row["author"],
        author_display=row["author_display"],
        holder=row["holder"],
        text=row["content"],
        create_time=to_timestamp(row["create_time"]),
    )


def turn_message(row: Row) -> draft_pb2.RingTurn:
    """A turn of the ring."""
    return draft_pb2.RingTurn(
        position=row["position"],
        holder=row["holder"],
        passed_by=row["passed_by"],
        receive_time=to_timestamp(row["receive_time"]),
    )


def collaborator_message(row: Row) -> draft_pb2.Collaborator:
    return draft_pb2.Collaborator(
        user=row["user_id"],
        role=names.role_number(row["role"]),
        added_by=row["added_by"],
        join_time=to_timestamp(row["join_time"]),
    )


def invitation_state(row: Row, now: datetime) -> str:
    """Where an invitation stands at an instant: one that nobody answered in time is EXPIRED."""
    is_over = row["state"] == names.PENDING and row["expire_time"] <= now
    return names.EXPIRED if is_over else str(row["state"])


def invitation_message(row: Row, now: datetime) -> draft_pb2.Invitation:
    """An invitation as it stands at an instant."""
    message = draft_pb2.Invitation(
        invitation_id=row["invitation_id"],
        draft_id=row["draft_id"],
        role=names.role_number(row["role"]),
        invitee=row["invitee"],
        invited_by=row["invited_by"],
        state=names.invitation_state_number(invitation_state(row, now)),
        create_time=to_timestamp(row["create_time"]),
        expire_time=to_timestamp(row["expire_time"]),
        answered_by=row["answered_by"],
    )
    if row["answer_time"] is not None:
        message.answer_time.CopyFrom(to_timestamp(row["answer_time"]))
    return message
