"""DraftServicer that enters reads into the journal, for those who must know who looked at what."""
# ruff: noqa: N802 - names are those of the generated base

from consensus.v1 import draft_service_pb2
from consensus_journal import Plain
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.drafts.access import DraftAccess
from persistence_service.drafts.servicer import DraftServicer
from persistence_service.journal.entered_reads import enter_read
from persistence_service.journal.entries import Actor
from persistence_service.paging.tokens import Signing


class AuditedDraftServicer(DraftServicer):
    """Each read leaves an entry before it is answered; without the entry there is no answer."""

    def __init__(self, database: Database, drafts: DraftAccess, signing: Signing) -> None:
        super().__init__(database, drafts, signing)
        self._database = database

    async def GetDraft(
        self, request: draft_service_pb2.GetDraftRequest, context: Context
    ) -> draft_service_pb2.GetDraftResponse:
        await self._enter(context, "draft.read", {"draft_id": request.draft_id})
        return await super().GetDraft(request, context)

    async def ListDrafts(
        self, request: draft_service_pb2.ListDraftsRequest, context: Context
    ) -> draft_service_pb2.ListDraftsResponse:
        await self._enter(context, "drafts.listed", {"page_size": request.page_size}, user=request.user)
        return await super().ListDrafts(request, context)

    async def ListRingTurns(
        self, request: draft_service_pb2.ListRingTurnsRequest, context: Context
    ) -> draft_service_pb2.ListRingTurnsResponse:
        await self._enter(context, "draft.turns_listed", {"draft_id": request.draft_id})
        return await super().ListRingTurns(request, context)

    async def ListInvitations(
        self, request: draft_service_pb2.ListInvitationsRequest, context: Context
    ) -> draft_service_pb2.ListInvitationsResponse:
        await self._enter(context, "draft.invitations_listed", {"draft_id": request.draft_id})
        return await super().ListInvitations(request, context)

    async def WatchDraft(  # type: ignore[override]  # as in servicer.py
        self, request: draft_service_pb2.WatchDraftRequest, context: Context
    ) -> None:
        data: dict[str, Plain] = {"draft_id": request.draft_id, "after_sequence": request.after_sequence}
        await self._enter(context, "draft.watched", data)
        await super().WatchDraft(request, context)

    async def _enter(
        self, context: Context, event_type: str, data: dict[str, Plain], *, user: str = ""
    ) -> None:
        who = identity_of(context)
        actor = Actor(who.caller, user, current_request_id() or "")
        await enter_read(self._database, who.tenant, actor, event_type, data)
