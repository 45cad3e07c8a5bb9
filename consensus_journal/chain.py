"""An entry of a stream, and the hash that chains it to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def plain_entry(entry: Entry) -> dict[str, Plain]:
    """The entry as a JSON object: absent values as null, digests in lowercase hexadecimal."""
    return {
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


def entry_hash(entry: Entry) -> bytes:
    """SHA-256 of the entry's RFC 8785 form: the next one's `previous_hash`, or the stream's head."""
    return digest(canonical_json(plain_entry(entry)))


def entry_from_plain(plain: Mapping[str, Any]) -> Entry:
    """The entry that `plain_entry` made this of.

    Raises:
        ValueError: when it is none.
    """
    try:
        digest: str | None = plain["payload_digest"]
        return Entry(
            tenant=plain["tenant"],
            stream=plain["stream"],
            sequence=plain["sequence"],
            event_time_us=plain["event_time_us"],
            event_type=plain["event_type"],
            caller=plain["caller"],
            user=plain["user"],
            request_id=plain["request_id"],
            severity=plain["severity"],
            persona_id=plain["persona_id"],
            data=plain["data"],
            record_id=plain["record_id"],
            payload_digest=None if digest is None else bytes.fromhex(digest),
            previous_hash=bytes.fromhex(plain["previous_hash"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not an entry of the journal") from error
