"""Callers that take nothing while their stream stays open: place, bytes and stream are freed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from consensus_rpc import errors
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.outgoing import Outgoing
from tests.support.pair import until
from tests.unit.consensus_rpc.conftest import KINDS, Probe, Request, Response, Running, serving

BEYOND_A_WINDOW = 200_000
BIG = Response.FromString(Request(run_id="x" * BEYOND_A_WINDOW).SerializeToString())  # in an unknown field
REQUEST = Request(run_id="r1")


class Big(Probe):
    """Answers with more than the window of a stream."""

    async def unary_unary(self, request: Any, context: Any) -> Any:
        return BIG

    async def unary_stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield BIG

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        return BIG

    async def stream_stream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield BIG


def stalled(running: Running, kind: str) -> Any:
    """A call whose answer nobody reads; the library behind it takes a window of it."""
    make = {
        "UnaryUnary": running.channel.unary_stream,
        "UnaryStream": running.channel.unary_stream,
        "StreamUnary": running.channel.stream_stream,
        "StreamStream": running.channel.stream_stream,
    }[kind]
    method: Any = make(f"/test.v1.ProbeService/{kind}")
    raw = REQUEST.SerializeToString()
    return method(raw if kind.startswith("Unary") else iter([raw]))


async def reset(running: Running, count: int) -> None:
    """Waits until so many were reset, and makes grpc.aio let go of the newest with one call more."""

    async def were_reset() -> bool:
        return (running.registry.get_sample_value("consensus_streams_reset_total") or 0) >= count

    await until(were_reset)
    await running.call("UnaryUnary")


async def rest_of(call: Any) -> grpc.StatusCode:
    """Reads what is left, and returns what the call ended with."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode(await call.code())


@asynccontextmanager
async def big(**options: Any) -> AsyncIterator[Running]:
    """Serves big answers. One call is made: grpc.aio holds a server's first for good."""
    async with serving(Big(), **options) as running:
        await running.call("UnaryUnary")
        yield running


async def begun(running: Running) -> None:
    async def has_begun() -> bool:
        return running.server.calls_in_flight > 0

    await until(has_begun)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_not_taken_is_reset_in_every_kind_of_call(kind: str) -> None:
    async with big(slow_consumer_seconds=0.5) as running:
        calls = [stalled(running, kind) for _ in range(3)]
        await reset(running, 3)

        assert [await rest_of(call) for call in calls] == [grpc.StatusCode.CANCELLED] * 3
        assert running.server.calls_in_flight == 0


async def test_ten_that_stall_do_not_fill_a_limit_of_ten() -> None:
    async with big(slow_consumer_seconds=0.5, max_calls_in_flight=10) as running:
        calls = [stalled(running, "UnaryStream") for _ in range(10)]

        async def is_admitted() -> bool:
            try:
                return bool(await running.call("UnaryUnary"))
            except grpc.aio.AioRpcError:
                return False

        await until(is_admitted)
        await reset(running, 10)
        for call in calls:
            call.cancel()


async def test_one_that_reads_again_is_told_why_it_was_let_go() -> None:
    async with big(slow_consumer_seconds=1.0) as running:
        call = stalled(running, "UnaryStream")
        await begun(running)

        async def has_lost_its_place() -> bool:
            return running.server.calls_in_flight == 0

        await until(has_lost_its_place)
        with pytest.raises(errors.SlowConsumer) as raised, contract_errors():  # noqa: PT012 - after what was sent
            while await call.read() is not grpc.aio.EOF:
                pass

    assert raised.value.message == "the reader took nothing for too long"


class Writing(Probe):
    """Writes to its context itself."""

    async def unary_stream(self, request: Any, context: Any) -> None:  # type: ignore[override]
        outgoing = Outgoing(context, slow_seconds=0.5, run_id="r1")
        for sequence in range(3):
            await outgoing.send(BIG, last_sequence=sequence)


async def test_a_handler_that_writes_itself_is_let_go_too() -> None:
    async with serving(Writing(), slow_consumer_seconds=0.5) as running:
        with capture_logs() as logs:
            call = stalled(running, "UnaryStream")
            await reset(running, 1)
            await running.settled()
            call.cancel()

    assert [(each["event"], each["log_level"]) for each in logs if each["event"] != "rpc_finished"] == [
        ("slow_consumer", "warning"),
        ("stream_reset", "warning"),
    ]


async def test_a_reader_in_time_is_not_reset() -> None:
    async with big(slow_consumer_seconds=0.4) as running:
        call = stalled(running, "UnaryStream")
        for _ in range(3):
            await asyncio.sleep(0.2)
            assert await call.read() is not grpc.aio.EOF

        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_beyond_their_bytes_the_oldest_are_reset_before_their_time(kind: str) -> None:
    async with big(slow_consumer_seconds=60, max_unread_bytes=2 * BEYOND_A_WINDOW + 1000) as running:
        calls = [stalled(running, kind) for _ in range(5)]
        await reset(running, 3)
        ends = Counter([await rest_of(call) for call in calls])

    assert ends == {grpc.StatusCode.CANCELLED: 3, grpc.StatusCode.OK: 2}
