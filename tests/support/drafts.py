"""A DraftService on loopback, and the calls that tests make of it."""

import itertools
from types import TracebackType
from typing import Any, Self

from google.protobuf.duration_pb2 import Duration

from consensus.v1 import draft_pb2, draft_service_pb2, draft_service_pb2_grpc
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.server import Server, ServerOptions
from persistence_service.database import Database
from persistence_service.drafts.access import DraftAccess, DraftOptions
from persistence_service.drafts.servicer import DraftServicer
from persistence_service.paging.tokens import Signing
from tests.support.serving import once_per_key

OWNER, EDITOR, VIEWER = (
    draft_pb2.COLLABORATOR_ROLE_OWNER,
    draft_pb2.COLLABORATOR_ROLE_EDITOR,
    draft_pb2.COLLABORATOR_ROLE_VIEWER,
)
QUICK = DraftOptions(watch_poll_seconds=0.05, heartbeat_seconds=0.2, slow_consumer_seconds=1.0)


class Drafts:
    """One replica. `ann` creates, `ben` and others take part, unless a test says otherwise."""

    def __init__(self, database: Database, options: DraftOptions = QUICK) -> None:
        self.database = database
        self.records = DraftAccess(database, once_per_key(database), options)
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        self.records.start()
        self.servicer = DraftServicer(self.database, self.records, Signing(self.database))
        self.server = Server(ServerOptions(listen="127.0.0.1:0", tune_gc=False), service_names=[])
        draft_service_pb2_grpc.add_DraftServiceServicer_to_server(self.servicer, self.server.grpc)
        await self.server.start()
        self.channel = open_channel(self.server.address)
        self.stub: Any = draft_service_pb2_grpc.DraftServiceStub(self.channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.servicer.drain()
        await self.channel.close()
        await self.server.grpc.stop(0)
        await self.records.close()

    async def call(self, method: str, **fields: Any) -> Any:
        """The answer of a method; refusals as the contract's errors."""
        request = getattr(draft_service_pb2, f"{method}Request")(**fields)
        with contract_errors():
            return await getattr(self.stub, method)(request)

    async def create(self, draft_id: str | None = None, **fields: Any) -> draft_pb2.Draft:
        """A new draft, whole."""
        given = {"user": "ann", "title": "A walk by the sea", "draft_id": draft_id or self.new_id()}
        draft: draft_pb2.Draft = (await self.call("CreateDraft", **(given | fields))).draft
        return draft

    def new_id(self) -> str:
        return f"draft-{next(self._numbers)}"

    async def get(self, draft_id: str, **fields: Any) -> draft_pb2.Draft:
        draft: draft_pb2.Draft = (await self.call("GetDraft", draft_id=draft_id, **fields)).draft
        return draft

    async def append(self, draft_id: str, user: str = "ann", text: str = "words", key: str = "") -> Any:
        answer = await self.call(
            "AppendSegment", draft_id=draft_id, user=user, text=text, idempotency_key=key
        )
        return answer.segment

    async def pass_ring(self, draft_id: str, user: str, recipient: str, key: str = "") -> draft_pb2.Ring:
        answer = await self.call(
            "PassRing", draft_id=draft_id, user=user, recipient=recipient, idempotency_key=key
        )
        ring: draft_pb2.Ring = answer.ring
        return ring

    async def add(self, draft_id: str, collaborator: str, role: int = EDITOR, user: str = "ann") -> Any:
        answer = await self.call(
            "AddCollaborator", draft_id=draft_id, user=user, collaborator=collaborator, role=role
        )
        return answer.collaborator

    async def set_state(self, draft_id: str, state: int, user: str = "ann") -> draft_pb2.Draft:
        answer = await self.call("UpdateDraft", draft_id=draft_id, user=user, state=state)
        draft: draft_pb2.Draft = answer.draft
        return draft

    async def invite(
        self, draft_id: str, role: int = EDITOR, ttl_seconds: int | None = None, **fields: Any
    ) -> draft_service_pb2.CreateInvitationResponse:
        ttl = None if ttl_seconds is None else Duration(seconds=ttl_seconds)
        given = {"draft_id": draft_id, "user": "ann", "role": role, "ttl": ttl}
        answer: draft_service_pb2.CreateInvitationResponse = await self.call(
            "CreateInvitation", **(given | fields)
        )
        return answer

    async def events(self, draft_id: str, after: int = 0) -> list[draft_pb2.DraftEvent]:
        """The draft's events so far."""
        last = (await self.get(draft_id, show_deleted=True)).last_sequence
        call = self.stub.WatchDraft(
            draft_service_pb2.WatchDraftRequest(draft_id=draft_id, after_sequence=after)
        )
        events: list[draft_pb2.DraftEvent] = []
        while after + len(events) < last:
            with contract_errors():
                message = await call.read()
            events.extend(message.events)
        call.cancel()
        return events
