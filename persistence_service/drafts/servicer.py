"""DraftService: texts written in turns."""
# ruff: noqa: N802 - names and arguments are those of the generated base

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message
from uuid_utils.compat import uuid7

from consensus.v1 import draft_service_pb2, draft_service_pb2_grpc
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.drafts import (
    collaborators,
    convert,
    creating,
    deleting,
    invitations,
    repository,
    ring,
    segments,
)
from persistence_service.drafts.access import DraftAccess
from persistence_service.drafts.change import Change
from persistence_service.drafts.listing import DraftLists
from persistence_service.drafts.watching import watch_draft
from persistence_service.idempotency.keys import key_use
from persistence_service.journal.entries import Actor
from persistence_service.paging.tokens import Signing

ChangeRequest: TypeAlias = (
    draft_service_pb2.CreateDraftRequest
    | draft_service_pb2.UpdateDraftRequest
    | draft_service_pb2.DeleteDraftRequest
    | draft_service_pb2.UndeleteDraftRequest
    | draft_service_pb2.AppendSegmentRequest
    | draft_service_pb2.PassRingRequest
    | draft_service_pb2.AddCollaboratorRequest
    | draft_service_pb2.RemoveCollaboratorRequest
    | draft_service_pb2.CreateInvitationRequest
    | draft_service_pb2.AcceptInvitationRequest
    | draft_service_pb2.DeclineInvitationRequest
    | draft_service_pb2.RevokeInvitationRequest
)
Request = TypeVar("Request", bound=ChangeRequest)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """A kind of change: its name in idempotency keys, and whether keys are told apart by draft."""

    name: str
    addresses_draft: bool = True


CREATE = ChangeKind("draft.create", addresses_draft=False)
UPDATE = ChangeKind("draft.update")
DELETE, UNDELETE = ChangeKind("draft.delete"), ChangeKind("draft.undelete")
APPEND, PASS = ChangeKind("draft.append"), ChangeKind("draft.pass")
ADD, REMOVE = ChangeKind("draft.add_collaborator"), ChangeKind("draft.remove_collaborator")
INVITE, ACCEPT = ChangeKind("draft.invite"), ChangeKind("draft.accept_invitation")
DECLINE, REVOKE = ChangeKind("draft.decline_invitation"), ChangeKind("draft.revoke_invitation")


