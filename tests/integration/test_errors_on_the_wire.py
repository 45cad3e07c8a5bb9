"""The errors of the contract as callers meet them: code, reason, data, and what was not done."""

import asyncio
import signal
import time
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.v1 import review_service_pb2, review_service_pb2_grpc, run_event_pb2, run_pb2
from consensus_contract.errors import (
    ConsensusError,
    IdempotencyKeyReused,
    IllegalState,
    PersistenceUnavailable,
    RunCancelled,
    RunNotFound,
)
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import CallDeadlineExceeded, InvalidField, Overloaded, ShuttingDown, SlowConsumer
from offline_model.script import Rule
from tests.integration.conftest import StartPair
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import REVIEW, Client, drained, events_of, kinds, review_request, until

Cancel = review_service_pb2.CancelRunRequest
Resume = review_service_pb2.ResumeRunRequest
Annotate = review_service_pb2.AnnotateDecisionRequest


async def test_an_unknown_run_is_not_found_by_every_call(client: Client) -> None:
    for method, request in (
        (client.review.GetRun, review_service_pb2.GetRunRequest(run_id="nobody")),
        (client.review.ListAttempts, review_service_pb2.ListAttemptsRequest(run_id="nobody")),
        (client.review.CancelRun, Cancel(run_id="nobody")),
        (client.review.ResumeRun, Resume(run_id="nobody")),
        (client.review.AnnotateDecision, Annotate(run_id="nobody")),
    ):
        with pytest.raises(RunNotFound) as caught, contract_errors():
            await method(request)
        assert caught.value.run_id == "nobody"
    with pytest.raises(RunNotFound), contract_errors():
        await client.watch("nobody")


async def test_a_completed_run_can_be_neither_cancelled_nor_resumed(client: Client, idea: str) -> None:
    run_id = (await client.stream(idea))[0].run_id

    for call, operation in (
        (client.review.CancelRun(Cancel(run_id=run_id)), "cancel"),
        (client.review.ResumeRun(Resume(run_id=run_id)), "resume"),
    ):
        with pytest.raises(IllegalState) as caught, contract_errors():
            await call
        assert caught.value.status_code == grpc.StatusCode.FAILED_PRECONDITION
        assert caught.value.metadata["state"] == "COMPLETED"
        assert caught.value.metadata["operation"] == operation
    assert (await client.get(run_id)).last_sequence == 24


