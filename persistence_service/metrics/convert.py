"""Between metrics on the wire and metrics inside. Pure."""

from collections.abc import Sequence
from typing import Any

from uuid_utils.compat import uuid7

from consensus.v1 import metric_service_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.schema.json_data import json_filter, json_object, json_struct
from persistence_service.schema.scalars import from_timestamp, from_timestamp_up, microseconds, to_timestamp

UNKNOWN_TYPE = "unknown"


def new_metrics(metrics: Sequence[metric_service_pb2.MetricInput]) -> list[NewMetric]:
    """The metrics to be stored, in their order; those without an id get one.

    Raises:
        InvalidField: data that cannot be kept, or an id that stands there twice.
    """
    _check_ids([metric.metric_id for metric in metrics])
    return [_new_metric(metric, f"metrics[{number}]") for number, metric in enumerate(metrics)]


def _check_ids(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for number, metric_id in enumerate(ids):
        if metric_id in seen:
            raise InvalidField(field=f"metrics[{number}].metric_id", description="stands in a call only once")
        if metric_id:
            seen.add(metric_id)


def _new_metric(metric: metric_service_pb2.MetricInput, field: str) -> NewMetric:
    data = json_object(metric.data, f"{field}.data")
    return NewMetric(
        metric_id=metric.metric_id or str(uuid7()),
        metric_type=metric.type or UNKNOWN_TYPE,
        data=data.plain,
        data_digest=data.digest,
        org_id=metric.org_id or None,
    )


def metric_message(metric: StoredMetric) -> metric_service_pb2.Metric:
    """The metric on the wire."""
    return metric_service_pb2.Metric(
        metric_id=metric.metric_id,
        type=metric.metric_type,
        data=json_struct(metric.data),
        org_id=metric.org_id or "",
        user=metric.user_id or "",
        create_time=to_timestamp(metric.create_time),
        update_time=to_timestamp(metric.update_time),
        delete_time=None if metric.delete_time is None else to_timestamp(metric.delete_time),
        deletion_id=metric.deletion_id or "",
    )


def metric_filter(wanted: metric_service_pb2.MetricFilter) -> MetricFilter:
    """Which metrics are asked for.

    Raises:
        InvalidField: data that no filter may have, or an instant beyond the years 1 to 9999.
    """
    begin = wanted.create_time_from if wanted.HasField("create_time_from") else None
    end = wanted.create_time_to if wanted.HasField("create_time_to") else None
    return MetricFilter(
        metric_type=wanted.type,
        user_id=wanted.user,
        org_id=wanted.org_id,
        time_from=from_timestamp_up(begin, "filter.create_time_from") if begin else None,
        time_to=from_timestamp(end, "filter.create_time_to") if end else None,
        data=json_filter(wanted.data, "filter.data") if wanted.HasField("data") else None,
    )


def page_position(metric: StoredMetric) -> list[Any]:
    """Where a page ended, for its token."""
    return [microseconds(metric.create_time), metric.metric_id]
