import asyncio
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from consensus_rpc import errors
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.server import CannotListenError, Server, ServerOptions
from tests.unit.consensus_rpc.conftest import KINDS, SERVICE, Probe, Request, Running, serving

ROOT = Path(__file__).resolve().parents[4]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health_of(channel: grpc.aio.Channel, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


async def test_a_service_is_not_serving_until_it_says_so(running: Running) -> None:
    assert [await health_of(running.channel, name) for name in (SERVICE, "")] == [NOT_SERVING, NOT_SERVING]

    await running.server.set_serving(SERVICE, True)
    assert [await health_of(running.channel, name) for name in (SERVICE, "")] == [SERVING, SERVING]

    await running.server.set_serving(SERVICE, False)
    assert [await health_of(running.channel, name) for name in (SERVICE, "")] == [NOT_SERVING, NOT_SERVING]


async def test_what_is_known_apart_has_health_of_its_own() -> None:
    server = Server(ServerOptions(listen="127.0.0.1:0", tune_gc=False), service_names=[SERVICE])
    server.answer_health_of("of/another")
    await server.start()
    serve = asyncio.create_task(server.serve())
    async with grpc.aio.insecure_channel(server.address) as channel:
        await server.set_serving(SERVICE, True)
        assert [await health_of(channel, name) for name in ("", "of/another")] == [SERVING, NOT_SERVING]

        await server.set_serving("of/another", True)
        await server.set_serving(SERVICE, False)
        assert [await health_of(channel, name) for name in ("", "of/another")] == [NOT_SERVING, SERVING]
    server.request_stop()
    await serve


async def test_a_watcher_of_health_hears_of_a_change(running: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(running.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert (await watch.read()).status == NOT_SERVING

    await running.server.set_serving(SERVICE, True)

    assert (await watch.read()).status == SERVING
    watch.cancel()


@pytest.mark.parametrize("on", [True, False])
async def test_reflection_can_be_turned_off(on: bool) -> None:
    async with serving(Probe(), reflection=on) as running:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(running.channel)  # type: ignore[arg-type]  # stubs are for both kinds of channel
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        if on:
            [answer] = [each async for each in call]
            assert SERVICE in {each.name for each in answer.list_services_response.service}
        else:
            with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
                [each async for each in call]


async def test_metrics_are_served_over_http_and_stop_with_the_server() -> None:
    server = Server(
        ServerOptions(listen="127.0.0.1:0", metrics_listen="127.0.0.1:0", tune_gc=False),
        service_names=[SERVICE],
    )
    await server.start()
    serve = asyncio.create_task(server.serve())

    page = await asyncio.to_thread(_read, server.metrics_address)
    server.request_stop()
    await serve

    assert "grpc_server_handled_total" in page
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(_read, server.metrics_address)


def _read(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


async def test_a_taken_port_is_an_error_and_not_shared(running: Running) -> None:
    twin = Server(ServerOptions(listen=running.server.address), service_names=[])

    with pytest.raises(CannotListenError, match="in use"):
        await twin.start()


def contents(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}


async def test_the_port_file_holds_the_bound_address(tmp_path: Path) -> None:
    async with serving(Probe(), port_file=tmp_path / "port") as running:
        found = contents(tmp_path)

    assert found == {"port": f"{running.server.address}\n"}


@pytest.mark.parametrize(
    ("size", "limit"), [(1_500, "1000"), (3_000, "2000")], ids=["with details", "without"]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_beyond_the_limit_is_refused(kind: str, size: int, limit: str) -> None:
    async with serving(Probe(), max_message_bytes=1000) as running:
        with pytest.raises(errors.MessageTooLarge) as raised, contract_errors():
            await running.call(kind, Request(run_id="r" * size))

    assert raised.value.metadata["limit_bytes"] == limit
    assert running.probe.requests == []


Draining = tuple[Running, asyncio.Event, "asyncio.Task[None]"]


@asynccontextmanager
async def draining(grace_seconds: float, **hooks: Any) -> AsyncIterator[Draining]:
    """A server with a call in hand, told to stop; what lets the call end, and the serving task."""
    gate, entered = asyncio.Event(), asyncio.Event()

    async def act(request: Any, context: Any) -> None:
        entered.set()
        await gate.wait()

    async with serving(Probe(act), drain_grace_seconds=grace_seconds) as running:
        await running.server.set_serving(SERVICE, True)
        serve = asyncio.create_task(running.server.serve(**hooks))
        held = asyncio.ensure_future(running.method("UnaryUnary")(Request(run_id="held")))
        held.add_done_callback(lambda done: done.cancelled() or done.exception())
        await entered.wait()
        running.server.request_stop()
        await running.server.draining.wait()
        yield running, gate, serve
        gate.set()
        await serve
        await asyncio.wait([held])


async def test_health_goes_down_at_once_when_the_drain_begins() -> None:
    async with draining(5) as (running, _, _serve):
        assert await health_of(running.channel, SERVICE) == NOT_SERVING
        assert await health_of(running.channel, "") == NOT_SERVING


async def test_new_calls_are_told_that_the_server_shuts_down() -> None:
    async with draining(5) as (running, _, _serve):
        with pytest.raises(errors.ShuttingDown) as raised, contract_errors():
            await running.call("UnaryUnary")

    assert raised.value.retryable


async def test_calls_in_flight_finish_before_the_server_stops() -> None:
    gate, entered = asyncio.Event(), asyncio.Event()

    async def act(request: Any, context: Any) -> None:
        entered.set()
        await gate.wait()

    async with serving(Probe(act), drain_grace_seconds=5) as running:
        serve = asyncio.create_task(running.server.serve())
        held = asyncio.ensure_future(running.method("UnaryUnary")(Request(run_id="held")))
        await entered.wait()
        running.server.request_stop()
        await running.server.draining.wait()
        gate.set()

        assert await held is not None
        await serve


async def test_what_is_left_after_the_grace_is_cut_off_before_the_server_stops() -> None:
    with capture_logs() as logs:
        async with draining(0.05) as (_, _gate, serve):
            await serve

    told = [each for each in logs if each["event"] not in {"listening", "plain_text", "draining"}]
    assert [each["event"] for each in told] == ["drained", "rpc_finished", "stopped"]
    assert (told[0]["complete"], told[0]["calls_in_flight"], told[1]["code"]) == (False, 1, "CANCELLED")


async def test_hooks_run_in_order_while_calls_go_on_and_after_they_ended() -> None:
    seen: list[tuple[str, int]] = []
    served: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    began = asyncio.Event()

    async def on_drain() -> None:
        seen.append(("drain", (await served).calls_in_flight))
        began.set()

    async def on_stop() -> None:
        seen.append(("stop", (await served).calls_in_flight))

    async with draining(5, on_drain=on_drain, on_stop=on_stop) as (running, gate, serve):
        served.set_result(running.server)
        await began.wait()
        gate.set()
        await serve

    assert seen == [("drain", 1), ("stop", 0)]


async def test_a_failing_hook_does_not_keep_the_server_from_stopping() -> None:
    async def on_drain() -> None:
        raise ValueError("hook")

    async with serving(Probe()) as running:
        serve = asyncio.create_task(running.server.serve(on_drain=on_drain))
        with capture_logs() as logs:
            running.server.request_stop()
            await serve

    assert "hook_failed" in {each["event"] for each in logs}


PROCESS = """
import asyncio, sys
from consensus_rpc.telemetry.log import configure_logging
from consensus_rpc.server.server import CannotListenError, Server, ServerOptions, parse_server_args, run
from tests.unit.consensus_rpc.conftest import Probe

async def main(port_file):
    gate = asyncio.Event()
    async def act(request, context):
        print("entered", flush=True)
        await gate.wait()
    options = ServerOptions(listen="127.0.0.1:0", port_file=port_file, drain_grace_seconds=60)
    server = Server(options, service_names=[])
    server.grpc.add_generic_rpc_handlers((Probe(act).handlers(),))
    async def on_drain():
        print("draining", flush=True)
        if "stuck" not in sys.argv:
            gate.set()
    async def on_stop():
        print("stopped", flush=True)
    await server.start()
    print("listening", flush=True)
    await server.serve(on_drain=on_drain, on_stop=on_stop)

configure_logging("probe", log_format="json")
run(main(parse_server_args("probe", sys.argv[1:3]).port_file))
"""


Started = tuple[asyncio.subprocess.Process, grpc.aio.Channel]


@asynccontextmanager
async def process(tmp_path: Path, *arguments: str) -> AsyncIterator[Started]:
    """A server in a process of its own, and a channel to it."""
    port_file = tmp_path / "port"
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS, "--port-file", str(port_file), *arguments),
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert await _line(started) == "listening"
        async with grpc.aio.insecure_channel(port_file.read_text(encoding="utf-8").strip()) as channel:
            yield started, channel
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def _line(started: asyncio.subprocess.Process) -> str:
    assert started.stdout is not None
    return (await asyncio.wait_for(started.stdout.readline(), 30)).decode().strip()


def send(channel: grpc.aio.Channel) -> Any:
    method: Any = channel.unary_unary(f"/{SERVICE}/UnaryUnary")
    return method(Request(run_id="r1").SerializeToString())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_drains_and_the_process_exits_with_zero(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with process(tmp_path) as (started, channel):
        call = send(channel)
        assert await _line(started) == "entered"

        started.send_signal(number)

        assert await call == b""
        assert [await _line(started), await _line(started)] == ["draining", "stopped"]
        assert await asyncio.wait_for(started.wait(), 30) == 0


async def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    async with process(tmp_path, "stuck") as (started, channel):
        call = send(channel)
        assert await _line(started) == "entered"
        started.send_signal(signal.SIGTERM)
        assert await _line(started) == "draining"

        started.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(started.wait(), 5) == 128 + signal.SIGTERM
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_a_hangup_beside_another_signal_ends_nothing_at_once(tmp_path: Path) -> None:
    async with process(tmp_path, "stuck") as (started, channel):
        call = send(channel)
        assert await _line(started) == "entered"
        started.send_signal(signal.SIGTERM)
        assert await _line(started) == "draining"

        started.send_signal(signal.SIGHUP)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(started.wait(), 0.5)
        call.cancel()


async def test_the_event_loops_lag_is_measured(running: Running) -> None:
    name = "consensus_event_loop_lag_seconds"
    await asyncio.sleep(0.3)
    time.sleep(0.6)  # noqa: ASYNC251 - what it measures
    await asyncio.sleep(0.3)

    seen = running.registry.get_sample_value(f"{name}_count") or 0
    short = running.registry.get_sample_value(f"{name}_bucket", {"le": "0.25"})
    assert seen >= 2
    assert short == seen - 1
