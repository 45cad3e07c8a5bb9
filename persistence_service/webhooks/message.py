"""What a webhook says of a run's end, and under which id. Pure."""

from datetime import datetime
from typing import Any

import orjson

from consensus_journal import Entry, entry_hash
from persistence_service.journal.entries import RUN_STREAMS, Columns
from persistence_service.schema.scalars import from_microseconds

# Not its message, which may quote what was written.
_OF_FAILURE = ("reason", "failed_step", "resumable")
_HASH_DIGITS = 12


def delivery_row(entry: Entry, decision: Columns) -> Columns:
    """The row of a webhook that waits, for the entry that ended a run; `decision` says how it was decided."""
    run_id, now = entry.stream.removeprefix(RUN_STREAMS), from_microseconds(entry.event_time_us)
    data: dict[str, Any] = {"tenant": entry.tenant, "run_id": run_id, **_state(entry), **decision}
    data["journal"] = {"sequence": entry.sequence, "hash": entry_hash(entry).hex()}
    return {
        "tenant": entry.tenant,
        "run_id": run_id,
        "sequence": entry.sequence,
        "message": {"type": entry.event_type, "timestamp": _instant(now), "data": data},
        "attempt_count": 0,
        "create_time": now,
        "next_attempt_time": now,
        "last_failure": None,
        "settle_time": None,
        "outcome": None,
    }


def message_id(message: dict[str, Any]) -> str:
    """The same for every attempt to tell of one end, and of no other.

    A database that was restored, or a standby that was promoted, may end a run anew, at the same sequence and
    otherwise: by its hash the entry is another.
    """
    data = message["data"]
    return f"{data['run_id']}_{data['journal']['sequence']}_{data['journal']['hash'][:_HASH_DIGITS]}"


def body_of(message: dict[str, Any], run_id: str, door_url: str) -> bytes:
    """The message as it is sent: the same bytes each time, whatever order the database keeps keys in."""
    link = {"link": f"{door_url}/runs/{run_id}"} if door_url else {}
    return orjson.dumps(message | {"data": message["data"] | link}, option=orjson.OPT_SORT_KEYS)


def _state(entry: Entry) -> dict[str, Any]:
    """The state that the entry left the run in; why it failed, by names alone."""
    state = {"state": entry.event_type.rpartition(".")[2].upper()}
    failure: Any = entry.data.get("failure")
    if failure is None:
        return state
    return {**state, "failure": {name: failure[name] for name in _OF_FAILURE}}


def _instant(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