class DraftServicer(draft_service_pb2_grpc.DraftServiceServicer):
    """Answers for drafts; streams end with ShuttingDown once `drain` was called."""

    def __init__(self, database: Database, drafts: DraftAccess, signing: Signing) -> None:
        """Needs a running loop."""
        self._database = database
        self._drafts = drafts
        self._signing = signing
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """Ends all streams; their callers go on at another replica."""
        if not self._stopping.done():
            self._stopping.set_exception(ShuttingDown())
            self._stopping.exception()  # looked at: there may be no stream

    async def CreateDraft(
        self, request: draft_service_pb2.CreateDraftRequest, context: Context
    ) -> draft_service_pb2.CreateDraftResponse:
        creating.check_create(request)
        draft_id = request.draft_id or str(uuid7())
        answer = draft_service_pb2.CreateDraftResponse
        return await self._change(context, CREATE, request, creating.create, answer, draft_id=draft_id)

    async def GetDraft(
        self, request: draft_service_pb2.GetDraftRequest, context: Context
    ) -> draft_service_pb2.GetDraftResponse:
        key = (identity_of(context).tenant, request.draft_id)
        rows = await self._drafts.read(
            key[0],
            lambda connection: repository.find_draft(connection, key, show_deleted=request.show_deleted),
            repository.draft_stream(request.draft_id),
        )
        return draft_service_pb2.GetDraftResponse(draft=convert.whole_draft(rows))

    async def ListDrafts(
        self, request: draft_service_pb2.ListDraftsRequest, context: Context
    ) -> draft_service_pb2.ListDraftsResponse:
        return await (await self._lists()).drafts(identity_of(context).tenant, request)

    async def UpdateDraft(
        self, request: draft_service_pb2.UpdateDraftRequest, context: Context
    ) -> draft_service_pb2.UpdateDraftResponse:
        creating.check_update(request)
        return await self._change(
            context, UPDATE, request, creating.update, draft_service_pb2.UpdateDraftResponse
        )

    async def DeleteDraft(
        self, request: draft_service_pb2.DeleteDraftRequest, context: Context
    ) -> draft_service_pb2.DeleteDraftResponse:
        return await self._change(
            context, DELETE, request, deleting.delete, draft_service_pb2.DeleteDraftResponse
        )

    async def UndeleteDraft(
        self, request: draft_service_pb2.UndeleteDraftRequest, context: Context
    ) -> draft_service_pb2.UndeleteDraftResponse:
        return await self._change(
            context, UNDELETE, request, deleting.undelete, draft_service_pb2.UndeleteDraftResponse
        )

    async def AppendSegment(
        self, request: draft_service_pb2.AppendSegmentRequest, context: Context
    ) -> draft_service_pb2.AppendSegmentResponse:
        segments.checked_text(request.text, "text")
        return await self._change(
            context, APPEND, request, segments.append, draft_service_pb2.AppendSegmentResponse
        )

    async def PassRing(
        self, request: draft_service_pb2.PassRingRequest, context: Context
    ) -> draft_service_pb2.PassRingResponse:
        ring.check_pass(request)
        return await self._change(context, PASS, request, ring.pass_on, draft_service_pb2.PassRingResponse)

    async def ListRingTurns(
        self, request: draft_service_pb2.ListRingTurnsRequest, context: Context
    ) -> draft_service_pb2.ListRingTurnsResponse:
        return await (await self._lists()).turns((identity_of(context).tenant, request.draft_id), request)

    async def AddCollaborator(
        self, request: draft_service_pb2.AddCollaboratorRequest, context: Context
    ) -> draft_service_pb2.AddCollaboratorResponse:
        return await self._change(
            context, ADD, request, collaborators.add, draft_service_pb2.AddCollaboratorResponse
        )

    async def RemoveCollaborator(
        self, request: draft_service_pb2.RemoveCollaboratorRequest, context: Context
    ) -> draft_service_pb2.RemoveCollaboratorResponse:
        return await self._change(
            context, REMOVE, request, collaborators.remove, draft_service_pb2.RemoveCollaboratorResponse
        )

    async def CreateInvitation(
        self, request: draft_service_pb2.CreateInvitationRequest, context: Context
    ) -> draft_service_pb2.CreateInvitationResponse:
        """Invites somebody. The token is in no stored answer: a repeated call is answered without."""
        ticket = invitations.new_ticket()
        response = await self._change(
            context,
            INVITE,
            request,
            partial(invitations.create, ticket=ticket),
            draft_service_pb2.CreateInvitationResponse,
        )
        if response.invitation.invitation_id == ticket.invitation_id:
            response.token = ticket.token
        return response

    async def AcceptInvitation(
        self, request: draft_service_pb2.AcceptInvitationRequest, context: Context
    ) -> draft_service_pb2.AcceptInvitationResponse:
        return await self._change(
            context, ACCEPT, request, invitations.accept, draft_service_pb2.AcceptInvitationResponse
        )

    async def DeclineInvitation(
        self, request: draft_service_pb2.DeclineInvitationRequest, context: Context
    ) -> draft_service_pb2.DeclineInvitationResponse:
        return await self._change(
            context, DECLINE, request, invitations.decline, draft_service_pb2.DeclineInvitationResponse
        )

    async def RevokeInvitation(
        self, request: draft_service_pb2.RevokeInvitationRequest, context: Context
    ) -> draft_service_pb2.RevokeInvitationResponse:
        return await self._change(
            context, REVOKE, request, invitations.revoke, draft_service_pb2.RevokeInvitationResponse
        )

    async def ListInvitations(
        self, request: draft_service_pb2.ListInvitationsRequest, context: Context
    ) -> draft_service_pb2.ListInvitationsResponse:
        return await (await self._lists()).invitations(
            (identity_of(context).tenant, request.draft_id), request
        )

    async def WatchDraft(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes itself
        self, request: draft_service_pb2.WatchDraftRequest, context: Context
    ) -> None:
        """Streams a draft's events. Writes to the context itself, so that a stalled write can be given up."""
        key = (identity_of(context).tenant, request.draft_id)
        await watch_draft(self._drafts, self._stopping, context, key, request.after_sequence)

    async def _change(
        self,
        context: Context,
        kind: ChangeKind,
        request: Request,
        effect: Callable[[Change, Request], Response],
        answer: type[Response],
        *,
        draft_id: str = "",
    ) -> Response:
        """`draft_id` where it is not the request's."""
        identity, draft_id = identity_of(context), draft_id or request.draft_id
        resource = draft_id if kind.addresses_draft else ""
        return await self._drafts.change(
            (identity.tenant, draft_id),
            Actor(identity.caller, request.user, current_request_id() or ""),
            key_use(identity, kind.name, resource, request, request.idempotency_key),
            lambda change: effect(change, request),
            answer,
        )

    async def _lists(self) -> DraftLists:
        return DraftLists(self._database, await self._signing.signer())
