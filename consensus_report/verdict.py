"""What was found of the audit trail, in words: pure."""

from consensus.v1 import audit_service_pb2
from consensus_report import text


def is_whole(verdict: audit_service_pb2.AuditVerdict, wanted_key: bytes | None) -> bool:
    """Whether nothing was found, by the key that must have signed, if one must."""
    return not verdict.findings and not _is_foreign(verdict, wanted_key)


def verdict_lines(verdict: audit_service_pb2.AuditVerdict, wanted_key: bytes | None) -> list[str]:
    """What was found, and the verdict last."""
    lines = [_line(each) for each in verdict.findings]
    if verdict.finding_count > len(lines):
        lines.append(f"and {verdict.finding_count - len(lines)} more that are not named")
    if _is_foreign(verdict, wanted_key):
        held = verdict.public_key.hex() or "none"
        lines.append(f"the checkpoints were held against another key than the one given: {held}")
    return [*lines, f"{'whole' if is_whole(verdict, wanted_key) else 'NOT whole'}: {_checked(verdict)}"]


def _line(finding: audit_service_pb2.AuditFinding) -> str:
    if not finding.stream:
        return (
            f"checkpoint {finding.sequence}: its signature, or its link to the one before, does not hold "
            "(all from the first on are needed)"
        )
    return f"{_where(finding)}: {text.word(audit_service_pb2.AuditFault, finding.fault, 'AUDIT_FAULT_')}"


def _where(finding: audit_service_pb2.AuditFinding) -> str:
    stream = text.clean(finding.stream)
    if finding.last_sequence > finding.sequence:
        return f"{stream} entries {finding.sequence} to {finding.last_sequence}"
    return f"{stream} entry {finding.sequence}"


def verdict_caveats(verdict: audit_service_pb2.AuditVerdict, wanted_key: bytes | None) -> list[str]:
    """What the verdict does not say."""
    caveats = []
    if not verdict.checkpoint_count:
        caveats.append("no checkpoint: a tail that was cut off, or a chain computed anew, would not show")
    elif not verdict.public_key and not _is_foreign(verdict, wanted_key):
        caveats.append("no public key: the one that the first checkpoint names was believed")
    if verdict.unchecked_payload_count:
        unchecked = text.count(verdict.unchecked_payload_count, "digest")
        caveats.append(f"not compared: {unchecked} of what is not at hand")
    return caveats


def _is_foreign(verdict: audit_service_pb2.AuditVerdict, wanted_key: bytes | None) -> bool:
    return wanted_key is not None and verdict.public_key != wanted_key


def _checked(verdict: audit_service_pb2.AuditVerdict) -> str:
    counts = [
        text.count(verdict.stream_count, "stream"),
        text.count(verdict.entry_count, "entry").replace("entrys", "entries"),
        text.count(verdict.checkpoint_count, "checkpoint"),
    ]
    if verdict.payload_count:
        counts.append(text.count(verdict.payload_count, "digest"))
    return ", ".join(counts)
