"""Streams that send their headers and nothing after them, or too much: bounded, and health answers."""

import asyncio
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from consensus_rpc import errors
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.probes import MAX_PROBE_STREAMS
from tests.support.pair import until
from tests.support.raw_http2 import (
    DATA,
    END_STREAM,
    RawConnection,
    literal,
    message,
    raw_connection,
    remembered,
)
from tests.unit.consensus_rpc.conftest import KINDS, SERVICE, Probe, Request, Running, serving

UNARY = f"/{SERVICE}/UnaryUnary"
REQUEST = Request(run_id="r1").SerializeToString()
MAX_CONCURRENT_STREAMS = 3  # the setting's number in HTTP/2


async def ended(connection: RawConnection, count: int, of: int) -> None:
    async def are_ended() -> bool:
        return sum(connection.ended(2 * each + 1) for each in range(of)) >= count

    await until(are_ended)


async def is_healthy(running: Running) -> bool:
    async with open_channel(running.server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        return True


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_without_a_request_is_ended_in_time(kind: str) -> None:
    async with (
        serving(Probe(), first_request_seconds=0.2) as running,
        raw_connection(running.server.address) as connection,
    ):
        with capture_logs() as logs:
            for number in range(20):
                connection.begin(2 * number + 1, f"/{SERVICE}/{kind}")
            await ended(connection, 20, 20)
            await running.settled()

        assert running.registry.get_sample_value("consensus_requests_not_sent_total") == 20
    codes = [each["code"] for each in logs if each["event"] == "rpc_finished"]
    assert codes == ["DEADLINE_EXCEEDED"] * 20
    assert [each["event"] for each in logs].count("request_not_sent") == 1  # one line for all of them


async def test_a_connection_has_so_many_streams_and_health_answers_beside_them() -> None:
    async with (
        serving(Probe(), max_streams_per_connection=50, max_calls_in_flight=20) as running,
        raw_connection(running.server.address) as connection,
    ):
        for number in range(60):
            connection.begin(2 * number + 1, UNARY)
        await ended(connection, 40, 60)  # 10 beyond the streams, 30 beyond the calls in flight

        assert connection.settings[MAX_CONCURRENT_STREAMS] == 50
        assert running.server.calls_in_flight == 20
        assert await is_healthy(running)


@pytest.mark.parametrize(
    "path",
    ["/grpc.health.v1.Health/Watch", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"],
)
async def test_watches_and_reflection_are_bounded_by_connection(path: str) -> None:
    async with (
        serving(Probe()) as running,
        raw_connection(running.server.address) as connection,
    ):
        for number in range(MAX_PROBE_STREAMS + 5):
            connection.begin(2 * number + 1, path)
            connection.send(DATA, 0, 2 * number + 1, message(b""))
        await ended(connection, 5, MAX_PROBE_STREAMS + 5)
        refused = running.registry.get_sample_value("consensus_probes_refused_total")
        async with raw_connection(running.server.address) as neighbour:
            neighbour.begin(1, path)
            await asyncio.sleep(0.1)
            assert not neighbour.ended(1)
        assert refused == 5
        assert await is_healthy(running)


async def test_a_watch_that_has_begun_stays() -> None:
    async with serving(Probe(), first_request_seconds=0.1) as running:
        stub: Any = health_pb2_grpc.HealthStub(running.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        await watch.read()
        await asyncio.sleep(0.3)
        await running.server.set_serving(SERVICE, True)

        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
@pytest.mark.parametrize("count", [0, 2])
async def test_a_unary_call_has_one_request(running: Running, kind: str, count: int) -> None:
    make = running.channel.stream_unary if kind == "UnaryUnary" else running.channel.stream_stream
    method: Any = make(f"/{SERVICE}/{kind}")
    call = method(iter([Request(run_id="r1").SerializeToString()] * count))

    with pytest.raises(errors.InvalidField, match="exactly one request"), contract_errors():
        _ = [each async for each in call] if kind == "UnaryStream" else await call

    assert running.probe.requests == []


async def test_a_request_that_is_never_ended_is_given_up() -> None:
    async with (
        serving(Probe(), first_request_seconds=0.2) as running,
        raw_connection(running.server.address) as connection,
    ):
        connection.begin(1, UNARY)
        connection.send(DATA, 0, 1, message(REQUEST))
        await ended(connection, 1, 1)

        assert running.probe.requests == []


async def test_headers_beyond_their_bytes_are_refused_however_few_were_sent() -> None:
    async with (
        serving(Probe()) as running,
        raw_connection(running.server.address) as connection,
    ):
        connection.begin(1, UNARY, [literal("x-big", "v" * 4000, remember=True)])
        connection.send(DATA, END_STREAM, 1, message(REQUEST))
        await ended(connection, 1, 1)  # the settings are acknowledged by now
        connection.begin(3, UNARY, [remembered()] * 5)  # 20 KB in five bytes
        connection.send(DATA, END_STREAM, 3, message(REQUEST))
        await ended(connection, 2, 2)

    assert len(running.probe.requests) == 1


async def test_who_does_not_acknowledge_the_bounds_is_cut_off() -> None:
    async with (
        serving(Probe()) as running,
        raw_connection(running.server.address, acknowledges=False) as connection,
    ):

        async def is_closed() -> bool:
            return connection.is_closed

        await until(is_closed, 20)
