"""The synchronous clients: calls on a fake channel, answered by the test, and one look at a real server."""

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import grpc_testing
import pytest

from consensus.v1 import heartbeat_pb2, review_service_pb2, run_event_pb2
from consensus_client import (
    AuditClient,
    ClientOptions,
    DraftClient,
    ReconnectPolicy,
    ReviewClient,
    RunQuery,
    SyncAuditClient,
    SyncDraftClient,
    SyncReviewClient,
)
from consensus_contract.errors import ConsensusError, QuorumNotMet, RunNotFound
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.server.wire_status import to_wire
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving

METHODS = review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"].methods_by_name
OPTIONS = ClientOptions(reconnect=ReconnectPolicy(start_seconds=5))


class Fake:
    """A client on a fake channel, and the calls that it makes there."""

    def __init__(self) -> None:
        self.channel = grpc_testing.channel(
            [review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"]],
            grpc_testing.strict_real_time(),
        )
        self.client = SyncReviewClient(options=OPTIONS, channel=self.channel, sleep=lambda _seconds: None)
        self._seen: queue.Queue[run_event_pb2.RunEvent] = queue.Queue()

    def run(self, work: Callable[[SyncReviewClient], Any]) -> Future[Any]:
        """Runs the caller's side in a thread of its own."""
        found: Future[Any] = Future()

        def settle() -> None:
            try:
                found.set_result(work(self.client))
            except ConsensusError as error:
                found.set_exception(error)

        threading.Thread(target=settle, daemon=True).start()
        return found

    def read(self, start: Callable[[SyncReviewClient], Iterator[run_event_pb2.RunEvent]]) -> Future[Any]:
        """Reads a stream to its end in a thread of its own."""

        def collect(client: SyncReviewClient) -> list[run_event_pb2.RunEvent]:
            collected = []
            for event in start(client):
                collected.append(event)
                self._seen.put(event)
            return collected

        return self.run(collect)

    def answer(self, name: str, response: Any) -> Any:
        """Answers the next call of a method; its request."""
        _, request, rpc = self.channel.take_unary_unary(METHODS[name])
        rpc.terminate(response, (), grpc.StatusCode.OK, "")
        return request

    def refuse(self, name: str, error: ConsensusError) -> Any:
        """Ends the next call of a method with an error; its request."""
        _, request, rpc = self.channel.take_unary_unary(METHODS[name])
        wire = to_wire(error, "request-1")
        rpc.terminate(None, wire.trailers, wire.code, wire.message)
        return request

    def stream(
        self, name: str, kind: Any, events: list[run_event_pb2.RunEvent], error: ConsensusError | None
    ) -> Any:
        """Answers the next call of a method with a heartbeat and events, then its end; its request."""
        _, request, rpc = self.channel.take_unary_stream(METHODS[name])
        rpc.send_response(kind(heartbeat=heartbeat_pb2.Heartbeat()))
        for event in events:
            rpc.send_response(kind(events=[event]))
        if error is None:
            rpc.terminate((), grpc.StatusCode.OK, "")
        else:
            for event in events:  # the fake drops what was not read when a call fails
                assert self._seen.get(timeout=5) == event
            wire = to_wire(error, "request-1")
            rpc.terminate(wire.trailers, wire.code, wire.message)
        return request


@pytest.fixture
def fake() -> Fake:
    return Fake()


STARTED = review_service_pb2.StreamReviewResponse
WATCHED = review_service_pb2.WatchRunResponse


def test_a_run_is_asked_for_and_returned(fake: Fake) -> None:
    found = fake.run(lambda client: client.get_run("r1"))
    run = samples.completed_run()
    request = fake.answer("GetRun", review_service_pb2.GetRunResponse(run=run))
    assert request.run_id == "r1"
    assert found.result(5) == run


def test_an_error_is_raised_as_the_class_of_its_reason(fake: Fake) -> None:
    found = fake.run(lambda client: client.get_run("r1"))
    fake.refuse("GetRun", RunNotFound(run_id="r1"))
    with pytest.raises(RunNotFound) as raised:
        found.result(5)
    assert raised.value.request_id == "request-1"


def test_a_change_is_sent_again_under_the_same_key(fake: Fake) -> None:
    found = fake.run(lambda client: client.cancel_run("r1"))
    first = fake.refuse("CancelRun", ShuttingDown())
    run = samples.completed_run()
    second = fake.answer("CancelRun", review_service_pb2.CancelRunResponse(run=run))
    assert found.result(5) == run
    assert first.idempotency_key == second.idempotency_key != ""


def test_a_cut_stream_goes_on_after_the_last_event(fake: Fake) -> None:
    events = samples.completed_events()
    found = fake.read(lambda client: client.review("An idea."))
    fake.stream("StreamReview", STARTED, events[:5], ShuttingDown())
    second = fake.stream("WatchRun", WATCHED, events[3:9], None)
    third = fake.stream("WatchRun", WATCHED, events[9:], None)
    assert found.result(5) == events
    assert (second.after_sequence, third.after_sequence) == (5, 9)


def test_a_cut_before_the_first_event_sends_the_start_again_under_the_same_key(fake: Fake) -> None:
    events = samples.completed_events()
    found = fake.read(lambda client: client.review("An idea."))
    first = fake.stream("StreamReview", STARTED, [], ShuttingDown())
    second = fake.stream("StreamReview", STARTED, events, None)
    assert found.result(5) == events
    assert first == second


def test_a_failed_run_raises_after_its_last_event(fake: Fake) -> None:
    found = fake.read(lambda client: client.watch_run(samples.RUN))
    fake.stream("WatchRun", WATCHED, samples.failed_events(), QuorumNotMet(run_id=samples.RUN))
    with pytest.raises(QuorumNotMet):
        found.result(5)


def test_lists_are_read_page_by_page(fake: Fake) -> None:
    found = fake.run(lambda client: list(client.runs(RunQuery(user="u1"))))
    run = samples.completed_run()
    fake.answer("ListRuns", review_service_pb2.ListRunsResponse(runs=[run], next_page_token="2"))
    request = fake.answer("ListRuns", review_service_pb2.ListRunsResponse(runs=[run]))
    assert found.result(5) == [run, run]
    assert (request.page_token, request.filter.user) == ("2", "u1")


@pytest.mark.parametrize(
    ("synchronous", "asynchronous"),
    [(SyncReviewClient, ReviewClient), (SyncDraftClient, DraftClient), (SyncAuditClient, AuditClient)],
)
def test_both_kinds_have_the_same_names_and_parameters(synchronous: type, asynchronous: type) -> None:
    def face(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in methods
            if not name.startswith("_")
        }

    assert face(synchronous) == face(asynchronous)


async def test_it_speaks_to_a_real_server() -> None:
    service = ScriptedService(cuts=[5])

    def read(address: str) -> list[run_event_pb2.RunEvent]:
        with SyncReviewClient(address) as client:
            assert client.get_run(samples.RUN).run_id == samples.RUN
            return list(client.review("An idea."))

    async with serving(service) as address:
        assert await asyncio.to_thread(read, address) == service.events
