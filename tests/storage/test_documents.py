"""Runs over documents and over proposals that callers wrote: what is stored, and what is refused."""

import hashlib

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import document_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import IllegalState
from consensus_decision.decision import decide
from consensus_decision.policies import POLICY_VERSION
from consensus_documents import section_digests
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.runs.write.purging import purge_ended
from tests.support.digests import stored_digests
from tests.support.records import PERSONAS, Service, new_id, proposal, record, review, scope, specification

TEXT = "# Keep logs\n\nWe keep logs for thirty days.\n\n## Why\n\nAuditors ask for them.\n"
EDITED = TEXT.replace("Auditors ask", "The law asks").replace("## Why", "## Cost\n\nLittle.\n\n## Why")
MARKDOWN = document_pb2.DOCUMENT_FORMAT_MARKDOWN
SKIP, SUMMARISE = document_pb2.DOCUMENT_EXPANSION_SKIP, document_pb2.DOCUMENT_EXPANSION_SUMMARISE


def over_document(
    text: str = TEXT, expansion: document_pb2.DocumentExpansion.ValueType = SKIP
) -> run_pb2.RunSpecification:
    spec = specification()
    spec.document.CopyFrom(document_pb2.Document(text=text, format=MARKDOWN, name="logs.md"))
    spec.document_expansion = expansion
    evidence = "a,b\n1,2\n"
    spec.attachments.add(
        name="cost.csv",
        media_type="text/csv",
        text=evidence,
        sha256=hashlib.sha256(evidence.encode()).digest(),
    )
    return spec


def over_proposal() -> run_pb2.RunSpecification:
    spec = specification()
    spec.proposal.CopyFrom(proposal())
    return spec


def of_persona(persona_id: str) -> list[object]:
    return [
        run_event_pb2.PersonaReviewReady(persona_review=review(persona_id)),
        run_event_pb2.StepCompleted(step=f"review_{persona_id}", attempt_count=1),
    ]


async def decided(service: Service, spec: run_pb2.RunSpecification) -> str:
    """A run over a document whose panel has read it, and its id."""
    async with service.created(specification=spec) as worker:
        await worker.record(record(2, run_event_pb2.StepSkipped(step="expand")))
        for number, persona_id in enumerate(PERSONAS, start=3):
            await worker.record(record(number, *of_persona(persona_id)))
        decision = decide(spec, [review(each) for each in PERSONAS], {})
        await worker.record(
            record(9, run_event_pb2.DecisionReady(decision=decision), run_event_pb2.RunCompleted())
        )
        return worker.run_id


async def test_a_document_is_read_back_whole_and_listed_without_its_texts(service: Service) -> None:
    async with service.created(specification=over_document()) as worker:
        assert (await service.run(worker.run_id)).specification == over_document()
    (listed,) = (await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))).runs
    assert (listed.specification.document.name, listed.specification.document.format) == ("logs.md", MARKDOWN)
    assert listed.specification.attachments[0].name == "cost.csv"
    assert (listed.specification.document.text, listed.specification.attachments[0].text) == ("", "")


async def test_a_document_that_is_not_expanded_is_reviewed_without_a_proposal(service: Service) -> None:
    run = await service.run(await decided(service, over_document()))
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert not run.HasField("proposal")
    assert run.steps[0].state == run_pb2.STEP_STATE_SKIPPED
    assert len(run.persona_reviews) == len(PERSONAS)


async def test_a_proposal_of_a_document_that_is_not_expanded_is_refused(service: Service) -> None:
    async with service.created(specification=over_document()) as worker:
        with pytest.raises(InvalidField, match="is none of a document"):
            await worker.record(record(2, run_event_pb2.ProposalReady(proposal=proposal())))


async def test_a_document_that_is_expanded_is_not_reviewed_before_its_proposal(service: Service) -> None:
    async with service.created(specification=over_document(expansion=SUMMARISE)) as worker:
        with pytest.raises(IllegalState):
            await worker.record(record(2, *of_persona("critic")))


