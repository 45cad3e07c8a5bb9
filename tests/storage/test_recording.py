"""A run is written down record by record, and reads back as it was written."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, errors_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import DuplicateId, IllegalState, RunNotFound
from consensus_rpc.errors import InvalidField, ShuttingDown
from tests.support.records import (
    PERSONAS,
    Service,
    Worker,
    attempt,
    decision,
    failure,
    happy_records,
    new_id,
    proposal,
    record,
    review,
    specification,
)


def built_events(
    run_id: str, records: list[persistence_service_pb2.Record], acks: list[persistence_service_pb2.RecordAck]
) -> list[run_event_pb2.RunEvent]:
    """The events as the worker builds them of what it sent and what was acknowledged."""
    built = []
    for sent, ack in zip(records, acks, strict=True):
        for sequence, item in enumerate(sent.items, start=ack.first_sequence):
            event = run_event_pb2.RunEvent(run_id=run_id, sequence=sequence, event_time=ack.event_time)
            kind = item.WhichOneof("item")
            assert kind is not None
            getattr(event, kind).CopyFrom(getattr(item, kind))
            getattr(event, kind).SetInParent()
            built.append(event)
    return built


def as_bytes(events: list[run_event_pb2.RunEvent]) -> list[bytes]:
    return [event.SerializeToString(deterministic=True) for event in events]


async def test_a_run_is_readable_with_all_its_parameters_before_anything_happened(service: Service) -> None:
    async with service.created() as worker:
        run = await service.run(worker.run_id)
    assert run.specification == specification()
    assert (run.state, run.type) == (run_pb2.RUN_STATE_RUNNING, run_pb2.RUN_TYPE_INITIAL)


async def test_the_first_record_follows_created_and_started(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
        events = await service.events(worker.run_id)
    kinds = [event.WhichOneof("payload") for event in events[:3]]
    assert kinds == ["run_created", "run_started", "step_started"]


async def test_events_read_back_are_those_that_were_sent_byte_for_byte(service: Service) -> None:
    run_id = new_id()
    async with service.created(run_id) as worker:
        records = [
            record(
                2,
                run_event_pb2.AttemptFailed(
                    step="expand",
                    attempt_number=1,
                    reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT,
                    retry_delay=Duration(nanos=1),
                ),
            ),
            record(3, run_event_pb2.StepSkipped(step="aggregate_decision")),
            record(
                4,
                run_event_pb2.StepFailed(
                    step="review_critic",
                    attempt_count=4,
                    failure=run_pb2.StepFailure(
                        reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT,
                        cause="quota",
                        provider_code="c",
                        provider_param="p",
                    ),
                ),
            ),
            record(5, run_event_pb2.RunFailed(failure=failure())),
        ]
        acks = [await worker.record(each) for each in records]
    built = built_events(run_id, records, acks)
    assert as_bytes(await service.events(run_id, after=3)) == as_bytes(built)


async def test_events_of_a_run_that_decides_read_back_byte_for_byte(service: Service) -> None:
    async with service.created() as worker:
        acks = await worker.finish()
        built = built_events(worker.run_id, happy_records(), acks)
        assert as_bytes(await service.events(worker.run_id, after=3)) == as_bytes(built)


async def test_a_finished_run_has_its_steps_reviews_and_decision(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
        run = await service.run(worker.run_id)
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert [step.name for step in run.steps] == [
        "expand",
        *(f"review_{persona}" for persona in PERSONAS),
        "aggregate_decision",
    ]
    assert {step.state for step in run.steps} == {run_pb2.STEP_STATE_COMPLETED}
    assert [step.attempt_count for step in run.steps] == [1] * 6 + [0]
    assert run.proposal == proposal()
    assert list(run.persona_reviews) == [review(persona) for persona in PERSONAS]
    assert run.decision == decision()


async def test_records_that_are_under_way_together_are_acknowledged_in_order(service: Service) -> None:
    async with service.created() as worker:
        for each in happy_records():
            worker.send(record=each)
        acks = [(await worker.answer()).ack for _ in happy_records()]
    assert [ack.record_id for ack in acks] == [each.record_id for each in happy_records()]
    sequences = [n for ack in acks for n in range(ack.first_sequence, ack.last_sequence + 1)]
    assert sequences == list(range(4, 4 + sum(len(each.items) for each in happy_records())))


async def test_a_repeated_record_has_the_same_acknowledgement_and_no_second_effect(service: Service) -> None:
    async with service.created() as worker:
        first = await worker.record(happy_records()[0])
        again = await worker.record(happy_records()[0])
        last_sequence = (await service.run(worker.run_id)).last_sequence
    assert (again, last_sequence) == (first, first.last_sequence)


async def test_a_repeated_last_record_is_acknowledged_though_the_run_has_ended(service: Service) -> None:
    async with service.created() as worker:
        last = (await worker.finish())[-1]
        assert await worker.record(happy_records()[-1]) == last


async def test_a_record_repeated_at_once_is_applied_once(service: Service) -> None:
    async with service.created() as worker:
        worker.send(record=happy_records()[0])
        worker.send(record=happy_records()[0])
        assert (await worker.answer()).ack == (await worker.answer()).ack


async def test_a_record_without_events_is_acknowledged_without_sequences(service: Service) -> None:
    async with service.created() as worker:
        ack = await worker.record(record(2, attempts=[attempt(number=2)]))
    assert ack == persistence_service_pb2.RecordAck(record_id=2)


async def test_a_creation_that_is_repeated_is_answered_as_it_was(service: Service) -> None:
    run_id = new_id()
    async with service.created(run_id) as worker, Worker(service) as other:
        await worker.record(happy_records()[0])
        again = await other.create(run_id)
    assert again.created.ack.record_id == 1
    assert (again.created.ack.first_sequence, again.created.ack.last_sequence) == (3, 3)
    assert again.created.lease.fencing_token == worker.token


async def test_a_second_proposal_is_refused_and_changes_nothing(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(happy_records()[0])
        before = await service.run(worker.run_id)
        with pytest.raises(IllegalState):
            await worker.record(record(9, run_event_pb2.ProposalReady(proposal=proposal())))
        assert await service.run(worker.run_id) == before


async def test_a_second_review_of_a_persona_is_refused(service: Service) -> None:
    ready = run_event_pb2.PersonaReviewReady(persona_review=review("critic"))
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.ProposalReady(proposal=proposal())))
        with pytest.raises(DuplicateId, match=f"{worker.run_id}/persona_reviews/critic exists already"):
            await worker.record(record(3, ready, ready))
        assert (await service.run(worker.run_id)).last_sequence == 4


async def test_a_second_review_in_a_later_record_is_refused(service: Service) -> None:
    async with service.created() as worker:
        for each in happy_records()[:-1]:
            await worker.record(each)
        again = run_event_pb2.PersonaReviewReady(persona_review=review("architect", 0.1))
        before = await service.run(worker.run_id)
        with pytest.raises(DuplicateId, match="persona_reviews/architect exists already"):
            await worker.record(record(9, again))
        assert await service.run(worker.run_id) == before


async def test_a_review_of_nobody_on_the_panel_is_refused(service: Service) -> None:
    ready = run_event_pb2.PersonaReviewReady(persona_review=review("unknown_persona"))
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.ProposalReady(proposal=proposal())))
        with pytest.raises(InvalidField, match="is one of the run's personas"):
            await worker.record(record(3, ready))
        assert not (await service.run(worker.run_id)).persona_reviews


async def test_a_decision_without_a_review_is_refused(service: Service) -> None:
    async with service.created() as worker:
        with pytest.raises(InvalidField, match="needs the reviews of the run's quorum"):
            await worker.record(record(2, run_event_pb2.DecisionReady(decision=decision())))
        assert not (await service.run(worker.run_id)).HasField("decision")


async def test_a_decision_other_than_the_stored_reviews_give_is_refused(service: Service) -> None:
    approved = decision()
    approved.label = decision_pb2.DECISION_LABEL_APPROVE
    async with service.created() as worker:
        for each in happy_records()[:-1]:
            await worker.record(each)
        with pytest.raises(InvalidField, match=r"decision\.label"):
            await worker.record(record(9, run_event_pb2.DecisionReady(decision=approved)))
        assert not (await service.run(worker.run_id)).HasField("decision")


async def test_a_record_that_is_refused_for_what_it_says_ends_its_run(service: Service) -> None:
    approved = decision()
    approved.label = decision_pb2.DECISION_LABEL_APPROVE
    async with service.created() as worker:
        for each in happy_records()[:-1]:
            await worker.record(each)
        with pytest.raises(InvalidField):
            await worker.record(
                record(
                    9,
                    run_event_pb2.StepStarted(step="aggregate_decision"),
                    run_event_pb2.DecisionReady(decision=approved),
                )
            )
    run = await service.run(worker.run_id)
    assert (run.state, run.failure.reason, run.failure.failed_step, run.failure.resumable) == (
        run_pb2.RUN_STATE_FAILED,
        errors_pb2.ERROR_REASON_INVALID_FIELD,
        "aggregate_decision",
        True,
    )
    assert sorted(run.failure.finished_personas) == sorted(PERSONAS)
    assert await service.claim() == []


async def test_reviews_of_another_worker_and_of_the_same_batch_count(service: Service) -> None:
    records = happy_records()
    async with service.created() as first:
        for each in records[:4]:
            await first.record(each)
        await service.abandon(first.run_id)
        (granted,) = await service.claim()
        async with service.attached(first.run_id, granted.lease.fencing_token) as second:
            for each in records[4:]:
                second.send(record=each)
            for each in records[4:]:
                assert (await second.answer()).ack.record_id == each.record_id
    assert (await service.run(first.run_id)).decision == decision()


async def test_a_second_decision_is_refused(service: Service) -> None:
    ready = run_event_pb2.DecisionReady(decision=decision())
    async with service.created() as worker:
        for each in happy_records()[:-1]:
            await worker.record(each)
        await worker.record(record(8, ready))
        with pytest.raises(IllegalState):
            await worker.record(record(9, ready))


async def test_completing_needs_a_decision(service: Service) -> None:
    async with service.created() as worker:
        with pytest.raises(IllegalState):
            await worker.record(record(2, run_event_pb2.RunCompleted()))
        assert (await service.run(worker.run_id)).state == run_pb2.RUN_STATE_RUNNING


async def test_nothing_is_written_after_the_end(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
        with pytest.raises(IllegalState):
            await worker.record(record(99, run_event_pb2.StepStarted(step="expand")))


async def test_what_follows_a_refused_record_on_its_stream_is_not_written(service: Service) -> None:
    async with service.created() as worker:
        worker.send(record=record(2, run_event_pb2.RunCompleted()))
        worker.send(record=record(3, run_event_pb2.StepSkipped(step="expand")))
        with pytest.raises(IllegalState):
            await worker.answer()
        await _settled(service)
        assert (await service.run(worker.run_id)).last_sequence == 3


async def _settled(service: Service) -> None:
    """Everything that was handed in before is committed."""
    await service.queued()


async def test_a_refused_record_harms_no_neighbour(service: Service) -> None:
    ready = run_event_pb2.PersonaReviewReady(persona_review=review("critic"))
    async with asyncio.TaskGroup() as group:

        async def work(*, is_bad: bool) -> str:
            async with service.created() as worker:
                if is_bad:
                    await worker.record(record(2, run_event_pb2.ProposalReady(proposal=proposal())))
                    with pytest.raises(DuplicateId):
                        await worker.record(record(3, ready, ready))
                else:
                    await worker.finish()
                return worker.run_id

        runs = [group.create_task(work(is_bad=number % 5 == 0)) for number in range(20)]
    states = [(await service.run(run.result())).state for run in runs]
    assert states.count(run_pb2.RUN_STATE_COMPLETED) == 16


async def test_scores_of_more_than_four_decimals_are_refused(service: Service) -> None:
    ready = run_event_pb2.PersonaReviewReady(persona_review=review("critic", score=0.81234))
    async with service.created() as worker:
        with pytest.raises(InvalidField):
            await worker.record(record(2, ready))
    assert (await service.run(worker.run_id)).failure.failed_step == "expand"


async def test_the_largest_counts_read_back_and_those_beyond_are_refused(service: Service) -> None:
    sent = review("critic")
    sent.provenance.attempt_count = sent.provenance.usage.input_tokens = 2**31 - 1
    large = attempt(number=2**31 - 1, http_status=2**31 - 1)
    async with service.created() as worker:
        ready = run_event_pb2.PersonaReviewReady(persona_review=sent)
        await worker.record(
            record(2, run_event_pb2.ProposalReady(proposal=proposal()), ready, attempts=[large])
        )
        assert list((await service.run(worker.run_id)).persona_reviews) == [sent]
        with pytest.raises(InvalidField, match="attempt_number"):
            await worker.record(record(3, attempts=[attempt(number=2**31)]))


async def test_what_was_sent_before_a_broken_message_is_written(service: Service) -> None:
    async with service.created() as worker:
        worker.send(record=happy_records()[0])
        worker.send(create=None)
        assert (await worker.answer()).ack.record_id == 2
        with pytest.raises(InvalidField):
            await worker.answer()


async def test_a_stream_that_is_ended_by_its_worker_ends_well(service: Service) -> None:
    async with service.created() as worker:
        worker.send(record=happy_records()[0])
        worker.end()
        assert (await worker.answer()).ack.record_id == 2
        assert (await worker.answer()).WhichOneof("message") is None


async def test_streams_end_when_the_service_drains(service: Service) -> None:
    async with service.created() as worker:
        service.servicer.drain()
        with pytest.raises(ShuttingDown):
            await worker.answer()


async def test_other_tenants_runs_are_not_there(service: Service) -> None:
    async with service.created() as worker:
        with pytest.raises(RunNotFound):
            await service.run(worker.run_id, tenant="other")


async def test_sequences_are_gapless_whatever_happens_at_once(
    service: Service, second_service: Service
) -> None:
    services = [service, second_service]

    async def work(number: int) -> str:
        async with services[number % 2].created() as worker:
            await worker.finish()
            return worker.run_id

    runs = await asyncio.gather(*(work(number) for number in range(30)))
    length = 3 + sum(len(each.items) for each in happy_records())
    for run_id in runs:
        assert [event.sequence for event in await service.events(run_id)] == list(range(1, length + 1))


async def test_an_id_below_the_newest_that_was_never_committed_is_refused(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(9, run_event_pb2.StepStarted(step="review_critic")))
        with pytest.raises(InvalidField, match="is above 9, the newest"):
            await worker.record(record(5, run_event_pb2.StepStarted(step="review_optimist")))
    async with service.attached(worker.run_id, worker.token, owner="me") as again:
        with pytest.raises(InvalidField, match="is above 9, the newest"):
            await again.record(record(5, attempts=[attempt("review_optimist")]))


async def test_a_record_without_events_is_acknowledged_again(service: Service) -> None:
    async with service.created() as worker:
        sent = record(2, attempts=[attempt("review_critic")])
        await worker.record(sent)
        await worker.record(record(3))
        assert (await worker.record(sent)).record_id == 2


async def test_a_review_before_its_proposal_is_refused(service: Service) -> None:
    async with service.created() as worker:
        with pytest.raises(IllegalState):
            await worker.record(record(2, run_event_pb2.PersonaReviewReady(persona_review=review("critic"))))
    assert not (await service.run(worker.run_id)).persona_reviews


async def test_a_review_of_a_proposal_that_the_release_before_recorded_is_taken(service: Service) -> None:
    proposal_first, review_next, *_ = happy_records()
    async with service.created() as worker:
        await worker.record(proposal_first)
        await service.set_run(worker.run_id, is_expanded=None)
        assert (await worker.record(review_next)).record_id == 3
