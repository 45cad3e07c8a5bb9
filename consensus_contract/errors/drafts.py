"""Errors about drafts: what is not there, and what a user may not do."""
# ruff: noqa: N818 - the names are those of the reasons in the contract

import grpc

from consensus_contract.errors.base import ConsensusError, ErrorReason


class DraftError(ConsensusError):
    """Common to the errors about one draft; raised as one of its subclasses."""

    text: str

    def __init__(self, *, draft_id: str) -> None:
        super().__init__(f"draft {draft_id}: {self.text}", metadata={"draft_id": draft_id})

    @property
    def draft_id(self) -> str | None:
        """The draft that the error is about."""
        return self.metadata.get("draft_id")


class DraftNotFound(DraftError):
    """No such draft for this tenant; deleted drafts and other tenants' look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_DRAFT_NOT_FOUND
    text = "was not found"


class CollaboratorNotFound(DraftError):
    """The user is no collaborator of the draft."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_COLLABORATOR_NOT_FOUND
    text = "has no such collaborator"


class InvitationNotFound(DraftError):
    """No such invitation, none with this token, or none that is meant for this user."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_INVITATION_NOT_FOUND
    text = "has no such invitation for this user"


class InvitationNotPending(DraftError):
    """The invitation was answered or taken back, or nobody answered it in time."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_INVITATION_NOT_PENDING

    def __init__(self, *, draft_id: str, invitation_id: str, state: str) -> None:
        ConsensusError.__init__(
            self,
            f"draft {draft_id}: invitation {invitation_id} is {state}",
            metadata={"draft_id": draft_id, "invitation_id": invitation_id, "state": state},
        )


class NotRingHolder(DraftError):
    """Somebody else holds the draft's ring."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_NOT_RING_HOLDER
    text = "somebody else holds the ring"


class NotAWriter(DraftError):
    """The user is a viewer of the draft, or no collaborator."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_NOT_A_WRITER
    text = "the user may not write in it"


class NotDraftOwner(DraftError):
    """The user is no owner of the draft."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_NOT_DRAFT_OWNER
    text = "the user is no owner of it"


class RecipientNotCollaborator(DraftError):
    """The ring goes only to the creator and to collaborators who may write."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_RECIPIENT_NOT_COLLABORATOR
    text = "whom the ring is passed to may not write in it"


class DraftNotActive(DraftError):
    """Only an ACTIVE draft is written in."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_DRAFT_NOT_ACTIVE

    def __init__(self, *, draft_id: str, state: str) -> None:
        ConsensusError.__init__(
            self,
            f"draft {draft_id}: it is {state}, so nobody may write in it",
            metadata={"draft_id": draft_id, "state": state},
        )


class DraftIllegalState(DraftError):
    """The draft is in a state, such as `LOCKED`, that does not allow the operation, such as `submit`."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_DRAFT_ILLEGAL_STATE

    def __init__(self, *, draft_id: str, state: str, operation: str) -> None:
        ConsensusError.__init__(
            self,
            f"cannot {operation} draft {draft_id}: it is {state}",
            metadata={"draft_id": draft_id, "state": state, "operation": operation},
        )


class DraftFull(DraftError):
    """The draft has as many segments or collaborators as it may have."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_DRAFT_FULL

    def __init__(self, *, draft_id: str, subject: str, limit: int) -> None:
        ConsensusError.__init__(
            self,
            f"draft {draft_id}: it has at most {limit} {subject}",
            metadata={"draft_id": draft_id, "limit": str(limit)},
        )


class DraftEmpty(DraftError):
    """The draft has no segment to review."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_DRAFT_EMPTY
    text = "nothing was written in it yet"
