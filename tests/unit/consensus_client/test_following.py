"""The reader's cursor and patience: pure."""

import pytest

from consensus.v1 import event_pb2, review_service_pb2
from consensus_client.following import Cursor, Patience, ReconnectPolicy, is_cut
from consensus_contract.errors import DatabaseUnavailable, LlmUnavailable, RunCancelled, RunNotFound
from consensus_rpc.errors import Overloaded, ServerUnreachable, SlowConsumer
from tests.unit.consensus_client import samples


class Clock:
    """Time that moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def message(event: event_pb2.RunEvent) -> review_service_pb2.WatchRunResponse:
    return review_service_pb2.WatchRunResponse(event=event)


def cut_again(patience: Patience, clock: Clock) -> list[float]:
    """The waits until patience ends."""
    waits = []
    try:
        while True:
            waits.append(patience.wait_seconds(ServerUnreachable("gone")))
            clock.now += waits[-1]
    except ServerUnreachable:
        return waits


def test_waits_double_up_to_the_ceiling() -> None:
    policy = ReconnectPolicy(initial_seconds=1, multiplier=2, ceiling_seconds=5)
    assert [policy.delay_seconds(n, 0.0, None) for n in (1, 2, 3, 4, 500)] == [1, 2, 4, 5, 5]


def test_randomness_shortens_a_wait_by_at_most_a_quarter() -> None:
    assert ReconnectPolicy(initial_seconds=1).delay_seconds(1, 0.999, None) == pytest.approx(0.75, abs=0.001)


def test_a_longer_wait_that_the_server_asks_for_wins() -> None:
    assert ReconnectPolicy(initial_seconds=1).delay_seconds(1, 0.0, 7.0) == 7.0


@pytest.mark.parametrize("bad", [{"initial_seconds": 0.0}, {"multiplier": 0.5}], ids=str)
def test_a_policy_that_would_spin_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="initial_seconds"):
        ReconnectPolicy(**bad)


def test_a_stream_under_way_is_given_more_time_than_a_start() -> None:
    clock = Clock()
    policy = ReconnectPolicy(start_seconds=1, follow_seconds=10)
    patience = Patience(policy, clock, lambda: 0.0)
    assert sum(cut_again(patience, clock)) <= 1
    patience.progressed()
    assert 5 < sum(cut_again(patience, clock)) <= 10


def test_a_quiet_run_does_not_use_up_the_time_for_reconnecting() -> None:
    clock = Clock()
    patience = Patience(ReconnectPolicy(), clock, lambda: 0.0)
    patience.progressed()
    clock.now += 3600
    assert patience.wait_seconds(ServerUnreachable("gone")) == pytest.approx(0.1)


def test_heartbeats_of_a_stream_that_is_cut_each_time_are_no_progress() -> None:
    clock = Clock()
    patience = Patience(ReconnectPolicy(start_seconds=1), clock, lambda: 0.0)
    patience.wait_seconds(ServerUnreachable("gone"))
    clock.now += 0.9
    patience.still_alive()
    with pytest.raises(ServerUnreachable):
        patience.wait_seconds(ServerUnreachable("gone"))


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
    ],
    ids=lambda each: type(each).__name__,
)
def test_only_what_ends_a_call_and_not_a_run_is_a_cut(error: Exception, cut: bool) -> None:
    assert is_cut(error) is cut  # type: ignore[arg-type]  # the table holds errors of the contract


def test_a_cursor_takes_each_event_once_and_in_order() -> None:
    first, second, third = samples.completed_events()[:3]
    cursor = Cursor()
    assert cursor.take(message(first)) == first
    assert cursor.take(message(second)) == second
    assert cursor.take(message(first)) is None
    assert cursor.take(message(third)) == third
    assert cursor.watch_request() == review_service_pb2.WatchRunRequest(run_id=samples.RUN, after_sequence=3)


def test_a_cursor_refuses_a_gap() -> None:
    with pytest.raises(ServerUnreachable, match="event 1 is missing before event 2"):
        Cursor().take(message(samples.completed_events()[1]))


def test_a_stream_may_end_after_the_runs_end_and_what_came_beside_it() -> None:
    events = samples.completed_events()
    noted = event_pb2.RunEvent(decision_annotated=event_pb2.DecisionAnnotated())
    cursor = Cursor()
    for event in samples.numbered(*events, noted):
        cursor.take(message(event))
    cursor.check_end()


def test_a_stream_may_not_end_in_the_middle_of_a_run() -> None:
    cursor = Cursor()
    cursor.take(message(samples.completed_events()[0]))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_a_run_that_was_resumed_is_not_over() -> None:
    resumed = event_pb2.RunEvent(run_resumed=event_pb2.RunResumed(retry_count=1))
    cursor = Cursor()
    for event in samples.numbered(*samples.failed_events(), resumed):
        cursor.take(message(event))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_an_event_of_a_newer_server_is_taken() -> None:
    unknown = event_pb2.RunEvent(run_id=samples.RUN, sequence=1)
    assert Cursor().take(message(unknown)) == unknown
