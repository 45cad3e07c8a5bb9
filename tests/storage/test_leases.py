"""A run is worked on by one process at a time; whoever is not the one writes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, errors_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import IllegalState, LeaseLost, RunCancelled, RunNotFound
from persistence_service.runs.form import names
from persistence_service.runs.form.keys import RunHead
from tests.support.records import (
    LONG_AGO,
    Service,
    Worker,
    failure,
    happy_records,
    new_id,
    record,
    review,
    scope,
)

VERSIONS = ("1.0.0", "9.0.0")
FAILED, RUNNING = run_pb2.RUN_STATE_FAILED, run_pb2.RUN_STATE_RUNNING


async def kinds(service: Service, run_id: str) -> list[str | None]:
    return [event.WhichOneof("payload") for event in await service.events_so_far(run_id)]


async def attempts(service: Service, run_id: str) -> list[attempt_pb2.Attempt]:
    request = persistence_service_pb2.ListAttemptsRequest(scope=scope(), run_id=run_id)
    return list((await service.stub.ListAttempts(request)).attempts)


async def test_a_queued_run_is_granted_with_the_caller_that_started_it(service: Service) -> None:
    run = await service.queued()
    (claimed,) = await service.claim()
    assert (claimed.run_id, claimed.scope) == (run.run_id, scope())
    assert (await service.run(run.run_id)).state == RUNNING


async def test_a_run_that_is_worked_on_is_not_granted(service: Service) -> None:
    async with service.created():
        assert await service.claim() == []


async def test_the_oldest_runs_are_granted_first_and_no_more_than_asked_for(service: Service) -> None:
    runs = [(await service.queued()).run_id for _ in range(4)]
    assert [claimed.run_id for claimed in await service.claim(max_count=3)] == runs[:3]


async def test_a_run_of_a_newer_policy_is_left_to_those_who_know_it(service: Service) -> None:
    newer, older = [(await service.queued(policy_version=each)).run_id for each in ("9.0.0", "1.0.0")]
    assert [each.run_id for each in await service.claim(max_count=1, policy_versions=["1.0.0"])] == [older]
    assert await service.claim(policy_versions=["1.0.0"]) == []
    (claimed,) = await service.claim(policy_versions=["1.0.0", "9.0.0"])
    assert claimed.run_id == newer


async def test_processes_of_two_releases_that_ask_at_once_are_granted_what_each_knows(
    service: Service,
) -> None:
    runs = {each: [(await service.queued(policy_version=each)).run_id for _ in range(3)] for each in VERSIONS}
    asked = [(version, n) for n in range(4) for version in VERSIONS]
    granted = await asyncio.gather(
        *(service.claim(f"{version}-{n}", 2, policy_versions=[version]) for version, n in asked)
    )
    for version in VERSIONS:
        claims = [claim for (of, _), claim in zip(asked, granted, strict=True) if of == version]
        got = [each.run_id for claim in claims for each in claim]
        assert sorted(got) == sorted(runs[version])


async def test_a_run_of_a_newer_policy_ends_at_its_deadline_whoever_asks(service: Service) -> None:
    run = await service.queued(policy_version="9.0.0")
    await service.claim()
    await service.set_run(run.run_id, expire_time=LONG_AGO, lease_expire_time=LONG_AGO)
    assert await service.claim(policy_versions=["1.0.0"]) == []
    assert (await service.run(run.run_id)).state == FAILED


async def test_a_run_is_granted_once_however_many_ask(service: Service, second_service: Service) -> None:
    runs = {(await service.queued()).run_id for _ in range(20)}
    services = [service, second_service]
    claims = await asyncio.gather(*(services[n % 2].claim(f"o{n}", max_count=3) for n in range(12)))
    granted = [claimed.run_id for claimed in [claimed for claim in claims for claimed in claim]]
    assert sorted(granted) == sorted(set(granted))
    rest = [claimed.run_id for claimed in await service.claim()]
    assert {*granted, *rest} == runs


async def test_an_abandoned_run_is_taken_over_with_a_higher_token(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        (claimed,) = await service.claim()
    assert claimed.lease.fencing_token > worker.token
    assert (await kinds(service, worker.run_id))[-1] == "run_taken_over"
    assert (await service.run(worker.run_id)).take_over_count == 1


async def test_a_stale_token_is_refused_and_changes_nothing(service: Service) -> None:
    async with service.created() as worker, Worker(service) as zombie:
        await service.abandon(worker.run_id)
        (claimed,) = await service.claim()
        before = await service.run(worker.run_id)
        with pytest.raises(LeaseLost):
            await zombie.attach(worker.run_id, worker.token)
        with pytest.raises(LeaseLost):
            await worker.record(happy_records()[0])
        assert await service.run(worker.run_id) == before
        async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
            assert (await heir.record(happy_records()[0])).record_id == 2


async def test_what_was_read_before_a_run_was_taken_over_ends_nobody_who_has_it_now(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        (claimed,) = await service.claim()
    async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
        late = RunHead("default", worker.run_id, 1, names.RUNNING, worker.token)
        service.runs.notifier.wake([late])
        assert (await heir.record(happy_records()[0])).record_id == 2


async def test_a_worker_that_lost_its_run_learns_of_it_without_a_write(
    service: Service, second_service: Service
) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        await second_service.claim()
        with pytest.raises(LeaseLost):
            async with asyncio.timeout(0.5):
                await worker.answer()


async def test_a_worker_whose_run_is_cancelled_learns_of_it_without_a_write(
    service: Service, second_service: Service
) -> None:
    async with service.created() as worker:
        await second_service.cancel(worker.run_id)
        with pytest.raises(RunCancelled):
            async with asyncio.timeout(0.5):
                await worker.answer()


async def test_an_expired_lease_that_nobody_took_still_writes(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        assert (await worker.record(happy_records()[0])).record_id == 2


async def test_a_renewed_lease_is_not_taken_over(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        worker.send(renew_lease={})
        renewed = (await worker.answer()).lease_renewed
        assert renewed.fencing_token == worker.token
        assert 0 < renewed.remaining.ToTimedelta().total_seconds() <= 15
        assert await service.claim() == []


async def test_a_released_run_is_granted_at_once_and_is_no_barren_take_over(service: Service) -> None:
    async with service.created() as worker:
        worker.send(release_lease={})
        assert (await worker.answer()).HasField("lease_released")
        assert (await worker.answer()).WhichOneof("message") is None
    (claimed,) = await service.claim()
    assert claimed.run_id == worker.run_id
    last = (await service.events_so_far(worker.run_id))[-1]
    assert last.run_taken_over.released


async def test_a_guessed_token_gives_nobody_elses_run(service: Service) -> None:
    async with service.created() as worker, Worker(service) as stranger:
        before = await service.run(worker.run_id)
        with pytest.raises(LeaseLost):
            await stranger.attach(worker.run_id, worker.token, "stranger")
        assert await service.run(worker.run_id) == before
        assert (await worker.record(happy_records()[0])).record_id == 2


async def test_a_release_is_the_end_of_writing(service: Service) -> None:
    async with service.created() as worker:
        worker.send(release_lease={})
        await worker.answer()
    async with Worker(service) as again:
        attached = await again.attach(worker.run_id, worker.token, "me")
        assert attached.lease.fencing_token > worker.token


async def test_attempts_in_flight_are_unknown_once_another_process_has_the_run(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        (claimed,) = await service.claim()
        async with Worker(service) as heir:
            attached = await heir.attach(worker.run_id, claimed.lease.fencing_token)
    assert [each.state for each in attached.attempts] == [attempt_pb2.ATTEMPT_STATE_UNKNOWN]


async def test_a_cut_stream_goes_on_with_the_same_token_and_its_attempts_in_flight(
    service: Service,
) -> None:
    async with service.created() as worker:
        await worker.record(happy_records()[0])
    async with Worker(service) as again:
        attached = await again.attach(worker.run_id, worker.token, "me")
        assert attached.last_record_id == 2
        assert attached.run.proposal == happy_records()[0].items[0].proposal_ready.proposal
        states = {each.step: each.state for each in attached.attempts}
        assert states["review_critic"] == attempt_pb2.ATTEMPT_STATE_STARTED
        assert (await again.record(happy_records()[1])).record_id == 3


async def test_a_run_taken_over_too_often_without_progress_fails_and_says_how_far_it_came(
    service: Service,
) -> None:
    async with service.created() as worker:
        await worker.record(happy_records()[0])
        await worker.record(record(3, run_event_pb2.PersonaReviewReady(persona_review=review("critic"))))
    for _ in range(5):
        await service.abandon(worker.run_id)
        assert len(await service.claim()) == 1
    await service.abandon(worker.run_id)
    assert await service.claim() == []
    run = await service.run(worker.run_id)
    assert run.state == FAILED
    assert run.failure.reason == errors_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert (run.failure.failed_step, run.failure.resumable) == ("review_architect", True)
    assert list(run.failure.finished_personas) == ["critic"]


async def test_progress_forgives_earlier_take_overs(service: Service) -> None:
    async with service.created() as worker:
        pass
    for number in range(7):
        await service.abandon(worker.run_id)
        (claimed,) = await service.claim()
        async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
            await heir.record(record(number + 2, run_event_pb2.StepStarted(step="expand")))
    assert (await service.run(worker.run_id)).state == RUNNING


async def test_an_abandoned_run_past_its_deadline_fails(service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        await service.set_run(worker.run_id, expire_time=LONG_AGO)
        assert await service.claim() == []
        run = await service.run(worker.run_id)
    assert run.failure.reason == errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED
    assert run.failure.failed_step == "expand"


async def test_cancelling_twice_changes_nothing(service: Service) -> None:
    run = await service.queued()
    first = await service.cancel(run.run_id)
    assert first.state == run_pb2.RUN_STATE_CANCELLED
    assert await service.cancel(run.run_id) == first
    assert await service.claim() == []


async def test_a_finished_run_cannot_be_cancelled(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
        with pytest.raises(IllegalState) as caught:
            await service.cancel(worker.run_id)
    assert caught.value.metadata["state"] == "COMPLETED"


async def test_a_run_that_is_not_there_cannot_be_cancelled(service: Service) -> None:
    with pytest.raises(RunNotFound):
        await service.cancel(new_id())


async def test_attempts_in_flight_of_a_cancelled_run_are_unknown(service: Service) -> None:
    async with service.created() as worker:
        await service.cancel(worker.run_id)
    states = [each.state for each in await attempts(service, worker.run_id)]
    assert states == [attempt_pb2.ATTEMPT_STATE_UNKNOWN]


async def test_cancelling_and_recording_at_once_leave_one_of_two_histories(
    service: Service, second_service: Service
) -> None:
    async def race() -> None:
        async with service.created() as worker:
            worker.send(record=happy_records()[0])
            cancelled = await second_service.cancel(worker.run_id)
            try:
                acknowledged = bool((await worker.answer()).ack.record_id)
            except (RunCancelled, LeaseLost):
                acknowledged = False
            events = [event.WhichOneof("payload") for event in await service.events(worker.run_id)]
            assert events[-1] == "run_cancelled"
            assert ("proposal_ready" in events) == acknowledged
            assert cancelled.state == run_pb2.RUN_STATE_CANCELLED

    await asyncio.gather(*(race() for _ in range(10)))


async def test_a_failed_run_goes_on_with_a_new_deadline_and_its_steps_pending(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    failed = await service.run(worker.run_id)
    resumed = await service.resume(worker.run_id)
    assert (failed.state, resumed.state, resumed.resume_count) == (FAILED, RUNNING, 1)
    assert resumed.deadline_time.ToNanoseconds() > failed.deadline_time.ToNanoseconds()
    assert {step.state for step in resumed.steps} == {run_pb2.STEP_STATE_PENDING}
    assert not resumed.HasField("failure")
    (claimed,) = await service.claim()
    assert claimed.run_id == worker.run_id
    assert (await kinds(service, worker.run_id))[-1] == "run_resumed"


async def test_a_resumed_run_says_when_its_budget_begins(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    await service.resume(worker.run_id)
    (claimed,) = await service.claim()
    async with Worker(service) as heir:
        attached = await heir.attach(worker.run_id, claimed.lease.fencing_token)
    (first,) = attached.attempts
    assert attached.budget_start_time.ToNanoseconds() > first.start_time.ToNanoseconds()


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING", "COMPLETED", "CANCELLED"])
async def test_only_a_failed_run_is_resumed(service: Service, state: str) -> None:
    run = await service.queued()
    await service.set_run(run.run_id, state=state)
    with pytest.raises(IllegalState):
        await service.resume(run.run_id)


async def test_claiming_and_recording_at_once_never_both_succeed(
    service: Service, second_service: Service
) -> None:
    async def race() -> None:
        async with service.created() as worker:
            await service.abandon(worker.run_id)
            worker.send(record=happy_records()[0])
            await second_service.claim()
            try:
                acknowledged = bool((await worker.answer()).ack.record_id)
            except LeaseLost:
                acknowledged = False
            run = await service.run(worker.run_id)
            assert run.HasField("proposal") == acknowledged

    await asyncio.gather(*(race() for _ in range(10)))


async def test_a_lease_of_a_clock_that_was_set_back_since_is_no_lease(service: Service) -> None:
    """Its owner died just before: at its end by the old clock nobody would have come for an hour."""
    async with service.created() as worker:
        await service.set_run(worker.run_id, lease_expire_time=datetime.now(UTC) + timedelta(hours=1))
        assert [each.run_id for each in await service.claim()] == [worker.run_id]


async def test_a_small_step_back_of_the_clock_steals_no_live_lease(service: Service) -> None:
    async with service.created() as worker:
        length = timedelta(seconds=service.runs.options.lease_seconds)
        await service.set_run(worker.run_id, lease_expire_time=datetime.now(UTC) + 1.9 * length)
        assert await service.claim() == []


async def test_a_lease_of_the_release_before_ends_when_it_says(service: Service) -> None:
    async with service.created() as worker:
        hour = datetime.now(UTC) + timedelta(hours=1)
        await service.set_run(worker.run_id, lease_expire_time=hour, lease_microseconds=None)
        assert await service.claim() == []
