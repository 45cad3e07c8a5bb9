# Made by `make sync` from consensus_client/_async/audit_client.py; never edited.
"""The synchronous client of AuditService."""

from collections.abc import Generator
from contextlib import closing

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.audit_trail import checkpoint_of, export_line
from consensus_client.sync_transport import Channel
from consensus_journal import Checkpoint, Plain


class SyncAuditClient(SyncServiceClient):
    """Reads and proves the audit trail; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = audit_service_pb2_grpc.AuditServiceStub(channel)

    def list_entries(
        self, wanted: audit_service_pb2.AuditFilter, *, page_size: int = 0, page_token: str = ""
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        """A page of entries, newest first."""
        request = audit_service_pb2.ListAuditEntriesRequest(
            filter=wanted, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.ListAuditEntries, request)

    def verify(self, stream: str = "") -> Generator[audit_service_pb2.VerifyAuditResponse]:
        """Progress now and then, the verdict last; `stream` empty: all."""
        request = audit_service_pb2.VerifyAuditRequest(stream=stream)
        return self._connection.read(lambda options: self._stub.VerifyAudit(request, **options))

    def export(self, stream: str = "") -> Generator[dict[str, Plain]]:
        """The lines of an export, as JSON objects; `stream` empty: all."""
        request = audit_service_pb2.ExportAuditRequest(stream=stream)
        opened = self._connection.read(lambda options: self._stub.ExportAudit(request, **options))
        with closing(opened) as messages:
            for message in messages:
                yield export_line(message)

    def checkpoint(self) -> Checkpoint:
        """A checkpoint, signed now. It has no idempotency key, so it is never asked for twice."""
        answer = self._connection.call_once(
            self._stub.GetAuditCheckpoint,
            audit_service_pb2.GetAuditCheckpointRequest(),
            self._connection.options.call_seconds,
        )
        return checkpoint_of(answer.checkpoint)
