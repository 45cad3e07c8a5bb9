"""The client of AuditService, and the journal's own forms made of what comes over the wire."""

from collections.abc import AsyncIterator
from typing import Any, Self

import grpc.aio
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import audit_service_pb2 as pb
from consensus.v1.audit_service_pb2_grpc import AuditServiceStub
from consensus_client.options import DEFAULT_PERSISTENCE
from consensus_journal import (
    Checkpoint,
    Entry,
    Plain,
    StreamHead,
    plain_checkpoint,
    plain_entry,
    plain_head,
)
from consensus_rpc.channel.channels import call_options, open_channel
from consensus_rpc.channel.status import contract_errors

_CALL_SECONDS = 30.0


class AuditClient:
    """Reads and proves the audit trail; raises the errors of the contract.

    `target` is the persistence service.
    """

    def __init__(self, target: str = DEFAULT_PERSISTENCE, *, channel: grpc.aio.Channel | None = None) -> None:
        """Connects when first used."""
        self._channel = channel or open_channel(target)
        self._stub = AuditServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def list_entries(
        self, wanted: pb.AuditFilter, *, page_size: int = 0, page_token: str = ""
    ) -> pb.ListAuditEntriesResponse:
        """A page of entries, newest first."""
        request = pb.ListAuditEntriesRequest(filter=wanted, page_size=page_size, page_token=page_token)
        with contract_errors():
            return await self._stub.ListAuditEntries(request, **call_options(_CALL_SECONDS))

    async def verify(self, stream: str = "") -> AsyncIterator[pb.VerifyAuditResponse]:
        """Progress now and then, the verdict last; `stream` empty: all."""
        with contract_errors():
            async for message in self._stub.VerifyAudit(
                pb.VerifyAuditRequest(stream=stream), **call_options()
            ):
                yield message

    async def export(self, stream: str = "") -> AsyncIterator[dict[str, Plain]]:
        """The lines of an export, as JSON objects; `stream` empty: all."""
        with contract_errors():
            async for message in self._stub.ExportAudit(
                pb.ExportAuditRequest(stream=stream), **call_options()
            ):
                yield export_line(message)

    async def checkpoint(self) -> Checkpoint:
        """A checkpoint, signed now."""
        with contract_errors():
            response = await self._stub.GetAuditCheckpoint(
                pb.GetAuditCheckpointRequest(), **call_options(_CALL_SECONDS)
            )
        return checkpoint_of(response.checkpoint)


def export_line(message: pb.ExportAuditResponse) -> dict[str, Plain]:
    """One line of an export, as `consensus_journal.verify_export` reads it."""
    match message.WhichOneof("message"):
        case "head":
            return {"head": plain_head(head_of(message.head))}
        case "entry":
            return {"entry": plain_entry(entry_of(message.entry))}
        case _:
            return {"checkpoint": plain_checkpoint(checkpoint_of(message.checkpoint))}


def entry_of(entry: pb.AuditEntry) -> Entry:
    """The entry as it was hashed."""
    return Entry(
        tenant=entry.tenant,
        stream=entry.stream,
        sequence=entry.sequence,
        event_time_us=_microseconds(entry.entry_time),
        event_type=entry.event_type,
        caller=entry.caller,
        user=entry.user,
        request_id=entry.request_id,
        severity=entry.severity,
        persona_id=entry.persona_id if entry.HasField("persona_id") else None,
        data=_whole_numbers(json_format.MessageToDict(entry.data)),
        record_id=entry.record_id if entry.HasField("record_id") else None,
        payload_digest=entry.payload_digest if entry.HasField("payload_digest") else None,
        previous_hash=entry.previous_hash,
    )


def head_of(head: pb.StreamHead) -> StreamHead:
    """The newest entry of a stream."""
    return StreamHead(head.tenant, head.stream, head.sequence, head.hash)


def checkpoint_of(checkpoint: pb.AuditCheckpoint) -> Checkpoint:
    """The checkpoint as it was signed."""
    return Checkpoint(
        number=checkpoint.number,
        create_time_us=_microseconds(checkpoint.create_time),
        previous_digest=checkpoint.previous_digest,
        heads=tuple(head_of(head) for head in checkpoint.heads),
        public_key=checkpoint.public_key,
        signature=checkpoint.signature,
    )


def _microseconds(stamp: Timestamp) -> int:
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def _whole_numbers(value: Any) -> Any:
    """Protobuf's Struct has doubles only; the journal's numbers are integers."""
    match value:
        case float():
            return int(value)
        case dict():
            return {key: _whole_numbers(each) for key, each in value.items()}
        case list():
            return [_whole_numbers(each) for each in value]
        case _:
            return value
