"""The ring: the right to write, passed from hand to hand."""

from consensus.v1 import draft_service_pb2
from consensus_contract.errors import NotRingHolder, RecipientNotCollaborator
from consensus_rpc.errors import InvalidField
from persistence_service.drafts import convert, names, repository, statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.convert import Row
from persistence_service.events.analytics import RING_PASSED


def check_pass(request: draft_service_pb2.PassRingRequest) -> None:
    """What the contract's rules cannot say.

    Raises:
        InvalidField: to oneself.
    """
    if request.recipient == request.user:
        raise InvalidField(field="recipient", description="is somebody else than the holder")


def pass_on(change: Change, request: draft_service_pb2.PassRingRequest) -> draft_service_pb2.PassRingResponse:
    """The ring in the recipient's hands.

    Raises:
        NotRingHolder: the user does not have it.
        RecipientNotCollaborator: the recipient may not write.
    """
    draft = change.lock()
    if draft["holder"] != change.user:
        raise NotRingHolder(draft_id=change.draft_id)
    if change.role(request.recipient) not in names.WRITERS:
        raise RecipientNotCollaborator(draft_id=change.draft_id)
    hand_over(change, draft, request.recipient)
    change.finish()
    after = repository.find_short(change.connection, change.key)
    return draft_service_pb2.PassRingResponse(ring=convert.ring_message(after))


def start_ring(change: Change) -> None:
    """The creator's turn, the first."""
    _add_turn(change, 0, change.user, passed_by="")


def hand_over(change: Change, draft: Row, recipient: str) -> None:
    """Gives the ring to somebody who may have it: history grows by a turn."""
    position = draft["turn_count"]
    _add_turn(change, position, recipient, passed_by=change.user)
    change.update(holder=recipient, ring_time=change.now, turn_count=position + 1)
    change.note("draft.ring_passed", {"position": position, "from": draft["holder"], "to": recipient})
    change.emit(RING_PASSED, recipient=recipient, from_user_id=draft["holder"])


def _add_turn(change: Change, position: int, holder: str, *, passed_by: str) -> None:
    row = {
        **change.row_key,
        "position": position,
        "holder": holder,
        "passed_by": passed_by,
        "receive_time": change.now,
        "delete_time": None,
        "deletion_id": None,
    }
    change.connection.execute(statements.INSERT_TURN, row)
