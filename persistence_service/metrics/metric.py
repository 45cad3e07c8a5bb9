"""Metrics as they are stored, and as they are asked for. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class NewMetric:
    """A metric to be stored, in the place of one with its id if there is one."""

    metric_id: str
    metric_type: str
    data: dict[str, Any]
    data_digest: bytes
    org_id: str | None


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric as it stands."""

    metric_id: str
    metric_type: str
    data: dict[str, Any]
    user_id: str | None
    org_id: str | None
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None
    deletion_id: str | None


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Which metrics; None and the empty string mean any. Both instants are inclusive."""

    metric_type: str = ""
    user_id: str = ""
    org_id: str = ""
    time_from: datetime | None = None
    time_to: datetime | None = None
    data: dict[str, Any] | None = None
