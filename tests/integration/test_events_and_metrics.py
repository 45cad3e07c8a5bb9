"""The persistence service as a process: events and metrics outlive it, and its log holds none of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.v1 import (
    event_service_pb2,
    event_service_pb2_grpc,
    metric_service_pb2,
    metric_service_pb2_grpc,
)
from tests.support.processes import clean_environment, start_process, wait_started
from tests.support.serving import stamp, struct

SERVICES = ("consensus.v1.EventService", "consensus.v1.MetricService")
WAIT = 30.0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    address: str = request.getfixturevalue("postgres_url")
    return address


@contextmanager
def process(folder: Path, url: str) -> Iterator[grpc.Channel]:
    """A channel to a process that serves both; it has ended with 0 after the block, and logged no content."""
    environment = clean_environment(
        DATABASE_URL=url,
        PERSISTENCE_LISTEN="127.0.0.1:0",
        EVENT_RETENTION_DAYS="30",
        METRIC_RETENTION_DAYS="30",
        LOG_LEVEL="DEBUG",
    )
    running = start_process("persistence_service", folder, environment)
    try:
        with grpc.insecure_channel(wait_started(running)) as channel:
            wait_until_serving(channel)
            yield channel
    finally:
        code = running.stop()
    assert code == 0, running.logged()
    assert "canary" not in running.logged()


def wait_until_serving(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no methods
    ends = time.monotonic() + WAIT
    for name in SERVICES:
        request = health_pb2.HealthCheckRequest(service=name)
        while stub.Check(request, timeout=5).status != health_pb2.HealthCheckResponse.SERVING:
            assert time.monotonic() < ends
            time.sleep(0.05)


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path, url: str) -> None:
    data = struct(secret="canary")
    with process(tmp_path, url) as channel:
        event = event_service_pb2.EventInput(type="Seen", occur_time=stamp(1), data=data, key="canary")
        event_service_pb2_grpc.EventServiceStub(channel).AppendEvents(
            event_service_pb2.AppendEventsRequest(events=[event]), timeout=10
        )
        metric = metric_service_pb2.MetricInput(metric_id="m1", data=data)
        metric_service_pb2_grpc.MetricServiceStub(channel).StoreMetrics(
            metric_service_pb2.StoreMetricsRequest(metrics=[metric], user="canary"), timeout=10
        )
    with process(tmp_path, url) as channel:
        listed = event_service_pb2_grpc.EventServiceStub(channel).ListEvents(
            event_service_pb2.ListEventsRequest(), timeout=10
        )
        found = metric_service_pb2_grpc.MetricServiceStub(channel).GetMetric(
            metric_service_pb2.GetMetricRequest(metric_id="m1"), timeout=10
        )
    assert [each.data for each in listed.events] == [found.metric.data] == [data]
