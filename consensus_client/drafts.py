"""The asynchronous client of DraftService."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

import grpc.aio
from google.protobuf.duration_pb2 import Duration

from consensus.v1 import draft_pb2
from consensus.v1 import draft_service_pb2 as pb
from consensus.v1.draft_service_pb2_grpc import DraftServiceStub
from consensus_client.calls import Calls
from consensus_client.following import with_server
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions
from consensus_client.requests import new_key
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options
from consensus_rpc.channel.status import contract_errors

Role: TypeAlias = draft_pb2.CollaboratorRole.ValueType
State: TypeAlias = draft_pb2.DraftState.ValueType
Platform: TypeAlias = draft_pb2.DraftPlatform.ValueType


class DraftClient(Calls):
    """Writes drafts in turns; raises the errors of the contract.

    `target` is the persistence service. In every call `user` is the person who acts. Every changing call
    carries an idempotency key, a fresh one where none is given, and is sent again on a passing failure.
    """

    def __init__(
        self,
        target: str = DEFAULT_PERSISTENCE,
        options: ClientOptions | None = None,
        *,
        channel: grpc.aio.Channel | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        super().__init__(target, options, channel=channel, sleep=sleep)
        self._drafts = DraftServiceStub(self._channel)

    async def create(
        self,
        title: str,
        *,
        user: str,
        draft_id: str = "",
        platform: Platform = draft_pb2.DRAFT_PLATFORM_UNSPECIFIED,
        first_segment: str = "",
        idempotency_key: str | None = None,
    ) -> draft_pb2.Draft:
        """A new draft, whole; without `draft_id` the service makes one."""
        request = pb.CreateDraftRequest(
            draft_id=draft_id,
            user=user,
            title=title,
            platform=platform,
            first_segment=first_segment,
            idempotency_key=new_key(idempotency_key),
        )
        return (await self._unary(self._drafts.CreateDraft, request)).draft

    async def get(self, draft_id: str, *, show_deleted: bool = False) -> draft_pb2.Draft:
        """A draft, whole."""
        request = pb.GetDraftRequest(draft_id=draft_id, show_deleted=show_deleted)
        return (await self._unary(self._drafts.GetDraft, request)).draft

    async def list_page(
        self, user: str, *, page_size: int = 0, page_token: str = "", show_deleted: bool = False
    ) -> pb.ListDraftsResponse:
        """A page of a user's drafts, newest first; `page_size` 1 to 100, 0 for 30."""
        request = pb.ListDraftsRequest(
            user=user, page_size=page_size, page_token=page_token, show_deleted=show_deleted
        )
        return await self._unary(self._drafts.ListDrafts, request)

    async def all_of(self, user: str) -> AsyncIterator[draft_pb2.Draft]:
        """All drafts of a user, newest first."""
        token = ""
        while True:
            page = await self.list_page(user, page_token=token)
            for draft in page.drafts:
                yield draft
            if not (token := page.next_page_token):
                return

    async def append(
        self, draft_id: str, text: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Segment:
        """Writes a segment at the end; the user must hold the ring."""
        request = pb.AppendSegmentRequest(
            draft_id=draft_id, user=user, text=text, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.AppendSegment, request)).segment

    async def pass_ring(
        self, draft_id: str, recipient: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Ring:
        """Passes the ring on."""
        request = pb.PassRingRequest(
            draft_id=draft_id, user=user, recipient=recipient, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.PassRing, request)).ring

    async def update(
        self,
        draft_id: str,
        *,
        user: str,
        title: str = "",
        state: State = draft_pb2.DRAFT_STATE_UNSPECIFIED,
        idempotency_key: str | None = None,
    ) -> draft_pb2.Draft:
        """Changes title or state."""
        request = pb.UpdateDraftRequest(
            draft_id=draft_id, user=user, title=title, state=state, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.UpdateDraft, request)).draft

    async def delete(
        self, draft_id: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Draft:
        """Deletes a draft, so that it can be restored."""
        request = pb.DeleteDraftRequest(
            draft_id=draft_id, user=user, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.DeleteDraft, request)).draft

    async def undelete(
        self, draft_id: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Draft:
        """Restores a draft."""
        request = pb.UndeleteDraftRequest(
            draft_id=draft_id, user=user, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.UndeleteDraft, request)).draft

    async def add(
        self, draft_id: str, collaborator: str, role: Role, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Collaborator:
        """Makes a user a collaborator."""
        request = pb.AddCollaboratorRequest(
            draft_id=draft_id,
            user=user,
            collaborator=collaborator,
            role=role,
            idempotency_key=new_key(idempotency_key),
        )
        return (await self._unary(self._drafts.AddCollaborator, request)).collaborator

    async def remove(
        self, draft_id: str, collaborator: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Draft:
        """Removes a collaborator."""
        request = pb.RemoveCollaboratorRequest(
            draft_id=draft_id,
            user=user,
            collaborator=collaborator,
            idempotency_key=new_key(idempotency_key),
        )
        return (await self._unary(self._drafts.RemoveCollaborator, request)).draft

    async def invite(
        self,
        draft_id: str,
        role: Role,
        *,
        user: str,
        invitee: str = "",
        ttl: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> pb.CreateInvitationResponse:
        """Invites somebody, for 72 hours unless `ttl` says otherwise.

        The token is in the first answer alone. Where that was lost on the way, it is empty: revoke the
        invitation and make another.
        """
        request = pb.CreateInvitationRequest(
            draft_id=draft_id,
            user=user,
            role=role,
            invitee=invitee,
            idempotency_key=new_key(idempotency_key),
        )
        if ttl is not None:
            lasts = Duration()
            lasts.FromTimedelta(ttl)
            request.ttl.CopyFrom(lasts)
        return await self._unary(self._drafts.CreateInvitation, request)

    async def accept(
        self, draft_id: str, token: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Collaborator:
        """Accepts an invitation."""
        request = pb.AcceptInvitationRequest(
            draft_id=draft_id, user=user, token=token, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._drafts.AcceptInvitation, request)).collaborator

    async def watch(
        self, draft_id: str, *, after_sequence: int = 0
    ) -> AsyncGenerator[draft_pb2.DraftEvent, None]:
        """Yields a draft's events, each exactly once, over any number of cut streams, until it is deleted."""
        patience = self._patience()
        while True:
            request = pb.WatchDraftRequest(draft_id=draft_id, after_sequence=after_sequence)
            call = self._drafts.WatchDraft(request, **call_options(None))
            try:
                with contract_errors():
                    async for message in call:
                        if not message.HasField("event"):
                            patience.still_alive()
                            continue
                        patience.progressed()
                        if message.event.sequence > after_sequence:
                            after_sequence = message.event.sequence
                            yield message.event
                return
            except ConsensusError as error:
                delay = patience.wait_seconds(with_server(error, self.target))
            finally:
                call.cancel()
            await self._sleep(delay)
