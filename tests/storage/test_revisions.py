"""Revisions in the record: their parent, what they take over, what is stored of them."""

from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, panel_pb2, proposal_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import DuplicateId, IdempotencyKeyReused, IllegalState, RunNotFound
from consensus_decision.decision import decide
from consensus_decision.policies import POLICY_VERSION
from consensus_decision.sections import section_digests
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from tests.support.records import (
    PERSONAS,
    Service,
    claim,
    new_id,
    proposal,
    record,
    review,
    scope,
    specification,
)

DIFF = proposal_pb2.ProposalDiff(
    changes=[
        proposal_pb2.ProposalFieldChange(field="summary", before=["Old."]),
        proposal_pb2.ProposalFieldChange(field="assumptions", before=["A", "B"], after=["A"]),
    ]
)


async def finished(service: Service) -> str:
    async with service.created() as worker:
        await worker.finish()
        return worker.run_id


def carried(persona: str, origin: str, score: float = 0.8123) -> panel_pb2.PersonaReview:
    message = review(persona, score)
    message.reused_from_run_id = origin
    return message


async def revise(
    service: Service,
    parent: str,
    *taken: panel_pb2.PersonaReview,
    key: persistence_service_pb2.IdempotencyClaim | None = None,
    tenant: str = "default",
    revision: dict[str, Any] | None = None,
    spec: run_pb2.RunSpecification | None = None,
) -> run_pb2.Run:
    spec = spec or specification()
    given = {"edit_notes": "Shorter.", "parent_proposal": proposal()} if revision is None else revision
    spec.revision.CopyFrom(run_pb2.RevisionSpecification(parent_run_id=parent, **given))
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(tenant), run_id=new_id(), specification=spec, idempotency=key, carried_reviews=taken
    )
    with contract_errors():
        return (await service.stub.CreateRun(request)).run


async def test_a_revision_reads_back_as_it_was_sent(service: Service) -> None:
    parent = await finished(service)
    given: dict[str, Any] = {
        "parent_proposal": proposal(),
        "edited_proposal": proposal_pb2.Proposal(problem_statement="p", proposed_solution="s\u2028"),
        "edit_notes": "Kürzer \U0001f600",
        "asked_personas": ["critic", "optimist"],
    }

    run = await revise(service, parent, revision=given)

    assert run.type == run_pb2.RUN_TYPE_REVISION
    assert run.state == run_pb2.RUN_STATE_QUEUED
    assert run.parent_run_id == parent
    assert run.specification.revision == run_pb2.RevisionSpecification(parent_run_id=parent, **given)
    assert (await service.run(run.run_id)).specification == run.specification


async def test_what_is_carried_over_is_recorded_with_the_run(service: Service) -> None:
    parent = await finished(service)
    taken = carried("critic", parent), carried("optimist", parent)

    run = await revise(service, parent, *taken)

    assert list(run.persona_reviews) == list(taken)
    states = {step.name: (step.state, step.attempt_count) for step in run.steps}
    assert states["review_critic"] == states["review_optimist"] == (run_pb2.STEP_STATE_COMPLETED, 0)
    assert states["expand"] == states["review_architect"] == (run_pb2.STEP_STATE_PENDING, 0)
    events = await service.events_so_far(run.run_id)
    assert [event.WhichOneof("payload") for event in events] == [
        "run_created",
        "persona_review_ready",
        "step_completed",
        "persona_review_ready",
        "step_completed",
    ]
    assert events[0].run_created.parent_run_id == parent


async def test_a_worker_is_told_all_that_it_needs(service: Service) -> None:
    parent = await finished(service)
    run = await revise(service, parent, carried("critic", parent))
    (granted,) = await service.claim()

    async with service.attached(granted.run_id, granted.lease.fencing_token) as worker:
        del worker
        whole = await service.run(run.run_id)

    assert whole.specification.revision.parent_proposal == proposal()
    assert [each.persona_id for each in whole.persona_reviews] == ["critic"]


