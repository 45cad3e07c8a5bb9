"""Usage between the wire and its rows. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from consensus.v1 import usage_service_pb2
from consensus_rpc.errors import InvalidField

MAX_INT64: Final = 2**63 - 1
USUAL_DAYS: Final = 30
_MAX_DAYS: Final = 3660
_COUNTS: Final = (
    "call_count", "uncertain_call_count", "input_tokens", "cached_tokens", "cache_write_tokens",
    "output_tokens", "reasoning_tokens",
)  # fmt: skip


def days_of(wanted: usage_service_pb2.UsageFilter, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When the first and the last day begin; None: of one run, without bound.

    Raises:
        InvalidField: no days of the calendar, the last before the first, or more than ten years.
    """
    if wanted.run_id and not wanted.first_day and not wanted.last_day:
        return None, None
    last = _day(wanted.last_day, "filter.last_day") if wanted.last_day else _begin(now.date())
    usual = last - timedelta(days=USUAL_DAYS - 1)
    first = _day(wanted.first_day, "filter.first_day") if wanted.first_day else usual
    if not timedelta() <= last - first <= timedelta(days=_MAX_DAYS):
        raise InvalidField(
            field="filter.last_day",
            description=f"is not before the first, and at most {_MAX_DAYS} days later",
        )
    return first, last


def _day(text: str, field: str) -> datetime:
    try:
        found = _begin(date.fromisoformat(text))
    except ValueError as error:
        raise InvalidField(field=field, description="is a day such as 2026-11-27") from error
    if not 1970 <= found.year <= 9998:
        raise InvalidField(field=field, description="is of the years 1970 to 9998")
    return found


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def usage_message(
    row: Mapping[Any, Any], groups: Sequence[str], cost: int, uncertain: int
) -> usage_service_pb2.Usage:
    """A group's sums; amounts that the wire cannot hold stand at its largest."""
    keys = {name: row[name] for name in groups}
    return usage_service_pb2.Usage(
        day=keys["day"].date().isoformat() if "day" in keys else "",
        caller=keys.get("caller", ""),
        user=keys.get("user_id", ""),
        run_id=keys.get("run_id", ""),
        step=keys.get("step", ""),
        currency=keys["currency"],
        cost_micros=min(cost, MAX_INT64),
        uncertain_micros=min(uncertain, MAX_INT64),
        **{name: int(row[name]) for name in _COUNTS},
    )
