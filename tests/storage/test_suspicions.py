"""What a run is suspected of is recorded with it, and counts whoever decides it."""

from collections.abc import Sequence

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, panel_pb2, run_event_pb2, run_pb2, suspicion_pb2
from consensus_contract.steps import review_step
from consensus_decision.decision import decide
from consensus_decision.policies import POLICY_VERSION
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from tests.support.records import (
    PERSONAS,
    Service,
    Worker,
    new_id,
    proposal,
    record,
    review,
    scope,
    specification,
)

CANARY = suspicion_pb2.SUSPICION_KIND_CANARY
OF_IDEA = suspicion_pb2.Suspicion(text="idea", kind=suspicion_pb2.SUSPICION_KIND_OVERRIDE)
OF_PROPOSAL = suspicion_pb2.Suspicion(text="proposal", kind=CANARY)
OF_CRITIC = suspicion_pb2.Suspicion(text="review_critic", kind=CANARY)
REVISE = decision_pb2.DECISION_LABEL_REVISE


def approving(*suspected: suspicion_pb2.Suspicion) -> list[panel_pb2.PersonaReview]:
    """Reviews that approve; the critic's is suspected."""
    reviews = [review(persona, 0.95) for persona in PERSONAS]
    for each in reviews:
        each.ClearField("blocking_issues")
        each.blocking_issues_present = False
    reviews[1].suspicions.extend(suspected)
    return reviews


async def reviewed(
    worker: Worker, reviews: Sequence[panel_pb2.PersonaReview], *suspected: suspicion_pb2.Suspicion
) -> None:
    """Records a proposal that is suspected of this, and the reviews."""
    ready = run_event_pb2.ProposalReady(proposal=proposal(), suspicions=suspected)
    await worker.record(record(2, ready, run_event_pb2.StepCompleted(step="expand", attempt_count=1)))
    for number, each in enumerate(reviews, start=3):
        step = run_event_pb2.StepCompleted(step=review_step(each.persona_id), attempt_count=1)
        await worker.record(record(number, run_event_pb2.PersonaReviewReady(persona_review=each), step))


def ending(decided: decision_pb2.Decision) -> persistence_service_pb2.Record:
    return record(9, run_event_pb2.DecisionReady(decision=decided), run_event_pb2.RunCompleted())


async def test_all_that_a_run_is_suspected_of_is_read_back_with_its_events(service: Service) -> None:
    spec = specification(policy_version=POLICY_VERSION, suspicions=[OF_IDEA])
    reviews = approving(OF_CRITIC)
    async with service.created(specification=spec) as worker:
        await reviewed(worker, reviews, OF_PROPOSAL)
        await worker.record(ending(decide(spec, reviews, suspicions=[OF_PROPOSAL])))
    run, events = await service.run(worker.run_id), await service.events(worker.run_id)

    assert list(run.suspicions) == [OF_IDEA, OF_PROPOSAL, OF_CRITIC]
    assert list(run.specification.suspicions) == [OF_IDEA]
    assert run.decision.label == REVISE
    assert list(events[0].run_created.suspicions) == [OF_IDEA]
    (ready,) = (event.proposal_ready for event in events if event.HasField("proposal_ready"))
    assert list(ready.suspicions) == [OF_PROPOSAL]
    listed = (await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))).runs
    assert list(listed[0].suspicions) == [OF_IDEA, OF_PROPOSAL]


@pytest.mark.parametrize("suspected", [OF_IDEA, OF_PROPOSAL, OF_CRITIC], ids=lambda each: each.text)
async def test_nobody_who_took_the_run_over_approves_what_is_suspected(
    service: Service, suspected: suspicion_pb2.Suspicion
) -> None:
    spec = specification(policy_version=POLICY_VERSION, suspicions=[suspected] * (suspected is OF_IDEA))
    of_proposal = [suspected] * (suspected is OF_PROPOSAL)
    reviews = approving(*[suspected] * (suspected is OF_CRITIC))
    async with service.created(specification=spec) as worker:
        await reviewed(worker, reviews, *of_proposal)
        await service.abandon(worker.run_id)
    unsuspecting = decide(specification(policy_version=POLICY_VERSION), approving())
    assert unsuspecting.label == decision_pb2.DECISION_LABEL_APPROVE

    (granted,) = await service.claim()
    async with service.attached(worker.run_id, granted.lease.fencing_token) as other:
        with pytest.raises(InvalidField, match=r"decision\.label"):
            await other.record(ending(unsuspecting))
    await service.resume(worker.run_id)
    (granted,) = await service.claim()
    async with service.attached(worker.run_id, granted.lease.fencing_token) as other:
        run = await service.run(worker.run_id)
        assert list(run.suspicions) == [suspected]
        decided = decide(run.specification, run.persona_reviews, suspicions=of_proposal)
        await other.record(record(10, run_event_pb2.DecisionReady(decision=decided)))

    assert (await service.run(worker.run_id)).decision.label == REVISE


async def test_a_suspected_review_is_carried_over_as_it_is_and_not_otherwise(service: Service) -> None:
    spec = specification(policy_version=POLICY_VERSION)
    reviews = approving(OF_CRITIC)
    async with service.created(specification=spec) as worker:
        await reviewed(worker, reviews)
        await worker.record(ending(decide(spec, reviews)))
    parent = await service.run(worker.run_id)
    spec.revision.CopyFrom(
        run_pb2.RevisionSpecification(
            parent_run_id=parent.run_id,
            parent_proposal=parent.proposal,
            edit_notes="Shorter.",
            asked_personas=[each for each in PERSONAS if each != "critic"],
        )
    )
    taken = parent.persona_reviews[1]
    taken.reused_from_run_id = parent.run_id
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(), run_id=new_id(), specification=spec, carried_reviews=[taken]
    )
    with contract_errors():
        run = (await service.stub.CreateRun(request)).run

    assert list(run.suspicions) == [OF_CRITIC]
    request.run_id = new_id()
    request.carried_reviews[0].ClearField("suspicions")
    with pytest.raises(InvalidField, match="that of critic is not"), contract_errors():
        await service.stub.CreateRun(request)


async def test_runs_that_nothing_is_suspected_of_are_stored_as_before(service: Service) -> None:
    async with service.created(specification=specification()) as worker:
        await reviewed(worker, approving())

    assert not (await service.run(worker.run_id)).suspicions
