"""However a worker reports attempts, each is there once, with its latest state and its first start."""

import asyncio

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, errors_pb2, run_event_pb2
from consensus_rpc.channel.status import contract_errors
from persistence_service.runs.write.counting import SPLITS
from tests.support.records import Service, Worker, attempt, new_id, record, scope

STARTED, FAILED = attempt_pb2.ATTEMPT_STATE_STARTED, attempt_pb2.ATTEMPT_STATE_FAILED
SUCCEEDED, UNKNOWN = attempt_pb2.ATTEMPT_STATE_SUCCEEDED, attempt_pb2.ATTEMPT_STATE_UNKNOWN


async def stored(service: Service, run_id: str) -> dict[int, attempt_pb2.Attempt]:
    """The attempts of the step `expand`, by number; the first began with the run."""
    request = persistence_service_pb2.ListAttemptsRequest(scope=scope(), run_id=run_id, page_size=100)
    with contract_errors():
        answer = await service.stub.ListAttempts(request)
    return {each.attempt_number: each for each in answer.attempts}


async def states(service: Service, run_id: str) -> dict[int, attempt_pb2.AttemptState.ValueType]:
    return {number: each.state for number, each in (await stored(service, run_id)).items()}


def ended(
    number: int = 1, state: attempt_pb2.AttemptState.ValueType = SUCCEEDED, **changes: object
) -> attempt_pb2.Attempt:
    message = attempt(number=number, state=state, http_status=200, answered_model="gpt-1")
    message.MergeFrom(attempt_pb2.Attempt(**changes))  # type: ignore[arg-type]  # checked at the call
    return message


async def test_one_that_ends_later_keeps_its_start_and_has_all_of_its_end(service: Service) -> None:
    async with service.created() as worker:
        begun = (await stored(service, worker.run_id))[1]
        failed = ended(state=FAILED, reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT, message="m", raw_output="r")
        await worker.record(record(2, attempts=[failed]))
        failed.start_time.CopyFrom(begun.start_time)
        assert await stored(service, worker.run_id) == {1: failed}


async def test_what_was_said_of_its_failure_is_read_back_and_goes_with_a_later_end(service: Service) -> None:
    said = attempt_pb2.Attempt(
        cause="local_shortage",
        provider_code="c",
        provider_type="t",
        provider_param="p",
        provider_message="m",
        uncounted=True,
        mended=["code_fence"],
        truncated_fields=["strengths", "concerns"],
        route="local",
        protocol="chat_completions",
        dropped_parameters=["temperature"],
        estimated_input_tokens=1_200,
        cost=attempt_pb2.Cost(currency="USD", micros=2_500_000_000),
    )
    async with service.created() as worker:
        failed = ended(state=FAILED)
        failed.MergeFrom(said)
        await worker.record(record(2, attempts=[failed]))
        found = (await stored(service, worker.run_id))[1]
        failed.start_time.CopyFrom(found.start_time)
        assert found == failed

        await worker.record(record(3, attempts=[ended()]))
        assert not (await stored(service, worker.run_id))[1].cause


async def test_one_that_begins_and_ends_in_one_record_is_there_with_its_end(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[attempt(number=2), ended(2)]))
        assert await states(service, worker.run_id) == {1: STARTED, 2: SUCCEEDED}


async def test_one_of_which_only_the_end_is_reported_is_there(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[ended(2)]))
        found = (await stored(service, worker.run_id))[2]
    assert (found.state, found.answered_model) == (SUCCEEDED, "gpt-1")
    assert found.HasField("start_time")


async def test_ends_with_and_without_a_start_are_recorded_together(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[attempt(number=4)]))
        several = [
            ended(1),
            ended(2, FAILED),
            attempt(number=3),
            ended(4, UNKNOWN),
            attempt(number=5),
            ended(5),
        ]
        await worker.record(record(3, attempts=several))
        found = await states(service, worker.run_id)
    assert found == {1: SUCCEEDED, 2: FAILED, 3: STARTED, 4: UNKNOWN, 5: SUCCEEDED}


async def test_a_start_that_comes_late_replaces_nothing(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[ended(1)]))
        before = await stored(service, worker.run_id)
        await worker.record(record(3, attempts=[attempt(message="again")]))
        assert await stored(service, worker.run_id) == before


