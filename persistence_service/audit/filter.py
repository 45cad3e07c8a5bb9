"""What is asked of the audit trail. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; None, zero and the empty string mean any. Both instants are inclusive."""

    stream: str = ""
    event_type: str = ""
    min_severity: int = 0
    caller: str = ""
    user: str = ""
    time_from: datetime | None = None
    time_to: datetime | None = None
