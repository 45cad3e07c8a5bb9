"""What a client does when it is cut: pure."""

import grpc
import pytest

from consensus_client.reconnecting import Reconnection, ReconnectPolicy, is_cut
from consensus_contract.errors import (
    DatabaseUnavailable,
    InternalError,
    LlmUnavailable,
    RunCancelled,
    RunNotFound,
)
from consensus_rpc.channel.status import error_from_rpc
from consensus_rpc.errors import (
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
    SlowConsumer,
    UnclassifiedError,
)


class Clock:
    """Time that moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def no_chance() -> float:
    return 0.0


def cut_again(reconnection: Reconnection, clock: Clock) -> list[float]:
    """The waits until it is enough."""
    waits = []
    try:
        while True:
            waits.append(reconnection.wait_seconds(ServerUnreachable("gone")))
            clock.now += waits[-1]
    except ServerUnreachable:
        return waits


def test_waits_double_up_to_the_ceiling() -> None:
    policy = ReconnectPolicy(initial_seconds=1, multiplier=2, ceiling_seconds=5, start_seconds=20)
    clock = Clock()
    waits = cut_again(Reconnection(policy, clock=clock, chance=no_chance), clock)
    assert waits == [1, 2, 4, 5, 5]


def test_chance_makes_a_wait_longer_by_at_most_a_quarter() -> None:
    reconnection = Reconnection(ReconnectPolicy(initial_seconds=1), clock=Clock(), chance=lambda: 0.999)
    assert reconnection.wait_seconds(ServerUnreachable("gone")) == pytest.approx(1.25, abs=0.001)


def test_a_longer_wait_that_the_server_asks_for_wins() -> None:
    policy = ReconnectPolicy(initial_seconds=1, start_seconds=10)
    reconnection = Reconnection(policy, clock=Clock(), chance=no_chance)
    assert reconnection.wait_seconds(ShuttingDown(retry_after_seconds=7)) == 7.0


@pytest.mark.parametrize("bad", [{"initial_seconds": 0.0}, {"multiplier": 0.5}], ids=str)
def test_a_policy_that_would_spin_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="initial_seconds"):
        ReconnectPolicy(**bad)


def test_a_stream_under_way_is_given_more_time_than_a_start() -> None:
    clock = Clock()
    policy = ReconnectPolicy(start_seconds=1, follow_seconds=10)
    reconnection = Reconnection(policy, clock=clock, chance=no_chance)
    assert sum(cut_again(reconnection, clock)) <= 1
    reconnection.progressed()
    assert 5 < sum(cut_again(reconnection, clock)) <= 10


def test_a_quiet_run_does_not_use_up_the_time_for_reconnecting() -> None:
    clock = Clock()
    reconnection = Reconnection(ReconnectPolicy(), clock=clock, chance=no_chance)
    reconnection.progressed()
    clock.now += 3600
    assert reconnection.wait_seconds(ServerUnreachable("gone")) == pytest.approx(0.1)


def test_heartbeats_of_a_stream_that_is_cut_each_time_are_no_progress() -> None:
    clock = Clock()
    reconnection = Reconnection(ReconnectPolicy(start_seconds=1), clock=clock, chance=no_chance)
    reconnection.wait_seconds(ServerUnreachable("gone"))
    clock.now += 0.9
    reconnection.still_alive()
    with pytest.raises(ServerUnreachable):
        reconnection.wait_seconds(ServerUnreachable("gone"))


@pytest.mark.parametrize(
    ("error", "cut"),
    [
        (ServerUnreachable.rebuilt("gone", retry_after_seconds=1), True),
        (DatabaseUnavailable(), True),
        (Overloaded(subject="runs", limit=1), True),
        (SlowConsumer(run_id="r", last_sequence=1), True),
        (RunCancelled(run_id="r"), False),
        (LlmUnavailable(run_id="r"), False),
        (RunNotFound(run_id="r"), False),
        (InternalError.rebuilt("run r ended", metadata={"run_state": "FAILED"}), False),
        (UnclassifiedError.rebuilt("of a newer server", metadata={"run_state": "FAILED"}), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_only_what_ends_a_call_and_not_a_run_is_a_cut(error: Exception, cut: bool) -> None:
    assert is_cut(error) is cut  # type: ignore[arg-type]  # the table holds errors of the contract


TOO_LARGE = "CLIENT: Received message larger than max (5000000 vs. 4194304)"


@pytest.mark.parametrize(
    ("code", "text", "cut"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", True),
        (grpc.StatusCode.CANCELLED, "CANCELLED", True),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", True),
        (grpc.StatusCode.UNKNOWN, "Stream removed", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", True),
        (grpc.StatusCode.CANCELLED, "Locally cancelled by application!", False),
        (grpc.StatusCode.CANCELLED, "Channel closed!", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_LARGE, False),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", False),
        (grpc.StatusCode.PERMISSION_DENIED, "", False),
    ],
)
def test_a_status_without_a_reason_is_a_cut_unless_the_caller_or_the_method_is_to_blame(
    code: grpc.StatusCode, text: str, cut: bool
) -> None:
    bare = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), text)
    reconnection = Reconnection(ReconnectPolicy(initial_seconds=0.1), clock=Clock(), chance=no_chance)
    error = error_from_rpc(bare)
    assert is_cut(error) is cut
    if cut:
        assert reconnection.wait_seconds(error) == 0.1
