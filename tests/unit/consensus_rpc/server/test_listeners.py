"""One server at two addresses: each answers for its own services, and both begin, count and end together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import Overloaded, ShuttingDown
from consensus_rpc.server.server import CannotListenError, Listener, Server, ServerOptions
from consensus_rpc.telemetry.metrics import RpcMetrics
from tests.unit.consensus_rpc.conftest import Probe, Request, Response

FRONT, BACK = "test.v1.FrontService", "test.v1.BackService"


@dataclass
class TwoDoors:
    """A server with two addresses, and a channel to each."""

    server: Server
    back: Listener
    to_front: grpc.aio.Channel
    to_back: grpc.aio.Channel
    release: asyncio.Event

    async def busy(self) -> None:
        """Waits for a call to be in flight; nothing announces it."""
        while not self.server.calls_in_flight:  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.01)


def handlers(service: str, probe: Probe) -> grpc.GenericRpcHandler:
    method = grpc.unary_unary_rpc_method_handler(
        probe.unary_unary,
        request_deserializer=Request.FromString,
        response_serializer=Response.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(service, {"Ask": method})


async def ask(channel: grpc.aio.Channel, service: str) -> Any:
    method: Any = channel.unary_unary(f"/{service}/Ask", request_serializer=Request.SerializeToString)
    with contract_errors():
        return await method(Request(run_id="r1"), timeout=5)


@asynccontextmanager
async def two_doors(**options: Any) -> AsyncIterator[TwoDoors]:
    release = asyncio.Event()

    async def wait(request: Any, context: Any) -> None:
        await release.wait()

    server = Server(
        ServerOptions(listen="127.0.0.1:0", tune_gc=False, **options),
        service_names=[FRONT],
        metrics=RpcMetrics(CollectorRegistry()),
    )
    back = server.listen_too("127.0.0.1:0", [BACK])
    server.grpc.add_generic_rpc_handlers((handlers(FRONT, Probe(wait)),))
    back.grpc.add_generic_rpc_handlers((handlers(BACK, Probe(wait)),))
    await server.start()
    async with open_channel(server.address) as to_front, open_channel(back.address) as to_back:
        yield TwoDoors(server, back, to_front, to_back, release)
    await asyncio.gather(server.grpc.stop(None), back.grpc.stop(None))


async def test_a_method_of_one_address_is_unimplemented_at_the_other() -> None:
    async with two_doors() as doors:
        doors.release.set()
        await ask(doors.to_front, FRONT)
        await ask(doors.to_back, BACK)
        for channel, service in ((doors.to_front, BACK), (doors.to_back, FRONT)):
            with pytest.raises(ConsensusError) as refusal:
                await ask(channel, service)
            assert refusal.value.status_code is grpc.StatusCode.UNIMPLEMENTED


async def test_health_is_the_processs_and_answers_at_both() -> None:
    async with two_doors() as doors:
        await doors.server.set_serving(FRONT, True)
        for channel in (doors.to_front, doors.to_back):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            said = [
                (await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)).status
                for name in (FRONT, BACK, "")
            ]
            assert said == [1, 2, 2]  # all serve only once each does


async def test_calls_at_both_count_against_one_limit() -> None:
    async with two_doors(max_calls_in_flight=1) as doors:
        held = asyncio.create_task(ask(doors.to_front, FRONT))
        await doors.busy()
        with pytest.raises(Overloaded):
            await ask(doors.to_back, BACK)
        doors.release.set()
        await held


async def test_both_drain_together() -> None:
    async with two_doors() as doors:
        held = asyncio.create_task(ask(doors.to_back, BACK))
        await doors.busy()
        served = asyncio.create_task(doors.server.serve())
        doors.server.request_stop()
        await doors.server.draining.wait()
        for channel, service in ((doors.to_front, FRONT), (doors.to_back, BACK)):
            with pytest.raises(ShuttingDown):
                await ask(channel, service)
        assert not served.done()
        doors.release.set()
        await held
        await served


async def test_the_port_file_has_a_line_for_each(tmp_path: Path) -> None:
    async with two_doors(port_file=tmp_path / "port") as doors:
        written = await asyncio.to_thread((tmp_path / "port").read_text, encoding="utf-8")
        assert written == f"{doors.server.address}\n{doors.back.address}\n"


async def test_an_address_that_is_taken_is_named_whichever_it_is() -> None:
    async with two_doors() as doors:
        twin = Server(ServerOptions(listen="127.0.0.1:0"), service_names=[])
        twin.listen_too(doors.back.address, [])
        with pytest.raises(CannotListenError, match=doors.back.address):
            await twin.start()
        await twin.grpc.stop(None)
