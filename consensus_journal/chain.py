"""An entry of a stream, and the hash that chains it to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

from consensus_journal.canonical import Plain, canonical_json, digest

FIRST_PREVIOUS_HASH = bytes(32)
"""What stands in a stream's first entry, where there is none before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of one stream, as it is hashed."""

    tenant: str
    stream: str
    sequence: int
    event_time_us: int
    """Microseconds since 1970, UTC."""
    event_type: str
    caller: str
    user: str
    request_id: str
    severity: int
    persona_id: str | None
    data: Mapping[str, Plain]
    record_id: int | None
    payload_digest: bytes | None
    previous_hash: bytes


def canonical_entry(entry: Entry) -> bytes:
    """The entry's RFC 8785 form: absent values as null, digests in lowercase hexadecimal."""
    return canonical_json(
        {
            "caller": entry.caller,
            "data": entry.data,
            "event_time_us": entry.event_time_us,
            "event_type": entry.event_type,
            "payload_digest": entry.payload_digest and entry.payload_digest.hex(),
            "persona_id": entry.persona_id,
            "previous_hash": entry.previous_hash.hex(),
            "record_id": entry.record_id,
            "request_id": entry.request_id,
            "sequence": entry.sequence,
            "severity": entry.severity,
            "stream": entry.stream,
            "tenant": entry.tenant,
            "user": entry.user,
        }
    )


def entry_hash(entry: Entry) -> bytes:
    """SHA-256 of the canonical form: the next entry's `previous_hash`, or the stream's head."""
    return digest(canonical_entry(entry))
