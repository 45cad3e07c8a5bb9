# Made by `make sync` from consensus_client/_async/draft_client.py; never edited.
"""The synchronous client of DraftService."""

from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import TypeAlias

from consensus.v1 import draft_pb2, draft_service_pb2, draft_service_pb2_grpc
from consensus_client._sync.connection import each_page
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.cursors import DraftCursor
from consensus_client.requests import duration, new_key
from consensus_client.sync_transport import Channel

Role: TypeAlias = draft_pb2.CollaboratorRole.ValueType
State: TypeAlias = draft_pb2.DraftState.ValueType
Platform: TypeAlias = draft_pb2.DraftPlatform.ValueType


class SyncDraftClient(SyncServiceClient):
    """Writes drafts in turns; raises the errors of the contract.

    `target` is the persistence service. In every call `user` is the person who acts. Every changing call
    carries an idempotency key, a fresh one where none is given, and is sent again on a passing failure.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = draft_service_pb2_grpc.DraftServiceStub(channel)

    def create(
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
        request = draft_service_pb2.CreateDraftRequest(
            draft_id=draft_id,
            user=user,
            title=title,
            platform=platform,
            first_segment=first_segment,
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.CreateDraft, request).draft

    def get(self, draft_id: str, *, show_deleted: bool = False) -> draft_pb2.Draft:
        """A draft, whole."""
        request = draft_service_pb2.GetDraftRequest(draft_id=draft_id, show_deleted=show_deleted)
        return self._connection.call(self._stub.GetDraft, request).draft

    def list_page(
        self, user: str, *, page_size: int = 0, page_token: str = "", show_deleted: bool = False
    ) -> draft_service_pb2.ListDraftsResponse:
        """A page of a user's drafts, newest first; `page_size` 1 to 100, 0 for 30."""
        request = draft_service_pb2.ListDraftsRequest(
            user=user, page_size=page_size, page_token=page_token, show_deleted=show_deleted
        )
        return self._connection.call(self._stub.ListDrafts, request)

    def all_of(self, user: str) -> Iterator[draft_pb2.Draft]:
        """All drafts of a user, newest first."""
        for page in each_page(lambda token: self.list_page(user, page_token=token)):
            yield from page.drafts

    def append(
        self, draft_id: str, text: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Segment:
        """Writes a segment at the end; the user must hold the ring."""
        request = draft_service_pb2.AppendSegmentRequest(
            draft_id=draft_id, user=user, text=text, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.AppendSegment, request).segment

    def pass_ring(
        self, draft_id: str, recipient: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Ring:
        request = draft_service_pb2.PassRingRequest(
            draft_id=draft_id, user=user, recipient=recipient, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.PassRing, request).ring

    def update(
        self,
        draft_id: str,
        *,
        user: str,
        title: str = "",
        state: State = draft_pb2.DRAFT_STATE_UNSPECIFIED,
        idempotency_key: str | None = None,
    ) -> draft_pb2.Draft:
        """Changes title or state."""
        request = draft_service_pb2.UpdateDraftRequest(
            draft_id=draft_id, user=user, title=title, state=state, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.UpdateDraft, request).draft

    def delete(self, draft_id: str, *, user: str, idempotency_key: str | None = None) -> draft_pb2.Draft:
        """Deletes a draft, so that it can be restored."""
        request = draft_service_pb2.DeleteDraftRequest(
            draft_id=draft_id, user=user, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.DeleteDraft, request).draft

    def undelete(self, draft_id: str, *, user: str, idempotency_key: str | None = None) -> draft_pb2.Draft:
        request = draft_service_pb2.UndeleteDraftRequest(
            draft_id=draft_id, user=user, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.UndeleteDraft, request).draft

    def add(
        self, draft_id: str, collaborator: str, role: Role, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Collaborator:
        """Makes a user a collaborator."""
        request = draft_service_pb2.AddCollaboratorRequest(
            draft_id=draft_id,
            user=user,
            collaborator=collaborator,
            role=role,
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.AddCollaborator, request).collaborator

    def remove(
        self, draft_id: str, collaborator: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Draft:
        """Removes a collaborator."""
        request = draft_service_pb2.RemoveCollaboratorRequest(
            draft_id=draft_id,
            user=user,
            collaborator=collaborator,
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.RemoveCollaborator, request).draft

    def invite(
        self,
        draft_id: str,
        role: Role,
        *,
        user: str,
        invitee: str = "",
        ttl: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> draft_service_pb2.CreateInvitationResponse:
        """Invites somebody, for 72 hours unless `ttl` says otherwise.

        The token is in the first answer alone. Where that was lost on the way, it is empty: revoke the
        invitation and make another.
        """
        request = draft_service_pb2.CreateInvitationRequest(
            draft_id=draft_id,
            user=user,
            role=role,
            invitee=invitee,
            ttl=duration(ttl),
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.CreateInvitation, request)

    def accept(
        self, draft_id: str, token: str, *, user: str, idempotency_key: str | None = None
    ) -> draft_pb2.Collaborator:
        request = draft_service_pb2.AcceptInvitationRequest(
            draft_id=draft_id, user=user, token=token, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.AcceptInvitation, request).collaborator

    def watch(self, draft_id: str, *, after_sequence: int = 0) -> Generator[draft_pb2.DraftEvent]:
        """Yields a draft's events, each exactly once, over any number of cut streams, until it is deleted."""
        cursor = DraftCursor(draft_id, after_sequence)
        return self._connection.follow(
            cursor,
            lambda options: self._stub.WatchDraft(cursor.request(), **options),
            idle_seconds=self._connection.options.idle_seconds,
        )
