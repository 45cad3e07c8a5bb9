"""What the page shows of a journal, as templates take it. Pure."""

import json
from dataclasses import dataclass

from google.protobuf import json_format

from consensus.v1 import audit_service_pb2

_SHORT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry; digests are hexadecimal."""

    sequence: int
    time: str
    """As an instant that browsers read."""
    what: str
    severity: str
    who: str
    """Empty for background work."""
    short_digest: str
    details: tuple[tuple[str, str], ...]
    """Name and value of all else, without what is empty."""


@dataclass(frozen=True, slots=True)
class VerdictView:
    """What verifying a journal found."""

    faults: tuple[str, ...]
    """The first bad entry, or what is wrong with a checkpoint; empty where all is whole."""
    entry_count: int
    head_digest: str
    """Of the newest entry; empty where another was added meanwhile."""
    checkpoint_count: int


def entry_view(entry: audit_service_pb2.AuditEntry) -> EntryView:
    """One entry of the journal."""
    facts = json_format.MessageToDict(entry.data)
    details = {
        "caller": entry.caller,
        "user": entry.user,
        "request": entry.request_id,
        "persona": entry.persona_id,
        **{name.replace("_", " "): _words(value) for name, value in sorted(facts.items())},
        "digest of what was recorded": entry.payload_digest.hex(),
        "digest of the entry before": entry.previous_hash.hex(),
    }
    return EntryView(
        sequence=entry.sequence,
        time=entry.entry_time.ToJsonString(),
        what=entry.event_type,
        severity=audit_service_pb2.AuditSeverity.Name(entry.severity).removeprefix("AUDIT_SEVERITY_").lower(),
        who=entry.user or entry.caller,
        short_digest=entry.payload_digest.hex()[:_SHORT_DIGITS],
        details=tuple((name, value) for name, value in details.items() if value),
    )


def verdict_view(verdict: audit_service_pb2.AuditVerdict, head: audit_service_pb2.StreamHead) -> VerdictView:
    """The verdict on one stream, and the head that it was held against if that was still the newest."""
    is_newest = head.sequence == verdict.entry_count
    return VerdictView(
        faults=tuple(_fault(each) for each in verdict.findings),
        entry_count=verdict.entry_count,
        head_digest=head.hash.hex() if is_newest else "",
        checkpoint_count=verdict.checkpoint_count,
    )


def _fault(finding: audit_service_pb2.AuditFinding) -> str:
    where = "entry" if finding.stream else "checkpoint"
    what = audit_service_pb2.AuditFault.Name(finding.fault).removeprefix("AUDIT_FAULT_")
    return f"{where} {finding.sequence}: {what.lower().replace('_', ' ')}"


def _words(value: object) -> str:
    """A fact: numbers of the journal are whole, and what holds others is shown as JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