async def test_a_start_that_is_repeated_replaces_nothing_and_hinders_no_other(service: Service) -> None:
    async with service.created() as worker:
        before = await stored(service, worker.run_id)
        await worker.record(record(2, attempts=[attempt(message="again"), attempt(number=2)]))
        after = await stored(service, worker.run_id)
    assert after[1] == before[1]
    assert after.keys() == {1, 2}


async def test_a_start_that_is_repeated_with_its_end_is_that_end(service: Service) -> None:
    async with service.created() as worker:
        begun = (await stored(service, worker.run_id))[1]
        await worker.record(record(2, attempts=[attempt(), ended(1)]))
        found = (await stored(service, worker.run_id))[1]
    assert (found.state, found.start_time) == (SUCCEEDED, begun.start_time)


async def test_a_later_end_replaces_the_earlier_whole(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[ended(1, FAILED, message="m")]))
        await worker.record(record(3, attempts=[attempt(state=SUCCEEDED)]))
        found = (await stored(service, worker.run_id))[1]
    assert (found.state, found.message, found.http_status, found.answered_model) == (SUCCEEDED, "", 0, "")


async def test_one_that_is_unknown_since_a_take_over_may_still_end(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
    (claimed,) = await service.claim()
    async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
        assert await states(service, heir.run_id) == {1: UNKNOWN}
        await heir.record(record(2, attempts=[attempt()]))
        assert await states(service, heir.run_id) == {1: UNKNOWN}
        await heir.record(record(3, attempts=[ended(1), attempt(number=2)]))
        assert await states(service, heir.run_id) == {1: SUCCEEDED, 2: STARTED}


async def test_one_in_flight_goes_on_over_a_stream_that_was_cut(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[attempt(number=2)]))
    async with Worker(service) as again:
        await again.attach(worker.run_id, worker.token, "me")
        await again.record(record(2, attempts=[attempt(number=2)]))
        await again.record(record(3, attempts=[ended(2)]))
    assert await states(service, worker.run_id) == {1: STARTED, 2: SUCCEEDED}


async def test_those_in_flight_when_the_run_is_cancelled_are_unknown_and_the_others_as_they_ended(
    service: Service,
) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[attempt(number=2), ended(3)]))
        await service.cancel(worker.run_id)
    assert await states(service, worker.run_id) == {1: UNKNOWN, 2: UNKNOWN, 3: SUCCEEDED}


async def test_records_that_are_under_way_together_come_to_their_last_state(service: Service) -> None:
    async with service.created() as worker:
        for record_id, each in enumerate(
            [ended(1, FAILED), attempt(number=2), ended(2), attempt(number=2)], 2
        ):
            worker.send(record=record(record_id, attempts=[each]))
        for _ in range(4):
            await worker.answer()
        assert await states(service, worker.run_id) == {1: FAILED, 2: SUCCEEDED}


async def test_a_repeated_start_harms_no_neighbour(service: Service) -> None:
    async def work() -> str:
        async with service.created() as worker:
            await worker.record(
                record(2, run_event_pb2.StepSkipped(step="expand"), attempts=[attempt(), ended(2)])
            )
            return worker.run_id

    before = SPLITS._value.get()
    runs = await asyncio.gather(*(work() for _ in range(20)))
    assert SPLITS._value.get() == before
    assert [await states(service, run_id) for run_id in runs] == [{1: STARTED, 2: SUCCEEDED}] * 20


# Of expansions, which belong to no run, so that nothing is locked for them.


async def expand(service: Service, expansion_id: str, *attempts: attempt_pb2.Attempt) -> None:
    request = persistence_service_pb2.RecordExpansionRequest(
        scope=scope(), expansion_id=expansion_id, attempts=attempts
    )
    with contract_errors():
        await service.stub.RecordExpansion(request)


async def test_an_expansions_attempts_begin_and_end_and_may_be_sent_again(service: Service) -> None:
    expansion_id = new_id()
    for each in (attempt(), attempt(), ended(1), ended(1), attempt(), ended(2)):
        await expand(service, expansion_id, each)
    assert await states(service, expansion_id) == {1: SUCCEEDED, 2: SUCCEEDED}


async def test_an_expansion_that_several_processes_record_at_once_is_recorded_once(
    service: Service, second_service: Service
) -> None:
    for _ in range(10):
        expansion_id = new_id()
        for each in (attempt(), ended(2)):
            await asyncio.gather(*(expand(to, expansion_id, each) for to in [service, second_service] * 4))
        assert await states(service, expansion_id) == {1: STARTED, 2: SUCCEEDED}
