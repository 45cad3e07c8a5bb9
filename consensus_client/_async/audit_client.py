"""The asynchronous client of AuditService."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel
from consensus_client.audit_trail import checkpoint_of, export_line
from consensus_journal import Checkpoint, Plain


class AuditClient(AsyncServiceClient):
    """Reads and proves the audit trail; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = audit_service_pb2_grpc.AuditServiceStub(channel)

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
