"""The clients of the persistence service, against scripted services on loopback."""
# ruff: noqa: N802 - the names of the contract

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest

from consensus.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    draft_pb2,
    draft_service_pb2,
    draft_service_pb2_grpc,
    heartbeat_pb2,
)
from consensus_client import AuditClient, DraftClient, SyncAuditClient, SyncDraftClient
from consensus_rpc.errors import ServerUnreachable
from tests.unit.consensus_client.conftest import IMPATIENT

Unimplemented: Any = draft_service_pb2_grpc.DraftServiceServicer
UnimplementedAudit: Any = audit_service_pb2_grpc.AuditServiceServicer


@dataclass
class ScriptedDrafts(Unimplemented):  # type: ignore[misc]  # what no test here calls stays unimplemented
    """Has five events, and cuts the first stream after the third; lists two pages."""

    is_cut: bool = False
    requests: list[Any] = field(default_factory=list)

    async def WatchDraft(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.requests.append(request)
        yield draft_service_pb2.WatchDraftResponse(heartbeat=heartbeat_pb2.Heartbeat())
        begin = max(1, request.after_sequence)  # what the reader has comes once more
        events = [draft_pb2.DraftEvent(sequence=n) for n in range(begin, 6 if self.is_cut else 4)]
        yield draft_service_pb2.WatchDraftResponse(events=events)
        if not self.is_cut:
            self.is_cut = True
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async def ListDrafts(self, request: Any, context: Any) -> Any:
        return draft_service_pb2.ListDraftsResponse(
            drafts=[draft_pb2.Draft(draft_id=request.page_token or "first")],
            next_page_token="" if request.page_token else "second",
        )


class ScriptedAudit(UnimplementedAudit):  # type: ignore[misc]  # as above
    """Signs nothing: each request for a checkpoint is counted, and not answered."""

    checkpoint_requests = 0

    async def VerifyAudit(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield audit_service_pb2.VerifyAuditResponse(progress=audit_service_pb2.AuditProgress(stream_count=1))
        yield audit_service_pb2.VerifyAuditResponse(verdict=audit_service_pb2.AuditVerdict(entry_count=7))

    async def ExportAudit(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield audit_service_pb2.ExportAuditResponse(head=audit_service_pb2.StreamHead(stream="runs/r1"))

    async def GetAuditCheckpoint(self, request: Any, context: Any) -> Any:
        self.checkpoint_requests += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@asynccontextmanager
async def serving(drafts: ScriptedDrafts, audit: ScriptedAudit) -> AsyncIterator[str]:
    server = grpc.aio.server()
    draft_service_pb2_grpc.add_DraftServiceServicer_to_server(drafts, server)
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(audit, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_draft_is_followed_over_a_cut_without_a_gap_or_a_repetition() -> None:
    drafts = ScriptedDrafts()
    async with (
        serving(drafts, ScriptedAudit()) as address,
        DraftClient(address, IMPATIENT, sleep=no_wait) as client,
    ):
        assert [event.sequence async for event in client.watch("d1")] == [1, 2, 3, 4, 5]
        assert [draft.draft_id async for draft in client.all_of("ann")] == ["first", "second"]
    assert [request.after_sequence for request in drafts.requests] == [0, 3]


async def test_a_trail_is_verified_and_exported_and_a_checkpoint_never_asked_for_twice() -> None:
    audit = ScriptedAudit()
    async with (
        serving(ScriptedDrafts(), audit) as address,
        AuditClient(address, IMPATIENT, sleep=no_wait) as client,
    ):
        kinds = [message.WhichOneof("message") async for message in client.verify()]
        lines = [line async for line in client.export()]
        with pytest.raises(ServerUnreachable) as raised:
            await client.checkpoint()
    assert kinds == ["progress", "verdict"]
    assert [list(line) for line in lines] == [["head"]]
    assert raised.value.metadata["server"] == address
    assert audit.checkpoint_requests == 1


async def test_the_synchronous_clients_do_the_same() -> None:
    def work(address: str) -> tuple[list[int], list[str], list[list[str]]]:
        with (
            SyncDraftClient(address, IMPATIENT, sleep=lambda _seconds: None) as drafts,
            SyncAuditClient(address, IMPATIENT) as audit,
        ):
            return (
                [event.sequence for event in drafts.watch("d1")],
                [draft.draft_id for draft in drafts.all_of("ann")],
                [list(line) for line in audit.export()],
            )

    async with serving(ScriptedDrafts(), ScriptedAudit()) as address:
        found = await asyncio.to_thread(work, address)
    assert found == ([1, 2, 3, 4, 5], ["first", "second"], [["head"]])