async def test_a_run_without_a_decision_cannot_be_annotated(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    started = await client.review.StartReview(
        review_service_pb2.StartReviewRequest(review=review_service_pb2.ReviewInput(idea=idea))
    )

    with pytest.raises(IllegalState), contract_errors():
        await client.review.AnnotateDecision(Annotate(run_id=started.run.run_id, decision_notes="x"))
    await client.model.release(mark)
    await client.watch(started.run.run_id)


async def test_cancelling_ends_the_stream_with_cancelled_and_closes_the_models_sockets(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream = client.review.StreamReview(review_request(idea))
    run_id = (await stream.read()).events[0].run_id
    await client.model.wait({"held": 1}, run_id=run_id)

    cancelled = await client.review.CancelRun(Cancel(run_id=run_id))
    await client.model.wait({"aborted": 1}, run_id=run_id, timeout_seconds=2)

    assert cancelled.run.state == run_pb2.RUN_STATE_CANCELLED
    events: list[run_event_pb2.RunEvent] = []
    with pytest.raises(RunCancelled) as caught, contract_errors():  # noqa: PT012 - it fails after its events
        while (message := await stream.read()) is not grpc.aio.EOF:
            events += message.events
    assert caught.value.status_code == grpc.StatusCode.CANCELLED
    assert caught.value.run_state == "CANCELLED"
    assert kinds(events)[-1] == "run_cancelled"
    again = await client.review.CancelRun(Cancel(run_id=run_id))
    assert again.run.last_sequence == cancelled.run.last_sequence


async def test_a_key_names_one_request_for_each_operation(client: Client, idea: str, mark: str) -> None:
    run_id = (await client.stream(idea, key=mark))[0].run_id
    noted = Annotate(run_id=run_id, decision_notes="first", idempotency_key=mark)

    first = await client.review.AnnotateDecision(noted)
    again = await client.review.AnnotateDecision(noted)
    with pytest.raises(IdempotencyKeyReused), contract_errors():
        await client.review.AnnotateDecision(
            Annotate(run_id=run_id, decision_notes="second", idempotency_key=mark)
        )

    assert first.run.last_sequence == again.run.last_sequence == 25
    assert (await client.get(run_id)).decision.decision_notes == "first"


async def test_a_call_with_too_little_time_is_refused_at_once(client: Client) -> None:
    request = review_service_pb2.GetRunRequest(run_id="nobody")

    with pytest.raises(CallDeadlineExceeded), contract_errors():
        await client.review.GetRun(request, timeout=0.05)


async def test_a_callers_deadline_ends_its_call_and_not_the_run(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream = client.review.StreamReview(review_request(idea), timeout=1.0)
    run_id = (await stream.read()).events[0].run_id

    with pytest.raises(CallDeadlineExceeded), contract_errors():
        await drained(_rest(stream))
    await client.model.release(mark)

    assert kinds(await client.watch(run_id))[-1] == "run_completed"


async def _rest(stream: Any) -> Any:
    while (message := await stream.read()) is not grpc.aio.EOF:
        yield message


async def test_every_error_carries_the_callers_request_id(client: Client) -> None:
    with pytest.raises(InvalidField) as caught, contract_errors():
        await client.review.GetRun(
            review_service_pb2.GetRunRequest(run_id="?"), metadata=(("x-request-id", "caller-42"),)
        )

    assert caught.value.request_id == "caller-42"


async def test_beyond_the_runs_in_flight_a_start_is_refused_before_any_write_or_call(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair(review={"MAX_RUNS_IN_FLIGHT": "1"})
    async with pair.client() as client:
        await client.model.script(Rule(step="expand", hold="full"))
        stream = client.review.StreamReview(review_request(idea))
        first = (await stream.read()).events[0].run_id
        await client.model.wait({"held": 1})

        with pytest.raises(Overloaded) as caught, contract_errors():
            await client.stream(idea)

        assert caught.value.retryable
        assert caught.value.quota[0].subject == "runs in flight"
        listed = await client.review.ListRuns(review_service_pb2.ListRunsRequest())
        assert [run.run_id for run in listed.runs] == [first]
        assert (await client.model.counters())["total"]["started"] == 1
        await client.model.release("full")
        assert kinds(events_of(await drained(_rest(stream))))[-1] == "run_completed"


async def test_persistence_away_is_unavailable_at_once_and_calls_no_model(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair()
    assert pair.persistence is not None
    async with pair.client() as client:
        pair.persistence.kill()

        for call in (
            lambda: client.stream(idea),
            lambda: client.get("r-1"),
            lambda: client.watch("r-1"),
            lambda: client.review.ExpandIdea(review_service_pb2.ExpandIdeaRequest(idea=idea)),
        ):
            began = time.monotonic()
            with pytest.raises(PersistenceUnavailable) as caught, contract_errors():
                await call()
            assert time.monotonic() - began < 5
            assert caught.value.retry_after_seconds
        assert (await client.model.counters())["total"]["started"] == 0


async def test_health_follows_persistence_down_and_up_again(start_pair: StartPair, idea: str) -> None:
    pair = start_pair()
    assert pair.persistence is not None
    async with open_channel(pair.review_address) as channel, pair.client() as client:
        health: Any = health_pb2_grpc.HealthStub(channel)

        async def is_down() -> bool:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=REVIEW))
            return bool(answer.status == health_pb2.HealthCheckResponse.NOT_SERVING)

        pair.persistence.kill()
        await until(is_down)
        await asyncio.to_thread(pair.restart_persistence)

        assert kinds(await client.stream(idea))[-1] == "run_completed"


async def test_a_server_that_drains_refuses_new_calls_and_finishes_its_streams(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair()
    assert pair.review is not None
    async with pair.client() as client:
        await client.model.script(Rule(step="expand", hold="drain"))
        stream = client.review.StreamReview(review_request(idea))
        run_id = (await stream.read()).events[0].run_id
        await client.model.wait({"held": 1})

        pair.review.send(signal.SIGTERM)
        with pytest.raises(ShuttingDown) as caught, contract_errors():  # noqa: PT012 - until the signal arrives
            while True:
                await client.get(run_id)
        await client.model.release("drain")
        rest = await drained(_rest(stream))

        assert caught.value.retryable
        assert kinds(events_of(rest))[-1] == "run_completed"
        assert await asyncio.to_thread(pair.review.popen.wait, 30) == 0


async def test_a_reader_that_takes_nothing_is_told_so_and_the_run_goes_on(start_pair: StartPair) -> None:
    pair = start_pair(review={"SLOW_CONSUMER_SECONDS": "0.3", "MODEL_MAX_OUTPUT_TOKENS": "1000000"})
    big = "A long word " + "x" * 3_900
    proposal = {  # more than the window of a stream
        "title": None,
        "summary": None,
        "problem_statement": big,
        "proposed_solution": big,
        "assumptions": [big] * 50,
        "scope_non_goals": [big] * 50,
        "raw_expanded_proposal": None,
    }
    async with pair.client() as client, FaultProxy.start(pair.review_address) as proxy:
        await client.model.script(Rule(step="expand", override=proposal, hold="expand"))
        async with open_channel(proxy.address) as channel:
            reader: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
            stream = reader.StreamReview(review_request("A rota for two wards."))
            received = list((await stream.read()).events)
            run_id = received[0].run_id

            proxy.black_hole()
            await client.model.release("expand")

            async def was_given_up() -> bool:
                lines = pair.log_lines(pair.review)
                return any(line["event"] == "slow_consumer" for line in lines)

            await until(was_given_up)
            proxy.heal()
            with pytest.raises(SlowConsumer) as caught, contract_errors():  # noqa: PT012 - after its events
                while (message := await stream.read()) is not grpc.aio.EOF:
                    received += message.events

    assert caught.value.retryable
    last = int(caught.value.metadata["last_sequence"])
    assert caught.value.metadata["run_id"] == run_id
    assert [event.sequence for event in received][:last] == list(range(1, last + 1))
    async with pair.client() as client:
        missed = await client.watch(run_id, last)
    assert kinds(missed)[-1] == "run_completed"
    assert missed[0].sequence == last + 1


async def test_an_unexpected_enum_on_disconnect_is_refused(client: Client, idea: str) -> None:
    with pytest.raises(ConsensusError) as caught, contract_errors():
        await client.stream(idea, on_disconnect=99)

    assert isinstance(caught.value, InvalidField)
