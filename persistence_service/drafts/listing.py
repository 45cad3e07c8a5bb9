"""Lists of drafts and of what belongs to them, page by page."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from consensus.v1 import draft_service_pb2
from persistence_service.database import Database
from persistence_service.drafts import convert, repository
from persistence_service.drafts.repository import DraftKey
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signer
from persistence_service.schema.scalars import from_microseconds, microseconds

Result = TypeVar("Result")

_AFTER_ALL_IDS = "~"


class DraftLists:
    """Reads pages; a token is bound to its list, tenant and filter."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer

    async def drafts(
        self, tenant: str, request: draft_service_pb2.ListDraftsRequest
    ) -> draft_service_pb2.ListDraftsResponse:
        """A user's drafts, newest first.

        Raises:
            InvalidPageToken: of another list, tenant or user.
        """
        size = page_size(request.page_size)
        binding = ["drafts", tenant, request.user, request.show_deleted]
        position = self._position(binding, request.page_token)
        after = (from_microseconds(position[0]), position[1]) if position else None

        def find(connection: Connection) -> list[convert.Row]:
            return repository.list_drafts(
                connection, tenant, request.user, after, size + 1, show_deleted=request.show_deleted
            )

        rows = await self._database.run(
            find, tenant=tenant, read_only=True, resource="drafts", may_be_stale=True
        )
        response = draft_service_pb2.ListDraftsResponse(drafts=map(convert.short_draft, rows[:size]))
        if len(rows) > size:
            last = rows[size - 1]
            place = [microseconds(last["create_time"]), last["draft_id"]]
            response.next_page_token = self._signer.token(binding, place)
        return response

    async def turns(
        self, key: DraftKey, request: draft_service_pb2.ListRingTurnsRequest
    ) -> draft_service_pb2.ListRingTurnsResponse:
        """The turns of the ring, oldest first.

        Raises:
            InvalidPageToken: of another list, tenant or draft.
            DraftNotFound: the tenant has no such draft.
        """
        size = page_size(request.page_size)
        binding = ["draft_turns", *key, request.show_deleted]
        after = (self._position(binding, request.page_token) or [-1])[0]

        def find(connection: Connection) -> list[convert.Row]:
            return repository.list_turns(connection, key, after, size + 1, show_deleted=request.show_deleted)

        rows = await self._read(key, find)
        response = draft_service_pb2.ListRingTurnsResponse(turns=map(convert.turn_message, rows[:size]))
        if len(rows) > size:
            response.next_page_token = self._signer.token(binding, [rows[size - 1]["position"]])
        return response

    async def invitations(
        self, key: DraftKey, request: draft_service_pb2.ListInvitationsRequest
    ) -> draft_service_pb2.ListInvitationsResponse:
        """The invitations of a draft, newest first.

        Raises:
            InvalidPageToken: of another list, tenant or draft.
            DraftNotFound: the tenant has no such draft.
        """
        size = page_size(request.page_size)
        binding = ["draft_invitations", *key]
        before = (self._position(binding, request.page_token) or [_AFTER_ALL_IDS])[0]

        def find(connection: Connection) -> tuple[list[convert.Row], datetime]:
            rows = repository.list_invitations(connection, key, before, size + 1)
            return rows, self._database.now(connection)

        rows, now = await self._read(key, find)
        response = draft_service_pb2.ListInvitationsResponse(
            invitations=[convert.invitation_message(row, now) for row in rows[:size]]
        )
        if len(rows) > size:
            last = rows[size - 1]["invitation_id"]
            response.next_page_token = self._signer.token(binding, [last])
        return response

    def _position(self, binding: list[Any], token: str) -> list[Any]:
        return self._signer.position(binding, token) if token else []

    async def _read(self, key: DraftKey, find: Callable[[Connection], Result]) -> Result:
        stream = repository.draft_stream(key[1])
        return await self._database.run(find, tenant=key[0], read_only=True, resource=stream)
