"""The audit trail in the journal's own forms, made of what comes over the wire: pure."""

from typing import TypeAlias

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import audit_service_pb2
from consensus_journal import (
    Checkpoint,
    Entry,
    Plain,
    StreamHead,
    plain_checkpoint,
    plain_entry,
    plain_head,
)

Json: TypeAlias = "str | float | bool | list[Json] | dict[str, Json] | None"


def export_line(message: audit_service_pb2.ExportAuditResponse) -> dict[str, Plain]:
    """One line of an export, as `consensus_journal.verify_export` reads it."""
    match message.WhichOneof("message"):
        case "head":
            return {"head": plain_head(_head_of(message.head))}
        case "entry":
            return {"entry": plain_entry(_entry_of(message.entry))}
        case _:
            return {"checkpoint": plain_checkpoint(checkpoint_of(message.checkpoint))}


def _entry_of(entry: audit_service_pb2.AuditEntry) -> Entry:
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
        data={name: _whole_numbers(value) for name, value in json_format.MessageToDict(entry.data).items()},
        record_id=entry.record_id if entry.HasField("record_id") else None,
        payload_digest=entry.payload_digest if entry.HasField("payload_digest") else None,
        previous_hash=entry.previous_hash,
    )


def _head_of(head: audit_service_pb2.StreamHead) -> StreamHead:
    """The newest entry of a stream."""
    return StreamHead(head.tenant, head.stream, head.sequence, head.hash)


def checkpoint_of(checkpoint: audit_service_pb2.AuditCheckpoint) -> Checkpoint:
    """The checkpoint as it was signed."""
    return Checkpoint(
        number=checkpoint.number,
        create_time_us=_microseconds(checkpoint.create_time),
        previous_digest=checkpoint.previous_digest,
        heads=tuple(_head_of(head) for head in checkpoint.heads),
        public_key=checkpoint.public_key,
        signature=checkpoint.signature,
    )


def _microseconds(stamp: Timestamp) -> int:
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def _whole_numbers(value: Json) -> Plain:
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
