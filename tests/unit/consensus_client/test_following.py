"""Where a reader of a run stands: pure."""

import pytest

from consensus.v1 import review_service_pb2, run_event_pb2
from consensus_client.following import RunCursor
from consensus_rpc.errors import ServerUnreachable
from tests.unit.consensus_client import samples


def message(event: run_event_pb2.RunEvent) -> review_service_pb2.WatchRunResponse:
    return review_service_pb2.WatchRunResponse(event=event)


def test_a_cursor_takes_each_event_once_and_in_order() -> None:
    first, second, third = samples.completed_events()[:3]
    cursor = RunCursor()
    assert cursor.take(message(first)) == first
    assert cursor.take(message(second)) == second
    assert cursor.take(message(first)) is None
    assert cursor.take(message(third)) == third
    assert cursor.watch_request() == review_service_pb2.WatchRunRequest(run_id=samples.RUN, after_sequence=3)


def test_a_cursor_refuses_a_gap() -> None:
    with pytest.raises(ServerUnreachable, match="event 1 is missing before event 2"):
        RunCursor().take(message(samples.completed_events()[1]))


def test_a_stream_may_end_after_the_runs_end_and_what_came_beside_it() -> None:
    events = samples.completed_events()
    noted = run_event_pb2.RunEvent(decision_annotated=run_event_pb2.DecisionAnnotated())
    cursor = RunCursor()
    for event in samples.numbered(*events, noted):
        cursor.take(message(event))
    cursor.check_end()


def test_a_stream_may_not_end_in_the_middle_of_a_run() -> None:
    cursor = RunCursor()
    cursor.take(message(samples.completed_events()[0]))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_a_run_that_was_resumed_is_not_over() -> None:
    resumed = run_event_pb2.RunEvent(run_resumed=run_event_pb2.RunResumed(retry_count=1))
    cursor = RunCursor()
    for event in samples.numbered(*samples.failed_events(), resumed):
        cursor.take(message(event))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_an_event_of_a_newer_server_is_taken() -> None:
    unknown = run_event_pb2.RunEvent(run_id=samples.RUN, sequence=1)
    assert RunCursor().take(message(unknown)) == unknown