async def test_a_persona_whose_review_was_carried_over_is_not_recorded_again(service: Service) -> None:
    parent = await finished(service)
    run = await revise(service, parent, carried("critic", parent))
    (granted,) = await service.claim()
    async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
        await worker.record(record(1, run_event_pb2.ProposalReady(proposal=proposal())))
        with pytest.raises(DuplicateId, match="persona_reviews/critic exists already"):
            await worker.record(record(2, run_event_pb2.PersonaReviewReady(persona_review=review("critic"))))


async def test_a_decision_of_reviews_of_an_earlier_text_says_how_much_of_the_panel_read_this_one(
    service: Service,
) -> None:
    parent = await finished(service)
    spec = specification(policy_version=POLICY_VERSION)
    run = await revise(service, parent, *(carried(each, parent) for each in PERSONAS), spec=spec)
    (granted,) = await service.claim()
    changed = proposal()
    changed.proposed_solution = "Passwords in plain text."
    async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
        await worker.record(record(1, run_event_pb2.ProposalReady(proposal=changed)))
        reviews = (await service.run(run.run_id)).persona_reviews
        decided = decide(run.specification, reviews)
        assert decided.fresh_weight == 0
        forged = decision_pb2.Decision.FromString(decided.SerializeToString())
        forged.ClearField("fresh_weight")
        with pytest.raises(InvalidField, match="fresh_weight"):
            await worker.record(record(2, run_event_pb2.DecisionReady(decision=forged)))
    await service.resume(run.run_id)
    (granted,) = await service.claim()
    async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
        await worker.record(record(3, run_event_pb2.DecisionReady(decision=decided)))
    assert (await service.run(run.run_id)).decision == decided


async def test_the_diff_of_a_proposal_is_stored_and_replayed(service: Service) -> None:
    run = await revise(service, await finished(service))
    (granted,) = await service.claim()
    ready = run_event_pb2.ProposalReady(proposal=proposal(), proposal_diff=DIFF)
    async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
        await worker.record(record(1, ready))

    assert (await service.run(run.run_id)).proposal_diff == DIFF
    stored = [each.proposal_ready for each in await service.events_so_far(run.run_id)]
    assert [each for each in stored if each.HasField("proposal")] == [ready]


async def test_a_diff_without_changes_is_not_absent(service: Service) -> None:
    run = await revise(service, await finished(service))
    (granted,) = await service.claim()
    ready = run_event_pb2.ProposalReady(proposal=proposal(), proposal_diff=proposal_pb2.ProposalDiff())
    async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
        await worker.record(record(1, ready))
    assert (await service.run(run.run_id)).HasField("proposal_diff")


async def test_a_first_run_has_no_diff(service: Service) -> None:
    run = await service.run(await finished(service))
    assert not run.HasField("proposal_diff")
    assert not run.specification.HasField("revision")
    assert run.parent_run_id == ""


async def test_a_parent_that_is_not_completed_is_refused_and_nothing_is_written(service: Service) -> None:
    waiting = await service.queued()
    with pytest.raises(IllegalState) as caught:
        await revise(service, waiting.run_id)
    assert caught.value.metadata["state"] == "QUEUED"
    listed = await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))
    assert [run.run_id for run in listed.runs] == [waiting.run_id]


async def test_a_parent_that_was_completed_after_it_was_looked_at_is_refused(service: Service) -> None:
    parent = await finished(service)
    with pytest.raises(IllegalState):
        await revise(service, parent, revision={"edit_notes": "Shorter."})


@pytest.mark.parametrize("tenant", ["default", "other"])
async def test_an_unknown_parent_or_another_tenants_is_not_found(service: Service, tenant: str) -> None:
    parent = await finished(service) if tenant == "other" else "none"
    with pytest.raises(RunNotFound):
        await revise(service, parent, tenant=tenant)


async def test_a_key_stands_for_its_revision_whatever_became_of_the_parent(service: Service) -> None:
    parent = await finished(service)
    first = await revise(service, parent, key=claim("k"))
    await service.set_run(parent, state="FAILED")

    again = await revise(service, parent, key=claim("k"), revision={"edit_notes": "Shorter."})

    assert again.run_id == first.run_id
    with pytest.raises(IdempotencyKeyReused):
        await revise(service, parent, key=claim("k", b"o"))


