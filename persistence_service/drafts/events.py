"""Events of drafts, rebuilt from their journal. Pure."""

from collections.abc import Callable

from consensus.v1 import draft_pb2 as pb
from persistence_service.drafts import convert, names
from persistence_service.drafts.repository import StoredEvent
from persistence_service.schema.scalars import to_timestamp

DELETED = "draft.deleted"


def _segment_added(event: StoredEvent) -> pb.SegmentAdded:
    assert event.segment is not None, "a segment is never removed before its draft"
    return pb.SegmentAdded(segment=convert.segment_message(event.segment))


def _ring_passed(event: StoredEvent) -> pb.RingPassed:
    data = event.data
    return pb.RingPassed(position=data["position"], from_user=data["from"], to_user=data["to"])


def _updated(event: StoredEvent) -> pb.DraftUpdated:
    return pb.DraftUpdated(
        is_title_changed=event.data["is_title_changed"], state=names.state_number(event.data["state"])
    )


def _completed(event: StoredEvent) -> pb.DraftCompleted:
    data = event.data
    return pb.DraftCompleted(segment_count=data["segment_count"], is_title_changed=data["is_title_changed"])


def _added(event: StoredEvent) -> pb.CollaboratorAdded:
    return pb.CollaboratorAdded(user=event.data["collaborator"], role=names.role_number(event.data["role"]))


_EVENTS: dict[str, Callable[[StoredEvent], pb.DraftEvent]] = {
    "draft.created": lambda event: pb.DraftEvent(
        draft_created=pb.DraftCreated(platform=names.platform_number(event.data["platform"]))
    ),
    "draft.segment_added": lambda event: pb.DraftEvent(segment_added=_segment_added(event)),
    "draft.ring_passed": lambda event: pb.DraftEvent(ring_passed=_ring_passed(event)),
    "draft.updated": lambda event: pb.DraftEvent(draft_updated=_updated(event)),
    "draft.completed": lambda event: pb.DraftEvent(draft_completed=_completed(event)),
    "draft.collaborator_added": lambda event: pb.DraftEvent(collaborator_added=_added(event)),
    "draft.collaborator_removed": lambda event: pb.DraftEvent(
        collaborator_removed=pb.CollaboratorRemoved(user=event.data["collaborator"])
    ),
    "draft.invitation_created": lambda event: pb.DraftEvent(
        invitation_created=pb.InvitationCreated(
            invitation_id=event.data["invitation_id"], role=names.role_number(event.data["role"])
        )
    ),
    "draft.invitation_accepted": lambda event: pb.DraftEvent(
        invitation_accepted=pb.InvitationAccepted(
            invitation_id=event.data["invitation_id"], role=names.role_number(event.data["role"])
        )
    ),
    "draft.invitation_declined": lambda event: pb.DraftEvent(
        invitation_declined=pb.InvitationDeclined(invitation_id=event.data["invitation_id"])
    ),
    "draft.invitation_revoked": lambda event: pb.DraftEvent(
        invitation_revoked=pb.InvitationRevoked(invitation_id=event.data["invitation_id"])
    ),
    DELETED: lambda event: pb.DraftEvent(
        draft_deleted=pb.DraftDeleted(deletion_id=event.data["deletion_id"])
    ),
    "draft.undeleted": lambda event: pb.DraftEvent(
        draft_undeleted=pb.DraftUndeleted(deletion_id=event.data["deletion_id"])
    ),
}


def draft_event(draft_id: str, stored: StoredEvent) -> pb.DraftEvent:
    """The event on the wire; one of a kind that only a later release knows has no payload."""
    build = _EVENTS.get(stored.event_type)
    event = pb.DraftEvent() if build is None else build(stored)
    event.draft_id, event.sequence, event.user = draft_id, stored.sequence, stored.user
    event.event_time.CopyFrom(to_timestamp(stored.event_time))
    return event
