"""The asynchronous client of AuditService."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_client._async.connection import AsyncConnection
from consensus_client.async_transport import Channel, Sleep
from consensus_client.audit_trail import checkpoint_of, export_line
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions
from consensus_journal import Checkpoint, Plain


class AuditClient:
    """Reads and proves the audit trail; raises the errors of the contract.

    `target` is the persistence service.
    """

    def __init__(
        self,
        target: str = DEFAULT_PERSISTENCE,
        options: ClientOptions | None = None,
        *,
        channel: Channel | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self._connection = AsyncConnection(target, options, channel, sleep)
        self._stub = audit_service_pb2_grpc.AuditServiceStub(self._connection.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls and closes the channel."""
        await self._connection.close()

    async def list_entries(
        self, wanted: audit_service_pb2.AuditFilter, *, page_size: int = 0, page_token: str = ""
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        """A page of entries, newest first."""
        request = audit_service_pb2.ListAuditEntriesRequest(
            filter=wanted, page_size=page_size, page_token=page_token
        )
        return await self._connection.call(self._stub.ListAuditEntries, request)

    def verify(self, stream: str = "") -> AsyncGenerator[audit_service_pb2.VerifyAuditResponse]:
        """Progress now and then, the verdict last; `stream` empty: all."""
        request = audit_service_pb2.VerifyAuditRequest(stream=stream)
        return self._connection.read(lambda options: self._stub.VerifyAudit(request, **options))

    async def export(self, stream: str = "") -> AsyncGenerator[dict[str, Plain]]:
        """The lines of an export, as JSON objects; `stream` empty: all."""
        request = audit_service_pb2.ExportAuditRequest(stream=stream)
        opened = self._connection.read(lambda options: self._stub.ExportAudit(request, **options))
        async with aclosing(opened) as messages:
            async for message in messages:
                yield export_line(message)

    async def checkpoint(self) -> Checkpoint:
        """A checkpoint, signed now. It has no idempotency key, so it is never asked for twice."""
        answer = await self._connection.call_once(
            self._stub.GetAuditCheckpoint,
            audit_service_pb2.GetAuditCheckpointRequest(),
            self._connection.options.call_seconds,
        )
        return checkpoint_of(answer.checkpoint)
