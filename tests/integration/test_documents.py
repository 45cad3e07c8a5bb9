"""Documents reviewed by the pair: sections, quotations, what was shown; revised, resumed, compared."""

import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from consensus.v1 import document_pb2, proposal_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_client import ReviewClient, attachment, document
from consensus_contract.errors import RunFailed
from consensus_documents import find_quotation, read_sections
from consensus_rpc.errors import InvalidField
from offline_model.script import Rule
from tests.integration.test_consensus_command import consensus
from tests.support.pair import Client, Pair, kinds

FOLDER = Path(__file__).resolve().parents[1] / "documents"
DOCUMENTS = sorted(FOLDER.iterdir())
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
MOST_SECONDS = 3.0
COMPLETED, SKIPPED = run_pb2.STEP_STATE_COMPLETED, run_pb2.STEP_STATE_SKIPPED
SKIPPED_OPENING = ["run_created", "run_started", "step_skipped", *["step_started"] * 5]


@pytest.fixture
async def reviews(pair: Pair) -> AsyncIterator[ReviewClient]:
    async with ReviewClient(pair.review_address) as client:
        yield client


async def events_of(stream: AsyncIterator[run_event_pb2.RunEvent]) -> list[run_event_pb2.RunEvent]:
    return [event async for event in stream]


def checked_quotations(run: run_pb2.Run) -> int:
    """How many quotations its reviews have; each is in the section that it names."""
    held = run.specification.document
    texts = {each.number: each.text for each in read_sections(held.text, held.format)}
    texts |= {f"attachments/{each.name}": each.text for each in run.specification.attachments}
    count = 0
    for review in run.persona_reviews:
        quoted = [each.quotations for each in review.concerns]
        quoted += [each.quotations for each in review.blocking_issues]
        for quotation in itertools.chain.from_iterable(quoted):
            assert find_quotation(texts[quotation.section], quotation.text), quotation
            count += 1
    return count


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
async def test_a_document_is_reviewed_with_one_command(pair: Pair, reviews: ReviewClient, path: Path) -> None:
    done = consensus(pair, "review", str(path), "--json")

    assert done.returncode == 0, done.stderr
    assert f"{path.name} has" in done.stderr
    assert "it is reviewed as a document" in done.stderr
    run = await reviews.get_run(json.loads(done.stdout.splitlines()[0])["runId"])
    held = run.specification.document
    assert (held.text, held.name) == (TEXTS[path], path.name)
    assert run.steps[0].state == SKIPPED
    assert len(run.persona_reviews) == 5
    numbers = [each.number for each in read_sections(held.text, held.format)]
    assert len(numbers) > 8
    assert any(number.count(".") for number in numbers)
    seconds = (run.finish_time.ToNanoseconds() - run.create_time.ToNanoseconds()) / 1e9
    print(f"{path.name}: {len(numbers)} sections, {checked_quotations(run)} quotations, {seconds:.2f} s")
    assert seconds < MOST_SECONDS


def answer(*quotes: tuple[str, str]) -> dict[str, Any]:
    """A review with these quotes, each a section and words."""
    listed = [{"section": section, "text": text} for section, text in quotes]
    return {
        "confidence_score": 0.9,
        "strengths": ["Short."],
        "concerns": [{"text": "Cold.", "is_blocking": False, "quotes": listed}],
        "recommendations": [],
        "blocking_issues": [],
        "estimated_effort": "A day.",
        "dependency_risks": [],
    }


def marked(mark: str) -> str:
    return f"# Cache\n\nWe cache {mark}.\n\n## Warm-up\n\nFrom the replica.\n"


async def test_quotations_stand_where_they_are_found_and_others_are_counted(
    client: Client, reviews: ReviewClient, mark: str
) -> None:
    quotes = [("1", "From  the replica."), ("9", f"We cache {mark}."), ("1", "From the primary.")]
    evidence = attachment("latency.csv", "p99,40 ms", "text/csv")
    quoted = answer(*quotes, ("attachments/latency.csv", "p99,40 ms"))
    await client.model.script(Rule(contains=mark, override=quoted))

    events = await events_of(reviews.review(document(marked(mark), "cache.md"), attachments=[evidence]))
    run = await reviews.get_run(events[0].run_id)

    assert kinds(events)[: len(SKIPPED_OPENING)] == SKIPPED_OPENING
    assert "proposal_ready" not in kinds(events)
    assert not run.HasField("proposal")
    for review in run.persona_reviews:
        assert [(each.section, each.text) for each in review.concerns[0].quotations] == [
            ("1.1", "From the replica."),
            ("1", f"We cache {mark}."),
            ("attachments/latency.csv", "p99,40 ms"),
        ]
        assert review.provenance.dropped_quotation_count == 1
        assert [(each.name, each.sha256) for each in review.shown_texts] == [
            ("document", hashlib.sha256(marked(mark).encode()).digest()),
            ("attachments/latency.csv", evidence.sha256),
        ]
    assert checked_quotations(run) == 15


async def test_a_summarised_document_is_read_beside_its_proposal(reviews: ReviewClient, mark: str) -> None:
    events = await events_of(reviews.review(document(marked(mark)), summarise=True))
    run = await reviews.get_run(events[0].run_id)

    assert run.steps[0].state == COMPLETED
    assert run.proposal.proposed_solution
    names = [[each.name for each in review.shown_texts] for review in run.persona_reviews]
    assert names == [["document", "proposal"]] * 5


