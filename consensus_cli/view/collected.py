"""Events and metrics in lines: pure, safe on a terminal."""

from collections.abc import Sequence

from google.protobuf import json_format, struct_pb2

from consensus.v1 import event_service_pb2, metric_service_pb2
from consensus_cli.view.tables import table
from consensus_report import text

_DATA_CHARACTERS = 120


def event_lines(found: Sequence[event_service_pb2.Event]) -> list[str]:
    """A line each."""
    rows = [(text.instant(each.occur_time), text.clean(each.type), _data(each.data)) for each in found]
    return table(("when", "type", "data"), rows)


def event_count_lines(found: event_service_pb2.GetEventStatsResponse) -> list[str]:
    """A line for each type, and the sum."""
    rows = [
        (
            text.clean(each.type),
            text.number(each.event_count),
            text.instant(each.first_occur_time),
            text.instant(each.last_occur_time),
        )
        for each in found.types
    ]
    total = ("all", text.number(found.event_count), "", "")
    return table(("type", "events", "first", "last"), [*rows, total], right=frozenset({1}))


def metric_lines(found: Sequence[metric_service_pb2.Metric]) -> list[str]:
    """A line each."""
    rows = [
        (
            text.clean(each.metric_id),
            text.instant(each.create_time),
            text.clean(each.type),
            text.clean(each.user),
            _data(each.data),
        )
        for each in found
    ]
    return table(("metric", "stored", "type", "user", "data"), rows)


def metric_count_lines(found: metric_service_pb2.GetMetricStatsResponse) -> list[str]:
    """A line for each type that is told, and the sum."""
    rows = [(text.clean(each.type), text.number(each.metric_count)) for each in found.types]
    total = ("all", text.number(found.metric_count))
    return table(("type", "metrics"), [*rows, total], right=frozenset({1}))


def _data(data: struct_pb2.Struct) -> str:
    words = json_format.MessageToJson(data, indent=None, ensure_ascii=False, sort_keys=True)
    return text.shorten(words, _DATA_CHARACTERS)
