"""Between events on the wire and events inside. Pure."""

from collections.abc import Sequence
from typing import Any

from consensus.v1 import event_service_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.events import analytics
from persistence_service.events.analytics import Board, DraftAnalytics, Ranked, UserAnalytics
from persistence_service.events.event import DraftPart, EventFilter, NewEvent, StoredEvent
from persistence_service.schema.json_data import json_filter, json_object, json_struct
from persistence_service.schema.scalars import (
    MICROSECOND,
    from_microseconds,
    from_timestamp,
    from_timestamp_up,
    microseconds,
    to_duration,
    to_timestamp,
)

PLACES = 1000
"""Places of one microsecond; no batch has more."""

BOARDS: dict[int, Board] = {
    event_service_pb2.LEADERBOARD_KIND_COLLABORATION: "collaboration",
    event_service_pb2.LEADERBOARD_KIND_MOMENTUM: "momentum",
    event_service_pb2.LEADERBOARD_KIND_CONSISTENCY: "consistency",
}
BUCKET_SECONDS: dict[int, int] = {
    event_service_pb2.TIME_BUCKET_MINUTE: 60,
    event_service_pb2.TIME_BUCKET_HOUR: 3600,
    event_service_pb2.TIME_BUCKET_DAY: 86_400,
}

_LONGEST = {"draft_id": 64, "user_id": 255}
_ID_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-")


def new_events(events: Sequence[event_service_pb2.EventInput]) -> list[NewEvent]:
    """The events to be stored, in their order.

    Raises:
        InvalidField: data that cannot be kept, an instant beyond the years 1 to 9999, or an event of a draft
            that does not say which, or who did it.
    """
    return [_new_event(event, f"events[{number}]") for number, event in enumerate(events)]


def _new_event(event: event_service_pb2.EventInput, field: str) -> NewEvent:
    data = json_object(event.data, f"{field}.data")
    return NewEvent(
        event_type=event.type,
        occur_time=from_timestamp(event.occur_time, f"{field}.occur_time"),
        data=data.plain,
        data_digest=data.digest,
        schema_version=event.schema_version or 1,
        event_key=event.key,
        draft=_draft_part(event.type, data.plain, f"{field}.data"),
    )


def _draft_part(event_type: str, data: dict[str, Any], field: str) -> DraftPart | None:
    if event_type not in analytics.TYPES:
        return None
    draft_id = _named(data, "draft_id", field)
    if not _ID_CHARACTERS.issuperset(draft_id):
        raise InvalidField(field=f"{field}.draft_id", description="has letters, digits, `_` and `-` only")
    return DraftPart(draft_id, _named(data, "user_id", field))


def _named(data: dict[str, Any], name: str, field: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST[name]:
        raise InvalidField(
            field=f"{field}.{name}", description=f"is a text of 1 to {_LONGEST[name]} characters"
        )
    return value


def event_message(event: StoredEvent) -> event_service_pb2.Event:
    """The event on the wire."""
    return event_service_pb2.Event(
        type=event.event_type,
        occur_time=to_timestamp(event.occur_time),
        data=json_struct(event.data),
        schema_version=event.schema_version,
        key=event.event_key,
        data_digest=event.data_digest,
        create_time=to_timestamp(from_microseconds(event.position // PLACES)),
    )


def event_filter(wanted: event_service_pb2.EventFilter) -> EventFilter:
    """Which events are asked for.

    Raises:
        InvalidField: data that no filter may have, or an instant beyond the years 1 to 9999.
    """
    begin = wanted.occur_time_from if wanted.HasField("occur_time_from") else None
    end = wanted.occur_time_to if wanted.HasField("occur_time_to") else None
    return EventFilter(
        types=tuple(sorted(set(wanted.types))),
        time_from=from_timestamp_up(begin, "filter.occur_time_from") if begin else None,
        time_to=from_timestamp(end, "filter.occur_time_to") if end else None,
        data=json_filter(wanted.data, "filter.data") if wanted.HasField("data") else None,
    )


def draft_message(draft_id: str, found: DraftAnalytics) -> event_service_pb2.DraftAnalytics:
    """A draft's analytics on the wire."""
    message = event_service_pb2.DraftAnalytics(
        draft_id=draft_id,
        view_count=found.view_count,
        share_count=found.share_count,
        segment_count=found.segment_count,
        contributor_count=found.contributor_count,
        ring_pass_count=found.ring_pass_count,
    )
    if found.last_activity_time is not None:
        message.last_activity_time.CopyFrom(to_timestamp(found.last_activity_time))
    if found.average_pass_interval is not None:
        message.average_pass_interval.CopyFrom(to_duration(found.average_pass_interval // MICROSECOND * 1000))
    return message


def user_message(user: str, found: UserAnalytics) -> event_service_pb2.UserAnalytics:
    """A user's analytics on the wire."""
    message = event_service_pb2.UserAnalytics(
        user=user,
        created_draft_count=found.created_draft_count,
        contributed_draft_count=found.contributed_draft_count,
        segment_count=found.segment_count,
        held_ring_count=found.held_ring_count,
    )
    if found.average_hold_duration is not None:
        message.average_hold_duration.CopyFrom(to_duration(found.average_hold_duration // MICROSECOND * 1000))
    return message


def ranked_message(row: Ranked) -> event_service_pb2.LeaderboardEntry:
    """A row of a leaderboard on the wire."""
    return event_service_pb2.LeaderboardEntry(
        rank=row.rank,
        user=row.user_id,
        score=row.score,
        segment_count=row.segment_count,
        received_ring_count=row.received_ring_count,
        contributed_draft_count=row.contributed_draft_count,
        created_draft_count=row.created_draft_count,
    )


def page_position(event: StoredEvent) -> list[Any]:
    """Where a page ended, for its token."""
    return [microseconds(event.occur_time), event.position, event.event_type, event.data_digest.hex()]
