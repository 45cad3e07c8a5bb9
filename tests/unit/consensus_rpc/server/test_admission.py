import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus_rpc import errors
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.admission import Admission
from consensus_rpc.server.identity import ASSERT, Identity
from consensus_rpc.server.probes import is_probe
from tests.unit.consensus_rpc.conftest import KINDS, Probe, Request, Running, serving


@pytest.fixture
async def full() -> AsyncIterator[Running]:
    """A server that admits one call, and has it in hand."""
    gate, entered = asyncio.Event(), asyncio.Event()

    async def act(request: Any, context: Any) -> None:
        entered.set()
        await gate.wait()

    async with serving(Probe(act), max_calls_in_flight=1) as running:
        held = asyncio.ensure_future(running.method("UnaryUnary")(Request(run_id="held")))
        await entered.wait()
        yield running
        gate.set()
        await held


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_beyond_the_limit_is_refused_with_all_a_client_needs(full: Running, kind: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await full.call(kind)

    with pytest.raises(errors.Overloaded) as known, contract_errors():
        raise raised.value
    assert known.value.retry_after_seconds == 1.0
    assert known.value.metadata["limit"] == "1"
    assert [each.subject for each in known.value.quota] == ["calls in flight"]
    assert dict(raised.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    assert [each.run_id for each in full.probe.requests] == ["held"]


async def test_health_is_answered_at_any_load(full: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(full.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_refused_call_does_not_count_as_in_flight(full: Running) -> None:
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await full.call("UnaryUnary")

    assert full.server.calls_in_flight == 1


async def test_a_place_that_is_free_again_is_given_again() -> None:
    async with serving(Probe(), max_calls_in_flight=1) as running:
        for kind in KINDS * 2:
            await running.call(kind)
            await running.settled()


@pytest.mark.parametrize(
    "method",
    ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"],
)
def test_probes_are_outside_admission(method: str) -> None:
    assert is_probe(method)


@pytest.mark.parametrize(
    "method", ["/consensus.v1.ReviewService/GetRun", "/grpc.health.v1.HealthX/Check", "/", ""]
)
def test_nothing_else_is_probe(method: str) -> None:
    assert not is_probe(method)


async def test_waiting_for_idleness_ends_when_the_time_is_up() -> None:
    admission = Admission(limit=1)
    admission.enter()

    assert not await admission.wait_idle(0.01)
    admission.leave()
    assert await admission.wait_idle(0)


class ByName:
    """Believes what a call says of itself."""

    def of(self, method: str) -> "ByName":
        return self

    async def enter(self, context: Any) -> Identity:
        said = dict(context.invocation_metadata())
        return Identity(tenant=said["tenant"], caller="x", scopes=frozenset(said.get("scopes", "").split()))

    def check(self, identity: Identity, request: Any) -> None:
        """Nothing."""

    def refused(self, identity: Identity, error: Exception) -> None:
        """Nothing."""

    def check_methods(self, registered: Any) -> None:
        """Nothing."""

    async def check_again(self, identity: Identity) -> None:
        """Nothing."""


async def test_a_tenant_takes_no_place_of_another_and_gets_its_own_back() -> None:
    gate, entered = asyncio.Event(), asyncio.Semaphore(0)

    async def act(request: Any, context: Any) -> None:
        if request.run_id == "held":
            entered.release()
            await gate.wait()

    async with serving(Probe(act), guard=ByName(), max_calls_in_flight_per_tenant=2) as running:
        method = running.method("UnaryUnary")
        held = [
            asyncio.ensure_future(method(Request(run_id="held"), metadata=metadata))
            for metadata in (*[(("tenant", "one"),)] * 2, *[(("tenant", "one"), ("scopes", ASSERT))] * 2)
        ]
        for _ in held:
            await entered.acquire()
        with pytest.raises(errors.Overloaded) as refused, contract_errors():
            await method(Request(run_id="r"), metadata=(("tenant", "one"),))
        assert [each.subject for each in refused.value.quota] == ["calls in flight of a tenant"]
        await method(Request(run_id="r"), metadata=(("tenant", "two"),))
        held[0].cancel()
        gate.set()
        await asyncio.gather(*held[1:])
        for _ in range(3):
            await method(Request(run_id="r"), metadata=(("tenant", "one"),))
