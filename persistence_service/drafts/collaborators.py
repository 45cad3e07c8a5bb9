"""Collaborators: who takes part, and in which role."""

from consensus.v1 import draft_pb2, draft_service_pb2
from consensus_contract.errors import CollaboratorNotFound, DraftFull, DuplicateId
from consensus_rpc.errors import InvalidField
from persistence_service.drafts import convert, names, statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.convert import Row
from persistence_service.drafts.ring import hand_over

MAX_COLLABORATORS = 100


def add(
    change: Change, request: draft_service_pb2.AddCollaboratorRequest
) -> draft_service_pb2.AddCollaboratorResponse:
    """One more who takes part.

    Raises:
        NotDraftOwner: only owners add.
        DuplicateId, DraftFull: see `join`.
    """
    draft = change.lock()
    change.check_owner()
    role = names.role_text(request.role)
    joined = join(change, draft, request.collaborator, role, added_by=change.user)
    change.note("draft.collaborator_added", {"collaborator": request.collaborator, "role": role})
    change.finish()
    return draft_service_pb2.AddCollaboratorResponse(collaborator=joined)


def join(change: Change, draft: Row, user: str, role: str, *, added_by: str) -> draft_pb2.Collaborator:
    """Makes a user a collaborator.

    Raises:
        DuplicateId: the user is one already.
        DraftFull: there are as many as there may be.
    """
    if change.role(user) is not None:
        raise DuplicateId(resource=f"drafts/{change.draft_id}/collaborators/{user}")
    if draft["collaborator_count"] >= MAX_COLLABORATORS:
        raise DraftFull(draft_id=change.draft_id, subject="collaborators", limit=MAX_COLLABORATORS)
    return convert.collaborator_message(put(change, draft, user, role, added_by=added_by))


def put(change: Change, draft: Row, user: str, role: str, *, added_by: str) -> Row:
    """Writes who takes part; one who wrote before and left stays an author."""
    member = change.member(user)
    row = {
        **change.row_key,
        "user_id": user,
        "role": role,
        "is_author": member is not None and member["is_author"],
        "added_by": added_by,
        "join_time": change.now,
        "draft_create_time": draft["create_time"],
        "delete_time": None,
        "deletion_id": None,
    }
    change.connection.execute(statements.PUT_MEMBER, row)
    change.update(collaborator_count=draft["collaborator_count"] + 1)
    return row


def check_remove(request: draft_service_pb2.RemoveCollaboratorRequest, creator: str) -> None:
    """Raises InvalidField for the creator, who stays as long as the draft."""
    if request.collaborator == creator:
        raise InvalidField(field="collaborator", description="is somebody else than the creator")


def remove(
    change: Change, request: draft_service_pb2.RemoveCollaboratorRequest
) -> draft_service_pb2.RemoveCollaboratorResponse:
    """One less who takes part; the ring, if that one had it, goes back to the creator.

    Raises:
        NotDraftOwner: only owners remove others than themselves.
        CollaboratorNotFound: the user is none.
    """
    draft, leaving = change.lock(), request.collaborator
    if leaving != change.user:
        change.check_owner()
    member = change.member(leaving)
    if member is None or member["role"] is None:
        raise CollaboratorNotFound(draft_id=change.draft_id)
    check_remove(request, draft["creator"])
    _take_out(change, member)
    change.update(collaborator_count=draft["collaborator_count"] - 1)
    change.note("draft.collaborator_removed", {"collaborator": leaving})
    if draft["holder"] == leaving:
        hand_over(change, draft, draft["creator"])
    return draft_service_pb2.RemoveCollaboratorResponse(draft=change.short_draft())


def _take_out(change: Change, member: Row) -> None:
    if member["is_author"]:  # the draft stays among those that they wrote in
        change.connection.execute(statements.PUT_MEMBER, {**member, "role": None})
    else:
        of_member = {**change.of_draft, "of_user": member["user_id"]}
        change.connection.execute(statements.DELETE_MEMBER, of_member)
