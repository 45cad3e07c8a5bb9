# Made by `make sync` from consensus_client/_async/audit_client.py; never edited.
"""The synchronous client of AuditService."""

from collections.abc import Generator
from contextlib import closing
from typing import Self

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_client._sync.connection import SyncConnection
from consensus_client.audit_trail import checkpoint_of, export_line
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions
from consensus_client.sync_transport import Channel, Sleep
from consensus_journal import Checkpoint, Plain


class SyncAuditClient:
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
        self._connection = SyncConnection(target, options, channel, sleep)
        self._stub = audit_service_pb2_grpc.AuditServiceStub(self._connection.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls and closes the channel."""
        self._connection.close()

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
