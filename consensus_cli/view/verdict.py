"""The verdict on an export, as the server says its own: pure."""

from consensus.v1 import audit_service_pb2
from consensus_journal import Verdict


def verdict_message(verdict: Verdict) -> audit_service_pb2.AuditVerdict:
    """The verdict of an export as the server says its own."""
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
                last_sequence=each.last_sequence,
                fault=audit_service_pb2.AuditFault.Value(f"AUDIT_FAULT_{each.fault.name}"),
            )
            for each in verdict.findings
        ],
    )
