"""Runs beyond what a message may be, as they were recorded before sizes were bounded; and the bounds."""

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_event_pb2, run_pb2
from consensus_contract.sizes import DECISION_BYTES, RUN_ANSWER_BYTES
from consensus_decision.decision import decide
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.runs.form import entries
from persistence_service.runs.write import record_effects
from tests.support.records import (
    PERSONAS,
    Service,
    Worker,
    attempt,
    decision,
    happy_records,
    proposal,
    record,
    review,
    scope,
    specification,
)

MESSAGE_BYTES = 4 * 1024 * 1024
TOLD = ["ü" * 4000] * 50  # of 400 KB, which is within the contract's rules


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a release before sizes were bounded took."""
    monkeypatch.setattr(entries, "BUDGETS", dict.fromkeys(entries.BUDGETS, MESSAGE_BYTES))
    monkeypatch.setattr(record_effects, "REVIEWS_BYTES", 10 * MESSAGE_BYTES)


def large_records() -> list[persistence_service_pb2.Record]:
    """Those of a run that decides, with large reviews and attempts whose answers were kept."""
    records = happy_records()
    for each in records[1:-1]:
        said = each.items[0].persona_review_ready.persona_review
        for texts in (said.strengths, said.recommendations, said.dependency_risks):
            texts[:] = TOLD
        each.attempts[0].raw_output = "x" * 1_000_000
    return decided(records)


def decided(records: list[persistence_service_pb2.Record]) -> list[persistence_service_pb2.Record]:
    """The same, with the decision that their reviews give."""
    reviews = [each.items[0].persona_review_ready.persona_review for each in records[1:-1]]
    records[-1].items[1].decision_ready.decision.CopyFrom(decide(specification(), reviews))
    return records


def texts_of(size: int) -> list[str]:
    """Texts that take so many bytes as a list, or a thousand less."""
    return ["x" * 1000] * (size // 1003)


@pytest.mark.usefixtures("unbounded")
async def test_a_worker_attaches_to_it_and_has_all_that_is_recorded(service: Service) -> None:
    *sent, end = large_records()
    async with service.created() as worker:
        for each in sent:
            await worker.record(each)
    async with Worker(service) as again:
        attached = await again.attach(worker.run_id, worker.token, "me")
        parts = [(await again.answer()).attached_part for _ in range(attached.part_count)]
        assert (await again.record(end)).record_id == end.record_id
    reviews = [each for part in parts for each in part.persona_reviews]
    attempts = [each for part in parts for each in part.attempts]
    assert not attached.run.persona_reviews
    assert [each.persona_id for each in reviews] == list(PERSONAS)
    assert all(list(each.strengths) == TOLD for each in reviews)
    assert len(attempts) == 6
    assert not any(each.raw_output for each in attempts)


@pytest.mark.usefixtures("unbounded")
async def test_it_is_read_in_part_said_so_and_the_rest_by_its_list(service: Service) -> None:
    async with service.created() as worker:
        for each in large_records():
            await worker.record(each)
    run = await service.run(worker.run_id)
    assert list(run.omitted_fields) == ["persona_reviews", "decision.minority_reports"]
    assert run.HasField("decision")
    assert run.ByteSize() <= RUN_ANSWER_BYTES
    exported = service.stub.ExportRuns(persistence_service_pb2.ExportRunsRequest(scope=scope()))
    assert [message.run async for message in exported] == [run]
    request = persistence_service_pb2.ListPersonaReviewsRequest(scope=scope(), run_id=worker.run_id)
    personas: list[str] = []
    while True:
        page = await service.stub.ListPersonaReviews(request)
        personas += [each.persona_id for each in page.persona_reviews]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert personas == list(PERSONAS)
    assert (await service.events(worker.run_id))[-1].HasField("run_completed")


@pytest.mark.usefixtures("unbounded")
async def test_what_was_committed_is_never_answered_with_an_error_of_its_size(service: Service) -> None:
    async with service.created() as worker:
        for each in large_records():
            await worker.record(each)
    run_id = worker.run_id
    with contract_errors():
        noted = await service.stub.AnnotateDecision(
            persistence_service_pb2.AnnotateDecisionRequest(
                scope=scope(), run_id=run_id, decision_notes="Agreed."
            )
        )
        deleted = await service.stub.DeleteRun(
            persistence_service_pb2.DeleteRunRequest(scope=scope(), run_id=run_id)
        )
        restored = await service.stub.UndeleteRun(
            persistence_service_pb2.UndeleteRunRequest(scope=scope(), run_id=run_id)
        )
    assert noted.run.decision.decision_notes == "Agreed."
    assert deleted.run.HasField("delete_time")
    assert not restored.run.HasField("delete_time")


@pytest.mark.parametrize("name", ["proposal", "review", "decision"])
async def test_a_part_beyond_its_budget_ends_the_run_with_the_reason(service: Service, name: str) -> None:
    large_proposal, large_review, large_decision = proposal(), review("critic"), decision()
    large_proposal.assumptions[:] = TOLD
    for texts in (large_review.strengths, large_review.recommendations, large_review.dependency_risks):
        texts[:] = TOLD
    large_decision.minority_reports[0].strengths[:] = texts_of(DECISION_BYTES + 4_000)
    payload = {
        "proposal": run_event_pb2.ProposalReady(proposal=large_proposal),
        "review": run_event_pb2.PersonaReviewReady(persona_review=large_review),
        "decision": run_event_pb2.DecisionReady(decision=large_decision),
    }[name]
    async with service.created() as worker:
        with pytest.raises(InvalidField, match="at most"):
            await worker.record(record(2, payload, attempts=[attempt()]))
    run = await service.run(worker.run_id)
    assert run.state == run_pb2.RUN_STATE_FAILED
    assert run.failure.resumable


async def test_reviews_beyond_their_budget_together_end_the_run(service: Service) -> None:
    ready = []
    for persona in ("critic", "architect"):
        large = review(persona)
        large.strengths[:] = large.recommendations[:] = TOLD
        ready.append(run_event_pb2.PersonaReviewReady(persona_review=large))
    async with service.created() as worker:
        await worker.record(happy_records()[0])
        await worker.record(record(3, ready[0]))
        with pytest.raises(InvalidField, match="with the run's other reviews at most"):
            await worker.record(record(4, ready[1]))
    run = await service.run(worker.run_id)
    assert (run.state, len(run.persona_reviews)) == (run_pb2.RUN_STATE_FAILED, 1)
    assert run.failure.finished_personas == ["critic"]


async def test_a_run_that_takes_all_of_its_budgets_is_read_whole(service: Service) -> None:
    proposal_first, *reviews, end = happy_records()
    whole = proposal_first.items[0].proposal_ready.proposal
    whole.assumptions[:] = ["x" * 3900] * 50
    for each in reviews:
        said = each.items[0].persona_review_ready.persona_review
        said.strengths[:] = ["x" * 3900] * 50
    async with service.created() as worker:
        for each in decided([proposal_first, *reviews, end]):
            await worker.record(each)
    run = await service.run(worker.run_id)
    assert not run.omitted_fields
    assert run.ByteSize() <= RUN_ANSWER_BYTES
