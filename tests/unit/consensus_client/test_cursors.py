"""Where a reader of a run stands: pure."""

import pytest

from consensus.v1 import heartbeat_pb2, review_service_pb2, run_event_pb2
from consensus_client.cursors import RunCursor
from consensus_rpc.errors import ServerUnreachable
from tests.unit.consensus_client import samples


def message(*events: run_event_pb2.RunEvent) -> review_service_pb2.WatchRunResponse:
    return review_service_pb2.WatchRunResponse(events=events)


def test_a_cursor_takes_each_event_once_and_in_order() -> None:
    first, second, third, fourth = samples.completed_events()[:4]
    cursor = RunCursor()
    assert list(cursor.take(message(first, second))) == [first, second]
    assert list(cursor.take(message(first))) == []
    assert list(cursor.take(message(second, third, fourth))) == [third, fourth]
    assert cursor.watch_request() == review_service_pb2.WatchRunRequest(run_id=samples.RUN, after_sequence=4)


def test_a_heartbeat_brings_nothing() -> None:
    heartbeat = review_service_pb2.WatchRunResponse(heartbeat=heartbeat_pb2.Heartbeat(last_sequence=3))
    assert list(RunCursor(samples.RUN, 3).take(heartbeat)) == []


def test_a_cursor_refuses_a_gap_after_taking_what_came_before_it() -> None:
    first, second, _, fourth = samples.completed_events()[:4]
    taken: list[run_event_pb2.RunEvent] = []
    cursor = RunCursor()
    with pytest.raises(ServerUnreachable, match="event 3 is missing before event 4"):
        taken.extend(cursor.take(message(first, second, fourth)))
    assert (taken, cursor.after_sequence) == ([first, second], 2)


def test_a_reader_that_leaves_in_the_middle_of_a_message_has_only_what_it_took() -> None:
    first, second = samples.completed_events()[:2]
    cursor = RunCursor()
    assert next(cursor.take(message(first, second))) == first
    assert cursor.after_sequence == 1


def test_a_stream_may_end_after_the_runs_end_and_what_came_beside_it() -> None:
    events = samples.completed_events()
    noted = run_event_pb2.RunEvent(decision_annotated=run_event_pb2.DecisionAnnotated())
    cursor = RunCursor()
    assert len(list(cursor.take(message(*samples.numbered(*events, noted))))) == len(events) + 1
    cursor.check_end()


def test_a_stream_may_not_end_in_the_middle_of_a_run() -> None:
    cursor = RunCursor()
    assert list(cursor.take(message(samples.completed_events()[0])))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_a_run_that_was_resumed_is_not_over() -> None:
    resumed = run_event_pb2.RunEvent(run_resumed=run_event_pb2.RunResumed(resume_count=1))
    cursor = RunCursor()
    assert list(cursor.take(message(*samples.numbered(*samples.failed_events(), resumed))))
    with pytest.raises(ServerUnreachable):
        cursor.check_end()


def test_an_event_of_a_newer_server_is_taken() -> None:
    unknown = run_event_pb2.RunEvent(run_id=samples.RUN, sequence=1)
    assert list(RunCursor().take(message(unknown))) == [unknown]
