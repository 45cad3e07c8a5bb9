import asyncio
import gc
import uuid
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from consensus_contract import errors as nouns
from consensus_contract.errors import ConsensusError
from consensus_rpc import errors
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.quietly import say_found_nothing
from tests.unit.consensus_rpc.conftest import KINDS, SERVICE, Probe, Request, Response, Running, serving
from tests.unit.consensus_rpc.samples import SAMPLES

CANARY = "canary-7f3a"


def raising(error: BaseException) -> Callable[[Any, Any], Any]:
    async def act(request: Any, context: Any) -> None:
        raise error

    return act


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_of_each_kind_is_answered(running: Running, kind: str) -> None:
    assert await running.call(kind)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
async def test_what_a_handler_raises_is_raised_again_by_the_client(
    running: Running, error: ConsensusError
) -> None:
    running.probe.act = raising(error)

    with pytest.raises(type(error)) as raised, contract_errors():
        await running.call("UnaryUnary")

    assert raised.value.message == error.message
    assert raised.value.metadata.items() >= error.metadata.items()
    assert raised.value.request_id


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_is_answered_in_every_kind_of_call(running: Running, kind: str) -> None:
    running.probe.act = raising(nouns.RunNotFound(run_id="r1"))

    with pytest.raises(nouns.RunNotFound), contract_errors():
        await running.call(kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_of_an_unexpected_exception_the_log_has_class_and_place_and_nobody_its_text(
    running: Running, kind: str
) -> None:
    running.probe.act = raising(ValueError(CANARY))

    with capture_logs() as logs:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await running.call(kind)
        await running.settled()

    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert CANARY not in repr(raised.value) + repr(raised.value.trailing_metadata())
    [failure] = [each for each in logs if each["event"] == "rpc_failed_unexpectedly"]
    assert failure["trace"][0] == "builtins.ValueError"
    assert any("test_interceptor.py" in line for line in failure["trace"])
    assert CANARY not in repr(logs)


class Mistaken(Probe):
    """Answers with what is no message."""

    async def unary_unary(self, request: Any, context: Any) -> Any:
        return object()


async def test_an_answer_of_the_wrong_type_is_an_internal_error() -> None:
    async with serving(Mistaken()) as running:
        with pytest.raises(nouns.InternalError), contract_errors():
            await running.call("UnaryUnary")


async def test_what_nobody_has_given_a_meaning_is_an_internal_error(running: Running) -> None:
    running.probe.act = raising(errors.ServerUnreachable(f"{CANARY}: connection refused"))

    with pytest.raises(nouns.InternalError) as raised, contract_errors():
        await running.call("UnaryUnary")

    assert CANARY not in repr(raised.value)


async def test_an_error_of_a_hop_further_on_is_answered_under_this_calls_id(running: Running) -> None:
    running.probe.act = raising(nouns.RunNotFound.rebuilt("gone", metadata={"request_id": "theirs"}))

    with pytest.raises(nouns.RunNotFound) as raised, contract_errors():
        await running.call("UnaryUnary", metadata=(("x-request-id", "mine-1"),))

    assert raised.value.request_id == "mine-1"


async def test_a_task_groups_error_of_the_contract_is_told_as_it_is(running: Running) -> None:
    running.probe.act = raising(ExceptionGroup("tasks", [nouns.LeaseLost(run_id="r1")]))

    with pytest.raises(nouns.LeaseLost), contract_errors():
        await running.call("UnaryUnary")


@pytest.mark.parametrize("kind", KINDS)
async def test_undecodable_bytes_are_an_invalid_argument(running: Running, kind: str) -> None:
    method = running.method(kind, serialize=lambda raw: raw)
    call = method(b"\xff\xff\xff" if kind.startswith("Unary") else iter([b"\xff\xff\xff"]))

    with pytest.raises(errors.InvalidField) as raised, contract_errors():
        _ = [each async for each in call] if kind.endswith("Stream") else await call

    assert "GetRunRequest" not in repr(raised.value)
    assert running.probe.requests == []


async def test_a_handler_sees_its_call_cancelled(running: Running) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def act(request: Any, context: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    running.probe.act = act
    with capture_logs() as logs:
        call = running.method("UnaryUnary")(Request(run_id="r1"))
        await entered.wait()
        call.cancel()
        await cancelled.wait()
        await running.settled()

    assert [each["code"] for each in logs if each["event"] == "rpc_finished"] == ["CANCELLED"]


class Held:
    """Something large that a handler has in its hands."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "error",
    [
        nouns.RunNotFound(run_id="r1"),
        ValueError("unexpected"),
        ExceptionGroup("tasks", [nouns.LeaseLost(run_id="r1")]),
    ],
    ids=["of the contract", "unexpected", "a group's"],
)
async def test_what_a_refused_call_held_is_let_go_without_the_collector(
    running: Running, kind: str, error: Exception
) -> None:
    held: list[weakref.ref[Held]] = []

    async def act(request: Any, context: Any) -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        raise error

    running.probe.act = act
    gc.disable()
    try:
        with pytest.raises(grpc.aio.AioRpcError):
            await running.call(kind)
        await running.settled()
        assert [each() for each in held] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_named", [True, False], ids=["the cause", "the context"])
async def test_what_a_call_held_when_it_met_what_led_to_its_refusal_is_let_go_too(
    running: Running, kind: str, is_named: bool
) -> None:
    held: list[weakref.ref[Held]] = []

    async def act(request: Any, context: Any) -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        try:
            _ = dict[str, Any]()[request.run_id]
        except KeyError as missing:
            if is_named:
                raise nouns.RunNotFound(run_id="r1") from missing
            raise nouns.RunNotFound(run_id="r1")  # noqa: B904 - as where nobody thought of it

    running.probe.act = act
    gc.disable()
    try:
        with pytest.raises(grpc.aio.AioRpcError):
            await running.call(kind)
        await running.settled()
        assert [each() for each in held] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", KINDS)
async def test_one_error_that_ends_many_calls_ends_each_of_them_with_its_status(
    running: Running, kind: str
) -> None:
    """As when the database goes: all meet the same error, and each takes its time to leave."""
    count = 20
    all_wait, error = asyncio.Barrier(count), nouns.DatabaseUnavailable()

    async def act(request: Any, context: Any) -> None:
        try:
            await all_wait.wait()
            raise error
        finally:
            for _ in range(int(request.run_id) % 7):
                await asyncio.sleep(0)

    async def ended(number: int) -> None:
        with pytest.raises(nouns.DatabaseUnavailable), contract_errors():
            await running.call(kind, Request(run_id=str(number)))

    running.probe.act = act
    await asyncio.gather(*map(ended, range(count)))


class Endless(Probe):
    """Streams until its reader is gone; then says what had been logged when it was closed."""

    def __init__(self, logs: list[Any]) -> None:
        super().__init__()
        self._logs = logs
        self.logged_before_closing: list[str] = []

    async def unary_stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            while True:  # until the window is full: then the writer waits, and the reader goes
                yield Response()
        finally:
            await asyncio.sleep(0)
            self.logged_before_closing = [each["event"] for each in self._logs]


async def test_a_stream_that_its_reader_leaves_is_closed_before_the_call_ends() -> None:
    with capture_logs() as logs:
        async with serving(Endless(logs)) as running:
            call = running.method("UnaryStream")(Request(run_id="r1"))
            await call.read()
            call.cancel()
            await running.settled()

        assert isinstance(running.probe, Endless)
        assert running.probe.logged_before_closing == ["listening", "plain_text"]
        assert [each["event"] for each in logs] == ["listening", "plain_text", "rpc_finished"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_callers_request_id_comes_back(running: Running, kind: str) -> None:
    _, trailers = await running.call_with_trailers(kind, metadata=(("x-request-id", "mine-1"),))

    assert trailers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "semi;colon"])
async def test_a_bad_request_id_is_replaced(running: Running, given: str) -> None:
    _, trailers = await running.call_with_trailers("UnaryUnary", metadata=(("x-request-id", given),))

    assert uuid.UUID(trailers["x-request-id"]).version == 7


async def test_a_stream_answers_with_the_request_id_before_its_first_message(running: Running) -> None:
    call = running.method("UnaryStream")(Request(run_id="r1"), metadata=(("x-request-id", "mine-1"),))

    assert dict(await call.initial_metadata())["x-request-id"] == "mine-1"


async def test_the_request_id_is_bound_to_what_a_handler_logs(running: Running) -> None:
    async def act(request: Any, context: Any) -> None:
        structlog.get_logger().info("step_finished")

    running.probe.act = act
    with capture_logs(processors=[merge_contextvars]) as logs:
        await running.call("UnaryUnary", metadata=(("x-request-id", "mine-1"),))
        await running.settled()

    assert {each["event"]: each["request_id"] for each in logs} == {
        "step_finished": "mine-1",
        "rpc_finished": "mine-1",
    }


@pytest.mark.parametrize(
    ("kind", "received", "sent"),
    [("UnaryUnary", 1, 1), ("UnaryStream", 1, 3), ("StreamUnary", 2, 1), ("StreamStream", 2, 2)],
)
async def test_every_call_leaves_one_line(running: Running, kind: str, received: int, sent: int) -> None:
    requests = [Request(run_id="r1")] * received

    with capture_logs() as logs:
        await running.call(kind, *requests)
        await running.settled()

    [line] = logs
    assert line["event"] == "rpc_finished"
    assert line["method"] == f"{SERVICE}/{kind}"
    assert (line["code"], line["reason"], line["received"], line["sent"]) == ("OK", "", received, sent)
    assert line["duration_ms"] > 0
    assert line["peer"].startswith("ipv4:127.0.0.1:")


async def test_the_line_of_a_failed_call_names_reason_and_run(running: Running) -> None:
    running.probe.act = raising(nouns.LeaseLost(run_id="r1"))

    with capture_logs(processors=[merge_contextvars]) as logs:
        with pytest.raises(grpc.aio.AioRpcError):
            await running.call("UnaryUnary")
        await running.settled()

    [line] = logs
    assert (line["code"], line["reason"], line["run_id"]) == ("ABORTED", "LEASE_LOST", "r1")


async def test_a_call_that_found_nothing_to_do_fills_no_log(running: Running) -> None:
    found = [0, 1]

    async def act(request: Any, context: Any) -> None:
        if not found.pop(0):
            say_found_nothing()

    running.probe.act = act
    with capture_logs() as logs:
        await running.call("UnaryUnary")
        await running.call("UnaryUnary")
        await running.settled()

    assert [each["log_level"] for each in logs] == ["debug", "info"]


async def test_too_little_time_is_refused_before_the_handler(running: Running) -> None:
    with pytest.raises(errors.CallDeadlineExceeded) as raised, contract_errors():
        await running.call("UnaryUnary", timeout=0.09)

    assert raised.value.reason_name == "CALL_DEADLINE_EXCEEDED"
    assert running.probe.requests == []


async def test_calls_are_counted_by_code(running: Running) -> None:
    await running.call("UnaryUnary")
    running.probe.act = raising(nouns.RunNotFound(run_id="r1"))
    with pytest.raises(grpc.aio.AioRpcError):
        await running.call("UnaryUnary")
    await running.settled()

    labels = {"grpc_service": SERVICE, "grpc_method": "UnaryUnary", "grpc_type": "unary"}
    read = running.registry.get_sample_value
    assert read("grpc_server_handled_total", {**labels, "grpc_code": "OK"}) == 1
    assert read("grpc_server_handled_total", {**labels, "grpc_code": "NOT_FOUND"}) == 1
    assert read("grpc_server_handling_seconds_count", labels) == 2
    assert read("grpc_server_in_flight", labels) == 0
