"""Between the journal's own forms and those of the wire. Pure."""

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import audit_service_pb2
from consensus_journal import Checkpoint, Entry, Fault, StreamHead, Verdict
from persistence_service.audit.filter import EntryFilter
from persistence_service.schema.scalars import from_timestamp

_FAULTS = {
    Fault.MISSING: audit_service_pb2.AUDIT_FAULT_MISSING,
    Fault.INSERTED: audit_service_pb2.AUDIT_FAULT_INSERTED,
    Fault.ALTERED: audit_service_pb2.AUDIT_FAULT_ALTERED,
    Fault.CUT_OFF: audit_service_pb2.AUDIT_FAULT_CUT_OFF,
    Fault.RECOMPUTED: audit_service_pb2.AUDIT_FAULT_RECOMPUTED,
    Fault.CHECKPOINT: audit_service_pb2.AUDIT_FAULT_CHECKPOINT,
    Fault.PAYLOAD: audit_service_pb2.AUDIT_FAULT_PAYLOAD,
}


def filter_from_proto(wanted: audit_service_pb2.AuditFilter) -> EntryFilter:
    """Which entries are asked for.

    Raises:
        InvalidField: an instant beyond the years 1 to 9999.
    """
    begin = wanted.entry_time_from if wanted.HasField("entry_time_from") else None
    end = wanted.entry_time_to if wanted.HasField("entry_time_to") else None
    return EntryFilter(
        stream=wanted.stream,
        event_type=wanted.event_type,
        min_severity=wanted.min_severity,
        caller=wanted.caller,
        user=wanted.user,
        time_from=from_timestamp(begin, "filter.entry_time_from") if begin else None,
        time_to=from_timestamp(end, "filter.entry_time_to") if end else None,
    )


def entry_to_proto(entry: Entry) -> audit_service_pb2.AuditEntry:
    """The entry on the wire, complete: a client can compute its hash from it."""
    message = audit_service_pb2.AuditEntry(
        tenant=entry.tenant,
        stream=entry.stream,
        sequence=entry.sequence,
        entry_time=_timestamp(entry.event_time_us),
        event_type=entry.event_type,
        severity=audit_service_pb2.AuditSeverity.ValueType(entry.severity),
        caller=entry.caller,
        user=entry.user,
        request_id=entry.request_id,
        persona_id=entry.persona_id,
        record_id=entry.record_id,
        payload_digest=entry.payload_digest,
        previous_hash=entry.previous_hash,
    )
    message.data.update(entry.data)
    return message


def head_to_proto(head: StreamHead) -> audit_service_pb2.StreamHead:
    """The head on the wire."""
    return audit_service_pb2.StreamHead(
        tenant=head.tenant, stream=head.stream, sequence=head.sequence, hash=head.hash
    )


def checkpoint_to_proto(checkpoint: Checkpoint) -> audit_service_pb2.AuditCheckpoint:
    """The checkpoint on the wire."""
    return audit_service_pb2.AuditCheckpoint(
        number=checkpoint.number,
        create_time=_timestamp(checkpoint.create_time_us),
        previous_digest=checkpoint.previous_digest,
        heads=[head_to_proto(head) for head in checkpoint.heads],
        public_key=checkpoint.public_key,
        signature=checkpoint.signature,
    )


def verdict_to_proto(verdict: Verdict) -> audit_service_pb2.AuditVerdict:
    """The verdict on the wire."""
    return audit_service_pb2.AuditVerdict(
        stream_count=verdict.stream_count,
        entry_count=verdict.entry_count,
        checkpoint_count=verdict.checkpoint_count,
        payload_count=verdict.payload_count,
        unchecked_payload_count=verdict.unchecked_payload_count,
        finding_count=verdict.finding_count,
        public_key=verdict.public_key or b"",
        findings=[
            audit_service_pb2.AuditFinding(
                stream=each.stream,
                sequence=each.sequence,
                fault=_FAULTS[each.fault],
                last_sequence=each.last_sequence,
            )
            for each in verdict.findings
        ],
    )


def _timestamp(microseconds: int) -> Timestamp:
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