async def test_one_key_makes_a_revision_of_each_parent(service: Service) -> None:
    parents = [await finished(service), await finished(service)]
    runs = [await revise(service, parent, key=claim("k")) for parent in parents]
    assert [run.parent_run_id for run in runs] == parents


async def test_a_refused_revision_does_not_use_its_key_up(service: Service) -> None:
    parent = (await service.queued()).run_id
    with pytest.raises(IllegalState):
        await revise(service, parent, key=claim("k"))
    await service.set_run(parent, state="COMPLETED")
    assert (await revise(service, parent, key=claim("k"))).parent_run_id == parent


@pytest.mark.parametrize(
    "taken",
    [
        [carried("critic", "")],
        [carried("critic", "origin"), carried("critic", "origin")],
        [carried("optimist", "origin")],
    ],
    ids=["without its run", "twice", "of one that is asked"],
)
async def test_what_cannot_be_carried_over_is_refused(
    service: Service, taken: list[panel_pb2.PersonaReview]
) -> None:
    parent = await finished(service)
    given = {"edit_notes": "n", "parent_proposal": proposal(), "asked_personas": ["optimist"]}
    with pytest.raises(InvalidField):
        await revise(service, parent, *taken, revision=given)


async def test_a_review_that_the_parent_does_not_have_is_not_carried_over(service: Service) -> None:
    parent = await finished(service)
    forged = carried("critic", parent, 0.99), carried("critic", "elsewhere"), carried("critic", parent)
    forged[2].ClearField("concerns")
    for each in forged:
        with pytest.raises(InvalidField, match="that of critic is not"):
            await revise(service, parent, each)
    listed = await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))
    assert [run.run_id for run in listed.runs] == [parent]


async def test_nobody_says_that_a_persona_read_what_it_was_not_shown(service: Service) -> None:
    parent = await finished(service)
    never_shown = proposal()
    never_shown.proposed_solution = "Passwords in plain text."
    claimed = carried("critic", parent)
    claimed.section_digests.extend(section_digests(never_shown))
    with pytest.raises(InvalidField, match="that of critic is not"):
        await revise(service, parent, claimed)
    given = {"edit_notes": "n", "parent_proposal": never_shown}
    with pytest.raises(InvalidField, match="that of critic is not"):
        await revise(service, parent, carried("critic", parent), revision=given)
    claimed.ClearField("section_digests")
    claimed.section_digests.extend(section_digests(proposal()))
    revised = await revise(service, parent, claimed)
    assert list(revised.persona_reviews[0].section_digests) == section_digests(proposal())


async def test_only_revisions_carry_reviews_over(service: Service) -> None:
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(),
        run_id=new_id(),
        specification=specification(),
        carried_reviews=[carried("critic", "origin")],
    )
    with pytest.raises(InvalidField), contract_errors():
        await service.stub.CreateRun(request)


async def test_a_revision_does_not_begin_on_a_workers_stream(service: Service) -> None:
    spec = specification()
    spec.revision.CopyFrom(run_pb2.RevisionSpecification(parent_run_id="p", edit_notes="n"))
    with pytest.raises(InvalidField):
        async with service.created(specification=spec):
            pass


async def test_a_revision_of_a_revision_is_a_revision(service: Service) -> None:
    first = parent = await finished(service)
    for _ in range(5):
        run = await revise(service, parent, *(carried(persona, first) for persona in PERSONAS))
        (granted,) = await service.claim()
        async with service.attached(run.run_id, granted.lease.fencing_token) as worker:
            await worker.record(record(1, run_event_pb2.ProposalReady(proposal=proposal())))
            decided = decide(run.specification, (await service.run(run.run_id)).persona_reviews)
            await worker.record(
                record(2, run_event_pb2.DecisionReady(decision=decided), run_event_pb2.RunCompleted())
            )
        assert (await service.run(run.run_id)).parent_run_id == parent
        parent = run.run_id
