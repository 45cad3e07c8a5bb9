"""What the page shows of a journal, as templates take it. Pure."""

import json
from dataclasses import dataclass

from google.protobuf import json_format

from consensus.v1 import audit_service_pb2
from consensus_report import text
from consensus_report.verdict import is_whole, verdict_caveats, verdict_lines

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

    is_whole: bool
    lines: tuple[str, ...]
    """The first bad entry, or what is wrong with a checkpoint, and what was checked."""
    caveats: tuple[str, ...]
    """What it does not say."""
    entry_count: int
    head_digest: str
    """Of the newest entry; empty where another was added meanwhile."""


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
        severity=text.word(audit_service_pb2.AuditSeverity, entry.severity, "AUDIT_SEVERITY_"),
        who=entry.user or entry.caller,
        short_digest=entry.payload_digest.hex()[:_SHORT_DIGITS],
        details=tuple((name, value) for name, value in details.items() if value),
    )


def verdict_view(verdict: audit_service_pb2.AuditVerdict, head: audit_service_pb2.StreamHead) -> VerdictView:
    """The verdict on one stream, and the head that it was held against if that was still the newest."""
    is_newest = head.sequence == verdict.entry_count
    return VerdictView(
        is_whole=is_whole(verdict, None),
        lines=tuple(verdict_lines(verdict, None)),
        caveats=tuple(verdict_caveats(verdict, None)),
        entry_count=verdict.entry_count,
        head_digest=head.hash.hex() if is_newest else "",
    )


def _words(value: object) -> str:
    """A fact: numbers of the journal are whole, and what holds others is shown as JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
