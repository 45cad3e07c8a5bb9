"""DraftService: texts written in turns."""
# ruff: noqa: N802 - names and arguments are those of the generated base

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message
from uuid_utils.compat import uuid7

from consensus.v1 import draft_service_pb2 as pb
from consensus.v1 import draft_service_pb2_grpc
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.server.identity import identity_of
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
from persistence_service.drafts.change import Change
from persistence_service.drafts.listing import DraftLists
from persistence_service.drafts.records import DraftRecords, Operation
from persistence_service.drafts.watching import Watching
from persistence_service.paging.tokens import Signing

Context = Any  # grpc.aio.ServicerContext; its stubs are generic in ways that handlers are not
Response = TypeVar("Response", bound=Message)

CREATE = Operation("draft.create", addresses_draft=False)
UPDATE, DELETE, UNDELETE = Operation("draft.update"), Operation("draft.delete"), Operation("draft.undelete")
APPEND, PASS = Operation("draft.append"), Operation("draft.pass")
ADD, REMOVE = Operation("draft.add_collaborator"), Operation("draft.remove_collaborator")
INVITE, ACCEPT = Operation("draft.invite"), Operation("draft.accept_invitation")
DECLINE, REVOKE = Operation("draft.decline_invitation"), Operation("draft.revoke_invitation")


class DraftServicer(draft_service_pb2_grpc.DraftServiceServicer):
    """Answers for drafts; streams end with ShuttingDown once `drain` was called."""

    def __init__(self, database: Database, records: DraftRecords, signing: Signing) -> None:
        """Needs a running loop; `signing` is for page tokens."""
        self._database = database
        self._records = records
        self._signing = signing
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """Ends all streams; their callers go on at another replica."""
        if not self._stopping.done():
            self._stopping.set_exception(ShuttingDown())
            self._stopping.exception()  # looked at: there may be no stream

    async def CreateDraft(self, request: pb.CreateDraftRequest, context: Context) -> pb.CreateDraftResponse:
        """Creates a draft."""
        creating.check_create(request)
        draft_id = request.draft_id or str(uuid7())
        effect = partial(_with, creating.create, request)
        return await self._records.change(
            identity_of(context), draft_id, CREATE, request, effect, pb.CreateDraftResponse
        )

    async def GetDraft(self, request: pb.GetDraftRequest, context: Context) -> pb.GetDraftResponse:
        """Answers with a draft, whole."""
        key = (identity_of(context).tenant, request.draft_id)
        rows = await self._records.read(
            lambda connection: repository.find_draft(connection, key, show_deleted=request.show_deleted),
            repository.draft_stream(request.draft_id),
        )
        return pb.GetDraftResponse(draft=convert.whole_draft(rows))

    async def ListDrafts(self, request: pb.ListDraftsRequest, context: Context) -> pb.ListDraftsResponse:
        """Lists a user's drafts, newest first."""
        return await (await self._lists()).drafts(identity_of(context).tenant, request)

    async def UpdateDraft(self, request: pb.UpdateDraftRequest, context: Context) -> pb.UpdateDraftResponse:
        """Changes title or state."""
        creating.check_update(request)
        return await self._change(context, UPDATE, request, creating.update, pb.UpdateDraftResponse)

    async def DeleteDraft(self, request: pb.DeleteDraftRequest, context: Context) -> pb.DeleteDraftResponse:
        """Deletes a draft, so that it can be restored."""
        return await self._change(context, DELETE, request, deleting.delete, pb.DeleteDraftResponse)

    async def UndeleteDraft(
        self, request: pb.UndeleteDraftRequest, context: Context
    ) -> pb.UndeleteDraftResponse:
        """Restores a draft."""
        return await self._change(context, UNDELETE, request, deleting.undelete, pb.UndeleteDraftResponse)

    async def AppendSegment(
        self, request: pb.AppendSegmentRequest, context: Context
    ) -> pb.AppendSegmentResponse:
        """Writes a segment at the end."""
        segments.checked_text(request.text, "text")
        return await self._change(context, APPEND, request, segments.append, pb.AppendSegmentResponse)

    async def PassRing(self, request: pb.PassRingRequest, context: Context) -> pb.PassRingResponse:
        """Passes the ring on."""
        ring.check_pass(request)
        return await self._change(context, PASS, request, ring.pass_on, pb.PassRingResponse)

    async def ListRingTurns(
        self, request: pb.ListRingTurnsRequest, context: Context
    ) -> pb.ListRingTurnsResponse:
        """Lists all turns of the ring."""
        return await (await self._lists()).turns(_key(context, request), request)

    async def AddCollaborator(
        self, request: pb.AddCollaboratorRequest, context: Context
    ) -> pb.AddCollaboratorResponse:
        """Makes a user a collaborator."""
        return await self._change(context, ADD, request, collaborators.add, pb.AddCollaboratorResponse)

    async def RemoveCollaborator(
        self, request: pb.RemoveCollaboratorRequest, context: Context
    ) -> pb.RemoveCollaboratorResponse:
        """Removes a collaborator."""
        return await self._change(
            context, REMOVE, request, collaborators.remove, pb.RemoveCollaboratorResponse
        )

    async def CreateInvitation(
        self, request: pb.CreateInvitationRequest, context: Context
    ) -> pb.CreateInvitationResponse:
        """Invites somebody. The token is in no stored answer: a repeated call is answered without."""
        ticket = invitations.new_ticket()
        response = await self._change(
            context,
            INVITE,
            request,
            partial(invitations.create, ticket=ticket),
            pb.CreateInvitationResponse,
        )
        if response.invitation.invitation_id == ticket.invitation_id:
            response.token = ticket.token
        return response

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: Context
    ) -> pb.AcceptInvitationResponse:
        """Makes the user a collaborator."""
        return await self._change(context, ACCEPT, request, invitations.accept, pb.AcceptInvitationResponse)

    async def DeclineInvitation(
        self, request: pb.DeclineInvitationRequest, context: Context
    ) -> pb.DeclineInvitationResponse:
        """Turns an invitation down."""
        return await self._change(
            context, DECLINE, request, invitations.decline, pb.DeclineInvitationResponse
        )

    async def RevokeInvitation(
        self, request: pb.RevokeInvitationRequest, context: Context
    ) -> pb.RevokeInvitationResponse:
        """Takes an invitation back."""
        return await self._change(context, REVOKE, request, invitations.revoke, pb.RevokeInvitationResponse)

    async def ListInvitations(
        self, request: pb.ListInvitationsRequest, context: Context
    ) -> pb.ListInvitationsResponse:
        """Lists the invitations of a draft."""
        return await (await self._lists()).invitations(_key(context, request), request)

    async def WatchDraft(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes itself
        self, request: pb.WatchDraftRequest, context: Context
    ) -> None:
        """Streams a draft's events. Writes to the context itself, so that a stalled write can be given up."""
        watching = Watching(self._records, self._stopping, context)
        await watching.run(_key(context, request), request.after_sequence)

    async def _change(
        self,
        context: Context,
        operation: Operation,
        request: Any,
        effect: Callable[[Change, Any], Response],
        answer: type[Response],
    ) -> Response:
        return await self._records.change(
            identity_of(context),
            request.draft_id,
            operation,
            request,
            partial(_with, effect, request),
            answer,
        )

    async def _lists(self) -> DraftLists:
        return DraftLists(self._database, await self._signing.signer())


def _with(effect: Callable[[Change, Any], Response], request: Any, change: Change) -> Response:
    return effect(change, request)


def _key(context: Context, request: Any) -> tuple[str, str]:
    return (identity_of(context).tenant, request.draft_id)
