"""Invitations: offers to take part, answered by whoever has the token."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from uuid_utils.compat import uuid7

from consensus.v1 import draft_service_pb2
from consensus_contract.errors import InvitationNotFound, InvitationNotPending
from persistence_service.drafts import convert, names, statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.collaborators import join
from persistence_service.drafts.convert import Row

DEFAULT_TTL = timedelta(hours=72)
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ticket:
    """A new invitation's id and token, made before the transaction, which may run more than once."""

    invitation_id: str
    token: str


def new_ticket() -> Ticket:
    """An id that sorts after earlier ones, and a token that nobody guesses; it never begins with a dash."""
    return Ticket(str(uuid7()), secrets.token_hex(TOKEN_BYTES))


def token_digest(token: str) -> bytes:
    """All that is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def create(
    change: Change, request: draft_service_pb2.CreateInvitationRequest, ticket: Ticket
) -> draft_service_pb2.CreateInvitationResponse:
    """A new invitation; the answer, which may be stored, is without the token.

    Raises:
        NotDraftOwner: only owners invite.
    """
    change.lock()
    change.check_owner()
    ttl = request.ttl.ToTimedelta() if request.HasField("ttl") else DEFAULT_TTL
    row = {
        **change.row_key,
        "invitation_id": ticket.invitation_id,
        "token_digest": token_digest(ticket.token),
        "role": names.role_text(request.role),
        "invitee": request.invitee,
        "invited_by": change.user,
        "state": names.PENDING,
        "create_time": change.now,
        "expire_time": change.now + ttl,
        "answered_by": "",
        "answer_time": None,
        "delete_time": None,
        "deletion_id": None,
    }
    change.connection.execute(statements.INSERT_INVITATION, row)
    change.update()
    change.note("draft.invitation_created", {"invitation_id": ticket.invitation_id, "role": row["role"]})
    change.finish()
    return draft_service_pb2.CreateInvitationResponse(invitation=convert.invitation_message(row, change.now))


def accept(
    change: Change, request: draft_service_pb2.AcceptInvitationRequest
) -> draft_service_pb2.AcceptInvitationResponse:
    """One more who takes part.

    Raises:
        InvitationNotFound, InvitationNotPending: there is none that the user may accept.
        DuplicateId: the user takes part already.
        DraftFull: there are as many as there may be.
    """
    draft = change.lock()
    invitation = _pending(change, _by_token(change, request.token))
    role, invited_by = invitation["role"], invitation["invited_by"]
    joined = join(change, draft, change.user, role, added_by=invited_by)
    _answer(change, invitation, names.ACCEPTED)
    change.note("draft.invitation_accepted", {"invitation_id": invitation["invitation_id"], "role": role})
    change.finish()
    return draft_service_pb2.AcceptInvitationResponse(collaborator=joined)


def decline(
    change: Change, request: draft_service_pb2.DeclineInvitationRequest
) -> draft_service_pb2.DeclineInvitationResponse:
    """The invitation, turned down.

    Raises:
        InvitationNotFound, InvitationNotPending: there is none that the user may decline.
    """
    change.lock()
    invitation = _pending(change, _by_token(change, request.token))
    answered = _answer(change, invitation, names.DECLINED)
    change.note("draft.invitation_declined", {"invitation_id": invitation["invitation_id"]})
    change.finish()
    return draft_service_pb2.DeclineInvitationResponse(
        invitation=convert.invitation_message(answered, change.now)
    )


def revoke(
    change: Change, request: draft_service_pb2.RevokeInvitationRequest
) -> draft_service_pb2.RevokeInvitationResponse:
    """The invitation, taken back.

    Raises:
        NotDraftOwner: only owners take back.
        InvitationNotFound, InvitationNotPending: there is none that could be taken back.
    """
    change.lock()
    change.check_owner()
    parameters = {**change.row_key, "invitation_id": request.invitation_id}
    found = change.connection.execute(statements.FIND_INVITATION, parameters).mappings().one_or_none()
    invitation = _pending(change, found)
    answered = _answer(change, invitation, names.REVOKED)
    change.note("draft.invitation_revoked", {"invitation_id": request.invitation_id})
    change.finish()
    return draft_service_pb2.RevokeInvitationResponse(
        invitation=convert.invitation_message(answered, change.now)
    )


def _by_token(change: Change, token: str) -> Row | None:
    """The invitation that a token opens, unless it is meant for another user."""
    parameters = {**change.row_key, "token_digest": token_digest(token)}
    statement = statements.FIND_INVITATION_BY_TOKEN
    found = change.connection.execute(statement, parameters).mappings().one_or_none()
    return None if found is not None and found["invitee"] not in {"", change.user} else found


def _pending(change: Change, invitation: Row | None) -> Row:
    if invitation is None:
        raise InvitationNotFound(draft_id=change.draft_id)
    state = convert.invitation_state(invitation, change.now)
    if state != names.PENDING:
        raise InvitationNotPending(
            draft_id=change.draft_id, invitation_id=invitation["invitation_id"], state=state
        )
    return invitation


def _answer(change: Change, invitation: Row, state: str) -> Row:
    columns = {"state": state, "answered_by": change.user, "answer_time": change.now}
    change.connection.execute(
        statements.ANSWER_INVITATION.values(**columns),
        {**change.of_draft, "of_invitation": invitation["invitation_id"]},
    )
    change.update()
    return {**invitation, **columns}