async def test_a_given_proposal_is_recorded_as_it_was_given(service: Service) -> None:
    async with service.created(specification=over_proposal()) as worker:
        ready = run_event_pb2.ProposalReady(proposal=proposal())
        await worker.record(record(2, run_event_pb2.StepSkipped(step="expand"), ready))
        assert (await service.run(worker.run_id)).specification.proposal == proposal()
    other = proposal()
    other.title = "Another"
    async with service.created(specification=over_proposal()) as worker:
        with pytest.raises(InvalidField, match="is the one that the run was given"):
            await worker.record(record(2, run_event_pb2.ProposalReady(proposal=other)))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda spec: spec.document.ClearField("format"), "format"),
        (lambda spec: spec.document.ClearField("text"), "is not empty"),
        (lambda spec: spec.ClearField("document_expansion"), "is SKIP or SUMMARISE"),
        (lambda spec: setattr(spec, "idea", "An idea."), "goes with a document"),
        (lambda spec: setattr(spec.attachments[0], "text", "other"), "digests of their texts"),
        (lambda spec: spec.attachments.append(spec.attachments[0]), "names that differ"),
    ],
)
async def test_what_cannot_be_worked_on_is_refused(service: Service, change: object, fault: str) -> None:
    spec = over_document()
    assert callable(change)
    change(spec)
    request = persistence_service_pb2.CreateRunRequest(scope=scope(), run_id=new_id(), specification=spec)
    with pytest.raises(InvalidField, match=fault), contract_errors():
        await service.stub.CreateRun(request)


async def test_the_largest_document_with_attachments_is_read_back(service: Service) -> None:
    spec = over_document("# \N{CJK UNIFIED IDEOGRAPH-6587}\n" + "\N{CJK UNIFIED IDEOGRAPH-5B57}" * 199_990)
    spec.attachments[0].text = "x" * 200_000
    spec.attachments[0].sha256 = hashlib.sha256(spec.attachments[0].text.encode()).digest()
    async with service.created(specification=spec) as worker:
        assert (await service.run(worker.run_id)).specification == spec


async def revised(
    service: Service, parent: str, text: str, asked: list[str], *, read: str = TEXT
) -> run_pb2.Run:
    """The revision of a run over a document, its other reviews carried over."""
    spec = over_document(text)
    spec.policy_version = POLICY_VERSION
    spec.revision.CopyFrom(run_pb2.RevisionSpecification(parent_run_id=parent, asked_personas=asked))
    taken = [review(each) for each in PERSONAS if each not in asked]
    for each in taken:
        each.reused_from_run_id = parent
        each.section_digests.extend(section_digests(read, MARKDOWN))
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(), run_id=new_id(), specification=spec, carried_reviews=taken
    )
    with contract_errors():
        return (await service.stub.CreateRun(request)).run


async def test_carried_reviews_are_stale_by_the_sections_that_changed(service: Service) -> None:
    parent = await decided(service, over_document())
    run = await revised(service, parent, EDITED, ["security_guardian"])
    assert [list(each.stale_sections) for each in run.persona_reviews] == [
        ["Keep logs > Cost", "Keep logs > Why"]
    ] * 4
    same = await revised(service, parent, TEXT, ["security_guardian"])
    assert not any(each.stale_sections for each in same.persona_reviews)


async def test_nobody_says_that_a_persona_read_a_document_that_it_was_not_shown(service: Service) -> None:
    parent = await decided(service, over_document())
    with pytest.raises(InvalidField, match="that of architect is not"):
        await revised(service, parent, EDITED, ["security_guardian"], read=EDITED)


async def test_a_decision_over_stale_reviews_of_a_document_is_computed_again(service: Service) -> None:
    parent = await decided(service, over_document())
    run = await revised(service, parent, EDITED, ["security_guardian"])
    (claimed,) = await service.claim()
    fresh = review("security_guardian")
    stale = {each.persona_id: each for each in run.persona_reviews}
    reviews = [stale.get(each, fresh) for each in PERSONAS]
    wrong = decide(run.specification, [review(each) for each in PERSONAS], {})
    async with service.attached(run.run_id, claimed.lease.fencing_token) as worker:
        await worker.record(record(2, run_event_pb2.StepSkipped(step="expand")))
        await worker.record(record(3, *of_persona("security_guardian")))
        right = decide(run.specification, reviews, {})
        assert right != wrong
        ended = record(4, run_event_pb2.DecisionReady(decision=right), run_event_pb2.RunCompleted())
        await worker.record(ended)
    assert (await service.run(run.run_id)).decision == right


async def test_documents_are_purged_with_their_run_and_their_digest_is_that_of_the_rows(
    service: Service, database: Database
) -> None:
    run_id = await decided(service, over_document())
    digests = await database.run(lambda connection: stored_digests(connection, run_id), tenant=EVERY_TENANT)
    created = (await service.events_so_far(run_id))[0]
    assert created.sequence == 1
    assert len(digests[1]) == 32
    now = await database.run(database.now, tenant=EVERY_TENANT)
    await database.run(
        lambda connection: purge_ended(database.now, connection, now.replace(year=9000), 10),
        tenant=EVERY_TENANT,
    )
    with pytest.raises(Exception, match="was not found"):
        await service.run(run_id)
