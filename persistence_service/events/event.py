"""Events as they are appended, as they are stored, and as they are asked for. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consensus_journal import digest, reference_json
from persistence_service.events.analytics import RING_PASSED, TYPES


@dataclass(frozen=True, slots=True)
class DraftPart:
    """What an event says of a draft: which one, who did it, and who received the ring if it was passed."""

    draft_id: str
    user_id: str
    recipient_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored; type, instant and digest of the data are what it is told apart by."""

    event_type: str
    occur_time: datetime
    data: dict[str, Any]
    data_digest: bytes
    schema_version: int = 1
    event_key: str = ""
    draft: DraftPart | None = None

    @property
    def identity(self) -> tuple[str, datetime, bytes]:
        """Equal for duplicates."""
        return (self.event_type, self.occur_time, self.data_digest)


def draft_event(event_type: str, occur_time: datetime, part: DraftPart, **more: Any) -> NewEvent:
    """An event of a draft, as the system appends it; `more` are further fields of its data.

    Raises:
        ValueError: for a type that is none of a draft's.
    """
    if event_type not in TYPES:
        raise ValueError(f"{event_type} is no event of a draft")
    data = {"draft_id": part.draft_id, "user_id": part.user_id, **more}
    if event_type == RING_PASSED:
        data["to_user_id"] = part.recipient_id
    return NewEvent(event_type, occur_time, data, digest(reference_json(data)), draft=part)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place: `position` is where it stands among those of its instant."""

    event_type: str
    occur_time: datetime
    position: int
    data: dict[str, Any]
    data_digest: bytes
    schema_version: int
    event_key: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None and the empty tuple mean any. Both instants are inclusive."""

    types: tuple[str, ...] = ()
    time_from: datetime | None = None
    time_to: datetime | None = None
    data: dict[str, Any] | None = None