async def test_a_given_proposal_is_recorded_as_it_came_and_not_expanded(
    reviews: ReviewClient, mark: str
) -> None:
    given = proposal_pb2.Proposal(
        title=f"Cache {mark}",
        problem_statement="Reads are slow.",
        proposed_solution="Cache them for a minute.",
    )

    events = await events_of(reviews.review(given))
    run = await reviews.get_run(events[0].run_id)

    assert kinds(events)[2:4] == ["step_skipped", "proposal_ready"]
    assert run.proposal == given == run.specification.proposal
    assert run.steps[0].state == SKIPPED
    assert not [each async for each in reviews.attempts(run.run_id) if each.step == "expand"]


@pytest.mark.parametrize("starts", ["streamed", "queued"])
async def test_a_run_over_a_document_is_resumed(
    client: Client, reviews: ReviewClient, mark: str, starts: str
) -> None:
    await client.model.script(Rule(contains=mark, persona="critic", times=1, status=401))
    subject = document(marked(mark))
    if starts == "streamed":
        with pytest.raises(RunFailed) as caught:
            await events_of(reviews.review(subject))
        run_id = str(caught.value.run_id)
    else:
        run_id = (await reviews.start_review(subject)).run_id
        with pytest.raises(RunFailed):
            await events_of(reviews.watch_run(run_id))

    await reviews.resume_run(run_id)
    events = await events_of(reviews.watch_run(run_id))
    run = await reviews.get_run(run_id)

    assert kinds(events)[-1] == "run_completed"
    assert kinds(events).count("persona_review_ready") == 5
    assert run.steps[0].state == SKIPPED
    assert {step.state for step in run.steps[1:]} == {COMPLETED}


async def test_a_document_is_revised_whole_and_compared_by_its_headings(
    client: Client, reviews: ReviewClient, mark: str
) -> None:
    content = answer() | {"confidence_score": 0.95}
    blocking = answer() | {"confidence_score": 0.4}
    await client.model.script(
        Rule(contains=mark, persona="architect", override=blocking), Rule(contains=mark, override=content)
    )
    parent = (await events_of(reviews.review(document(marked(mark), "cache.md"))))[0].run_id
    edited = marked(mark).replace("the replica", "the primary")

    with pytest.raises(InvalidField) as caught:
        await reviews.revise_run(parent, edit_notes="From the primary.")
    revision = await reviews.revise_run(
        parent, edited_document=document(edited), edit_notes="From the primary."
    )
    await events_of(reviews.watch_run(revision.run_id))
    run = await reviews.get_run(revision.run_id)
    diff = await reviews.diff_runs(parent, run.run_id)

    assert [each.field for each in caught.value.field_violations] == ["edited_document"]
    assert (run.specification.document.text, run.specification.document.name) == (edited, "cache.md")
    carried = [each for each in run.persona_reviews if each.reused_from_run_id]
    assert {each.persona_id for each in carried} == {"critic", "optimist", "user_advocate"}
    assert {tuple(each.stale_sections) for each in carried} == {("Cache > Warm-up",)}
    assert [(each.section, each.change) for each in diff.sections] == [
        ("Cache", review_service_pb2.DIFF_CHANGE_UNCHANGED),
        ("Cache > Warm-up", review_service_pb2.DIFF_CHANGE_MODIFIED),
    ]


@pytest.mark.parametrize("idea", ["Yes. " * 3_000, "Yes. " * 5_000], ids=["by the intake", "by the contract"])
async def test_a_text_that_is_too_long_is_refused_once_with_the_way_out(
    reviews: ReviewClient, idea: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        await reviews.start_review(idea)

    said = [each.description for each in caught.value.field_violations]
    assert "at most 200,000 characters, any number of sentences" in said[0]
    assert (await reviews.start_review(document(idea))).specification.HasField("document")


async def test_what_else_is_wrong_with_a_document_is_said_too(reviews: ReviewClient) -> None:
    picture = document_pb2.Attachment(name="a.png", media_type="image/png", text="x")

    with pytest.raises(InvalidField) as caught:
        await reviews.start_review(document("?"), attachments=[picture, picture])

    assert [each.field for each in caught.value.field_violations] == [
        "review.document.text",
        "review.attachments[0].media_type",
        "review.attachments[1].name",
        "review.attachments[1].media_type",
    ]


async def test_a_document_as_large_as_one_may_be_is_reviewed_and_read_back(
    client: Client, reviews: ReviewClient, mark: str
) -> None:
    await client.model.script(Rule(contains=mark, override=answer(("2", "字字字"))))
    text = f"# {mark}\n\nWords.\n\n# Wide\n\n"
    whole = document(text + "字" * (200_000 - len(text)))
    evidence = attachment("wide.txt", "字" * 140_000)

    events = await events_of(reviews.review(whole, attachments=[evidence]))
    run = await reviews.get_run(events[0].run_id)

    assert run.specification.document.text == whole.text
    assert run.specification.attachments[0].text == evidence.text
    assert checked_quotations(run) == 5
