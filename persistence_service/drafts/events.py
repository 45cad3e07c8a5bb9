"""Events of drafts, rebuilt from their journal. Pure."""

from collections.abc import Callable

from consensus.v1 import draft_pb2
from persistence_service.drafts import convert, names
from persistence_service.drafts.repository import RecordedDraftEvent
from persistence_service.schema.scalars import to_timestamp

DELETED = "draft.deleted"


def _segment_added(event: RecordedDraftEvent) -> draft_pb2.SegmentAdded:
    assert event.segment is not None, "a segment is never removed before its draft"
    return draft_pb2.SegmentAdded(segment=convert.segment_message(event.segment))


def _ring_passed(event: RecordedDraftEvent) -> draft_pb2.RingPassed:
    data = event.data
    return draft_pb2.RingPassed(position=data["position"], from_user=data["from"], to_user=data["to"])


def _updated(event: RecordedDraftEvent) -> draft_pb2.DraftUpdated:
    return draft_pb2.DraftUpdated(
        title_changed=event.data["is_title_changed"], state=names.state_number(event.data["state"])
    )


def _completed(event: RecordedDraftEvent) -> draft_pb2.DraftCompleted:
    data = event.data
    return draft_pb2.DraftCompleted(
        segment_count=data["segment_count"], title_changed=data["is_title_changed"]
    )


def _added(event: RecordedDraftEvent) -> draft_pb2.CollaboratorAdded:
    return draft_pb2.CollaboratorAdded(
        user=event.data["collaborator"], role=names.role_number(event.data["role"])
    )


_EVENTS: dict[str, Callable[[RecordedDraftEvent], draft_pb2.DraftEvent]] = {
    "draft.created": lambda event: draft_pb2.DraftEvent(
        draft_created=draft_pb2.DraftCreated(platform=names.platform_number(event.data["platform"]))
    ),
    "draft.segment_added": lambda event: draft_pb2.DraftEvent(segment_added=_segment_added(event)),
    "draft.ring_passed": lambda event: draft_pb2.DraftEvent(ring_passed=_ring_passed(event)),
    "draft.updated": lambda event: draft_pb2.DraftEvent(draft_updated=_updated(event)),
    "draft.completed": lambda event: draft_pb2.DraftEvent(draft_completed=_completed(event)),
    "draft.collaborator_added": lambda event: draft_pb2.DraftEvent(collaborator_added=_added(event)),
    "draft.collaborator_removed": lambda event: draft_pb2.DraftEvent(
        collaborator_removed=draft_pb2.CollaboratorRemoved(user=event.data["collaborator"])
    ),
    "draft.invitation_created": lambda event: draft_pb2.DraftEvent(
        invitation_created=draft_pb2.InvitationCreated(
            invitation_id=event.data["invitation_id"], role=names.role_number(event.data["role"])
        )
    ),
    "draft.invitation_accepted": lambda event: draft_pb2.DraftEvent(
        invitation_accepted=draft_pb2.InvitationAccepted(
            invitation_id=event.data["invitation_id"], role=names.role_number(event.data["role"])
        )
    ),
    "draft.invitation_declined": lambda event: draft_pb2.DraftEvent(
        invitation_declined=draft_pb2.InvitationDeclined(invitation_id=event.data["invitation_id"])
    ),
    "draft.invitation_revoked": lambda event: draft_pb2.DraftEvent(
        invitation_revoked=draft_pb2.InvitationRevoked(invitation_id=event.data["invitation_id"])
    ),
    DELETED: lambda event: draft_pb2.DraftEvent(
        draft_deleted=draft_pb2.DraftDeleted(deletion_id=event.data["deletion_id"])
    ),
    "draft.undeleted": lambda event: draft_pb2.DraftEvent(
        draft_undeleted=draft_pb2.DraftUndeleted(deletion_id=event.data["deletion_id"])
    ),
}


def draft_event(draft_id: str, stored: RecordedDraftEvent) -> draft_pb2.DraftEvent:
    """The event on the wire; one of a kind that only a later release knows has no payload."""
    build = _EVENTS.get(stored.event_type)
    event = draft_pb2.DraftEvent() if build is None else build(stored)
    event.draft_id, event.sequence, event.user = draft_id, stored.sequence, stored.user
    event.event_time.CopyFrom(to_timestamp(stored.event_time))
    return event
