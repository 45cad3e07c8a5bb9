import asyncio
import contextlib
import json
from contextvars import copy_context
from typing import Any

import grpc
import pytest

from consensus_contract import errors as nouns
from consensus_rpc import errors
from consensus_rpc.channel.channels import ChannelOptions, call_options, open_channel
from consensus_rpc.channel.deadline import hop_timeout
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.telemetry.request_id import work_for
from tests.support.fault_proxy import FaultProxy
from tests.support.name_server import name_server
from tests.unit.consensus_rpc.conftest import SERVICE, Probe, Request, Response, Running, serving


class Context:
    """A servicer's context with so many seconds left."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def time_remaining(self) -> float | None:
        return self._seconds


def test_a_hop_gets_what_remains_less_a_margin() -> None:
    assert hop_timeout(Context(1.0)) == pytest.approx(0.98)
    assert hop_timeout(1.0) == pytest.approx(0.98)


def test_a_call_without_a_deadline_hands_none_on() -> None:
    assert hop_timeout(Context(None)) is None
    assert hop_timeout(None) is None


def test_a_ceiling_bounds_the_hop() -> None:
    assert hop_timeout(Context(10.0), ceiling_seconds=2.0) == 2.0
    assert hop_timeout(None, ceiling_seconds=2.0) == 2.0
    assert hop_timeout(1.0, ceiling_seconds=2.0) == pytest.approx(0.98)


@pytest.mark.parametrize("left", [0.099, 0.0, -1.0])
def test_with_too_little_left_no_hop_is_made(left: float) -> None:
    with pytest.raises(errors.CallDeadlineExceeded):
        hop_timeout(left)


async def test_the_request_id_goes_from_hop_to_hop() -> None:
    async with serving(Probe()) as behind:

        async def act(request: Any, context: Any) -> None:
            await behind.method("UnaryUnary")(request, **call_options(context))

        async with serving(Probe(act)) as front:
            seen: list[str] = []

            async def record(request: Any, context: Any) -> None:
                seen.append(dict(context.invocation_metadata())["x-request-id"])

            behind.probe.act = record
            await front.call("UnaryUnary", metadata=(("x-request-id", "mine-1"),))

    assert seen == ["mine-1"]


async def test_a_callers_deadline_reaches_the_next_hop_shortened() -> None:
    left: list[float] = []

    async def record(request: Any, context: Any) -> None:
        left.append(context.time_remaining())

    async with serving(Probe(record)) as behind:

        async def act(request: Any, context: Any) -> None:
            options = call_options(context)
            left.extend([context.time_remaining(), options["timeout"] or 0.0])
            await behind.method("UnaryUnary")(request, **options)

        async with serving(Probe(act)) as front:
            await front.call("UnaryUnary", timeout=30)

    here, handed_on, there = left
    assert handed_on == pytest.approx(here - 0.02, abs=0.01)
    assert there < 31  # gRPC rounds deadlines up on the wire, by more than the margin


def test_a_call_outside_a_request_has_an_id_of_its_own() -> None:
    context = copy_context()
    context.run(work_for, "bound")

    assert dict(context.run(call_options)["metadata"])["x-request-id"] == "bound"
    assert (
        dict(call_options()["metadata"])["x-request-id"] != dict(call_options()["metadata"])["x-request-id"]
    )


def test_only_the_reads_that_are_named_are_retried() -> None:
    config = json.loads(ChannelOptions(retry_reads={"a.v1.S": ("GetRun",)}).service_config())

    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    [method] = config["methodConfig"]
    assert method["name"] == [{"service": "a.v1.S", "method": "GetRun"}]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert json.loads(ChannelOptions().service_config())["methodConfig"] == []


@pytest.mark.parametrize(("retried", "calls"), [(("UnaryUnary",), 3), ((), 1)], ids=["read", "change"])
async def test_an_unavailable_server_is_asked_again_for_reads_only(
    retried: tuple[str, ...], calls: int
) -> None:
    async def act(request: Any, context: Any) -> None:
        raise nouns.DatabaseUnavailable

    async with serving(Probe(act)) as running:
        options = ChannelOptions(retry_reads={SERVICE: retried} if retried else {})
        async with open_channel(running.server.address, options) as channel:
            method = channel.unary_unary(
                f"/{SERVICE}/UnaryUnary", Request.SerializeToString, Response.FromString
            )
            with pytest.raises(nouns.DatabaseUnavailable), contract_errors():
                await method(Request(run_id="r1"))

        assert len(running.probe.requests) == calls


def test_every_client_of_ours_notices_a_silent_peer_within_40_s() -> None:
    options = ChannelOptions()

    assert options.keepalive_seconds + options.ping_timeout_seconds <= 40


async def test_a_stream_whose_peer_vanished_without_a_word_ends() -> None:
    quick = ChannelOptions(keepalive_seconds=0.3, ping_timeout_seconds=0.3)

    async def vanish(_request: Any, _context: Any) -> None:
        proxy.black_hole()
        await asyncio.Event().wait()

    async with (
        serving(Probe(vanish)) as running,
        FaultProxy.start(running.server.address) as proxy,
        open_channel(proxy.address, quick) as channel,
    ):
        method: Any = channel.unary_stream(f"/{SERVICE}/UnaryStream")
        stream = method(Request(run_id="r1").SerializeToString())
        async with asyncio.timeout(10):
            with pytest.raises(errors.ServerUnreachable), contract_errors():
                await stream.read()


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with serving(Probe()) as running:
        address = running.server.address

    async with open_channel(address) as channel:
        method = channel.unary_unary(f"/{SERVICE}/UnaryUnary", Request.SerializeToString, Response.FromString)
        with pytest.raises(errors.ServerUnreachable) as raised, contract_errors():
            await method(Request(run_id="r1"), timeout=10)

    assert raised.value.retryable


async def test_a_synchronous_client_gets_the_same_errors(running: Running) -> None:
    async def act(request: Any, context: Any) -> None:
        raise nouns.RunNotFound(run_id="r1")

    running.probe.act = act

    def call() -> None:
        with grpc.insecure_channel(running.server.address) as channel, contract_errors():
            channel.unary_unary(f"/{SERVICE}/UnaryUnary", Request.SerializeToString, Response.FromString)(
                Request(run_id="r1"), timeout=10
            )

    with pytest.raises(nouns.RunNotFound):
        await asyncio.to_thread(call)


async def test_calls_are_spread_over_all_addresses_of_a_name() -> None:
    async with serving(Probe()) as one, serving(Probe()) as two:
        both = ",".join(each.server.address for each in (one, two))
        async with open_channel(f"ipv4:{both}") as channel:
            method = channel.unary_unary(
                f"/{SERVICE}/UnaryUnary", Request.SerializeToString, Response.FromString
            )
            while not (one.probe.requests and two.probe.requests):
                await method(Request(run_id="r1"), timeout=10)

    assert one.probe.requests
    assert two.probe.requests


async def test_calls_take_turns_over_the_connections_of_a_channel() -> None:
    async with serving(Probe()) as running:
        peers: list[str] = []

        async def record(_request: Any, context: Any) -> None:
            peers.append(context.peer())

        running.probe.act = record
        async with open_channel(running.server.address, ChannelOptions(connections=3)) as channel:
            method: Any = channel.unary_unary(f"/{SERVICE}/UnaryUnary")
            for _ in range(6):
                await method(Request(run_id="r1").SerializeToString())
        assert len(set(peers)) == 3
        assert peers[:3] == peers[3:]


async def test_a_channel_does_not_wait_because_another_could_not_connect() -> None:
    async with serving(Probe()) as running:
        address = running.server.address
    async with open_channel(address) as early:
        method: Any = early.unary_unary(f"/{SERVICE}/UnaryUnary")
        with pytest.raises(errors.ServerUnreachable), contract_errors():
            await method(b"")
        async with serving(Probe(), listen=address) as running:
            assert await running.call("UnaryUnary")


async def test_a_server_at_a_new_address_is_found_as_soon_as_the_connection_to_the_old_one_fails() -> None:
    async with name_server("127.0.0.1") as (names, at), serving(Probe()) as old:
        port = old.server.address.rpartition(":")[2]
        async with open_channel(f"dns://{at}/service.test:{port}") as channel:
            method: Any = channel.unary_unary(f"/{SERVICE}/UnaryUnary")
            await method(Request(run_id="r1").SerializeToString(), timeout=10)
            async with serving(Probe(), listen=f"127.0.0.2:{port}") as new:
                names.address = "127.0.0.2"
                await old.server.grpc.stop(None)
                async with asyncio.timeout(25):  # by default 30 s lie between two questions
                    while not new.probe.requests:
                        with contextlib.suppress(grpc.aio.AioRpcError):
                            await method(Request(run_id="r1").SerializeToString(), timeout=1)
                        await asyncio.sleep(0.05)
