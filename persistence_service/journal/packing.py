"""Entries of the journal into its rows and out of them. Pure.

A row holds the entries that one commit left in one stream, each as an array: event type, record id, persona
id, data, severity, payload digest in hexadecimal. The last two are left out where the severity is INFO and
there is no digest.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from consensus_journal import Entry
from persistence_service.journal.entries import Columns, EntrySeverity
from persistence_service.schema.base import DIGEST_BYTES
from persistence_service.schema.scalars import from_microseconds, microseconds

_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})*")


def pack(entries: Iterable[Entry]) -> list[Columns]:
    """The rows of entries that are chained and go into one commit, those of each stream in their order."""
    rows: list[Columns] = []
    newest: dict[tuple[str, str], Columns] = {}
    for entry in entries:
        stream = (entry.tenant, entry.stream)
        row = newest.get(stream)
        if row is None or not _goes_into(row, entry):
            row = newest[stream] = _row(entry)
            rows.append(row)
        row["entries"].append(_packed(entry))
        row["previous_hashes"] += entry.previous_hash
        row["severity"] = max(row["severity"], entry.severity)
    return rows


def unpack(row: Row[Any]) -> Iterator[Entry]:
    """The entries of a row.

    Of a row that somebody damaged they are what is left of it: an entry that cannot be read, or has no hash,
    is not the one that was hashed, so that verification names it.
    """
    time_us = microseconds(row.event_time)
    hashes = bytes(row.previous_hashes)
    for index, packed in enumerate(row.entries):
        event_type, record_id, persona_id, data, severity, digest = _unpacked(packed)
        yield Entry(
            tenant=row.tenant,
            stream=row.stream,
            sequence=row.first_sequence + index,
            event_time_us=time_us,
            event_type=event_type,
            caller=row.caller,
            user=row.user_id,
            request_id=row.request_id,
            severity=severity,
            persona_id=persona_id,
            data=data,
            record_id=record_id,
            payload_digest=digest,
            previous_hash=hashes[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES],
        )


def _goes_into(row: Columns, entry: Entry) -> bool:
    shared = (row["event_time"], row["caller"], row["user_id"], row["request_id"])
    return shared == (_time(entry), entry.caller, entry.user, entry.request_id)


def _row(entry: Entry) -> Columns:
    return {
        "event_time": _time(entry),
        "first_sequence": entry.sequence,
        "severity": 0,
        "tenant": entry.tenant,
        "stream": entry.stream,
        "caller": entry.caller,
        "user_id": entry.user,
        "request_id": entry.request_id,
        "previous_hashes": b"",
        "entries": [],
    }


def _time(entry: Entry) -> datetime:
    return from_microseconds(entry.event_time_us)


def _packed(entry: Entry) -> list[Any]:
    packed = [entry.event_type, entry.record_id, entry.persona_id, entry.data]
    if entry.payload_digest is not None:
        return [*packed, entry.severity, entry.payload_digest.hex()]
    return packed if entry.severity == EntrySeverity.INFO else [*packed, entry.severity]


def _unpacked(packed: Any) -> tuple[Any, ...]:
    missing = (None, None, None, None, EntrySeverity.INFO.value, None)
    fields = (*packed, *missing[len(packed) :]) if isinstance(packed, list) else ()
    if _is_sound(fields):
        return (*fields[:5], None if fields[5] is None else bytes.fromhex(fields[5]))
    return (orjson.dumps(packed).decode(), None, None, {}, EntrySeverity.INFO.value, None)


def _is_sound(fields: tuple[Any, ...]) -> bool:
    match fields:
        case (str(), int() | None, str() | None, dict(), int(), None):
            return True
        case (str(), int() | None, str() | None, dict(), int(), str(digest)):
            return _HEXADECIMAL.fullmatch(digest) is not None
        case _:
            return False
