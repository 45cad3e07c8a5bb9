"""Revisions of runs through the running pair: who is asked again, what they see, what is stored."""

import asyncio
import json

import grpc
import pytest

from consensus.v1 import proposal_pb2, review_service_pb2, run_pb2
from offline_model.script import Rule
from tests.integration.conftest import StartPair
from tests.support.pair import Client, kinds
from tests.support.revisions import (
    SCORES,
    diff,
    revise_request,
    revised,
    scored_run,
    script_scores,
)

NOTES = "Tokens expire after one hour."
QUICK_LEASES = {"LEASE_SECONDS": "1", "WATCH_POLL_SECONDS": "0.1"}


async def asked(client: Client, run_id: str) -> list[str]:
    """The personas that the model was asked for in this run."""
    calls = await client.model.counters(run_id=run_id)
    return sorted(call["persona"] for call in calls["calls"] if call["persona"])


async def test_only_those_that_were_not_content_are_asked_again(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)

    revision = await revised(client, parent)

    assert await asked(client, revision.run_id) == ["architect", "security_guardian"]
    reused = {each.persona_id: each.reused_from_run_id for each in revision.persona_reviews}
    assert reused == {
        "architect": "",
        "critic": parent,
        "optimist": parent,
        "security_guardian": "",
        "user_advocate": parent,
    }


async def test_a_revision_says_what_it_is(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)

    revision = await revised(client, parent, user="u-7")

    assert revision.type == run_pb2.RUN_TYPE_REVISION
    assert revision.parent_run_id == revision.specification.revision.parent_run_id == parent
    assert revision.specification.revision.edit_notes == NOTES
    assert revision.specification.idea == idea
    assert revision.specification.user == "u-7"
    assert {step.name: step.attempt_count for step in revision.steps} == {
        "expand": 1,
        "review_architect": 1,
        "review_critic": 0,
        "review_optimist": 0,
        "review_security_guardian": 1,
        "review_user_advocate": 0,
        "aggregate_decision": 0,
    }
    assert {step.state for step in revision.steps} == {run_pb2.STEP_STATE_COMPLETED}


async def test_the_edit_stands_in_the_proposal_that_they_see(
    start_pair: StartPair, idea: str, mark: str
) -> None:
    async with start_pair().client() as client:
        parent = await scored_run(client, idea, mark)
        await client.model.record(100)

        revision = await revised(client, parent)

        requests = await client.model.requests()
        prompts = {each["step"]: json.dumps(each["body"]["input"], ensure_ascii=False) for each in requests}
        assert sorted(prompts) == ["expand", "review_architect", "review_security_guardian"]
        for name in ("parent_proposal", "edit_notes"):
            assert f'<data name=\\"{name}\\"' in prompts["expand"]
        assert NOTES in prompts["review_architect"]
        assert NOTES in prompts["review_security_guardian"]
        assert NOTES in list(revision.proposal.assumptions)


async def test_the_stored_diff_has_each_changed_field_before_and_after(
    client: Client, idea: str, mark: str
) -> None:
    parent = await client.get(await scored_run(client, idea, mark))

    revision = await revised(client, parent.run_id)

    changes = {change.field: change for change in revision.proposal_diff.changes}
    assert list(changes["assumptions"].before) == list(parent.proposal.assumptions)
    assert list(changes["assumptions"].after) == list(revision.proposal.assumptions)
    assert "problem_statement" not in changes


async def test_a_chain_of_revisions_keeps_where_each_review_came_from(
    client: Client, idea: str, mark: str
) -> None:
    first = await scored_run(client, idea, mark)
    second = await revised(client, first, personas=["architect"])
    third = await revised(client, second.run_id, personas=["critic"], edit_notes="Start with one ward.")
    fourth = await revised(client, third.run_id, all_personas=True)

    origins = {each.persona_id: each.reused_from_run_id for each in third.persona_reviews}
    assert origins == {
        "architect": second.run_id,
        "critic": "",
        "optimist": first,
        "security_guardian": first,
        "user_advocate": first,
    }
    assert await asked(client, fourth.run_id) == sorted(SCORES)
    assert fourth.parent_run_id == third.run_id
    assert {NOTES, "Start with one ward."} <= set(fourth.proposal.assumptions)


async def test_when_all_were_content_all_are_asked_about_the_new_text(
    client: Client, idea: str, mark: str
) -> None:
    await script_scores(client, mark, dict.fromkeys(SCORES, 0.9))
    parent = (await client.stream(idea))[0].run_id

    revision = await revised(client, parent)

    assert await asked(client, revision.run_id) == sorted(SCORES)
    assert not revision.decision.HasField("fresh_weight")


async def test_an_edited_proposal_is_taken_over(client: Client, idea: str, mark: str) -> None:
    parent = await client.get(await scored_run(client, idea, mark))
    edited = proposal_pb2.Proposal()
    edited.CopyFrom(parent.proposal)
    edited.proposed_solution = "  A page on the ward's tablet shows the handover.  "

    revision = await revised(client, parent.run_id, edited_proposal=edited)

    assert revision.proposal.proposed_solution == "A page on the ward's tablet shows the handover."
    found = await diff(client, parent.run_id, revision.run_id)
    changes = {each.section: each.change for each in found.sections}
    assert changes["proposed_solution"] == review_service_pb2.DIFF_CHANGE_MODIFIED
    assert changes["problem_statement"] == review_service_pb2.DIFF_CHANGE_UNCHANGED


async def test_lists_find_revisions_by_parent_and_type(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    revision = await revised(client, parent)
    wanted = run_pb2.RunFilter(parent_run_id=parent, type=run_pb2.RUN_TYPE_REVISION)

    listed = (await client.review.ListRuns(review_service_pb2.ListRunsRequest(filter=wanted))).runs

    assert [(run.run_id, run.parent_run_id) for run in listed] == [(revision.run_id, parent)]
    assert not listed[0].specification.HasField("revision")


async def test_events_of_a_revision_replay_as_they_are_stored(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    revision = await revised(client, parent)

    events = await client.watch(revision.run_id)

    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[0].run_created.parent_run_id == parent
    carried = [
        event.persona_review_ready.persona_review.persona_id
        for event in events
        if event.persona_review_ready.persona_review.reused_from_run_id
    ]
    assert carried == ["critic", "optimist", "user_advocate"]
    (ready,) = (event.proposal_ready for event in events if event.HasField("proposal_ready"))
    assert ready.proposal_diff == revision.proposal_diff


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_revision_whose_worker_is_killed_is_finished_without_asking_more(
    start_pair: StartPair, idea: str, mark: str, database: str
) -> None:
    pair = start_pair(database=database, persistence=QUICK_LEASES)
    assert pair.review is not None
    async with pair.client() as client:
        parent = await scored_run(client, idea, mark)
        await client.model.script(Rule(persona="security_guardian", contains=mark, hold=mark, times=1))
        started = (await client.review.ReviseRun(revise_request(parent))).run
        await client.model.wait({"held": 1}, run_id=started.run_id)

        other = await asyncio.to_thread(pair.start_another_review)
        pair.review.kill()
        async with pair.client(other.address) as elsewhere:
            events = await elsewhere.watch(started.run_id)
            run = await elsewhere.get(started.run_id)

        assert kinds(events)[-1] == "run_completed"
        assert "run_taken_over" in kinds(events)
        assert set(await asked(client, started.run_id)) == {"architect", "security_guardian"}
        assert sum(bool(each.reused_from_run_id) for each in run.persona_reviews) == 3
        assert len(run.persona_reviews) == 5


async def test_a_failed_revision_is_resumed_and_keeps_what_was_carried_over(
    client: Client, idea: str, mark: str
) -> None:
    parent = await scored_run(client, idea, mark)
    await client.model.script(Rule(persona="architect", contains=mark, status=400, times=1))
    started = (await client.review.ReviseRun(revise_request(parent))).run
    with pytest.raises(grpc.aio.AioRpcError):
        await client.watch(started.run_id)

    await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=started.run_id))
    events = await client.watch(started.run_id)

    assert kinds(events)[-1] == "run_completed"
    assert set(await asked(client, started.run_id)) == {"architect", "security_guardian"}


async def test_reviews_are_listed_page_by_page_in_persona_order(client: Client, idea: str) -> None:
    run_id = (await client.stream(idea))[0].run_id
    found: list[str] = []
    token = ""
    while True:
        request = review_service_pb2.ListPersonaReviewsRequest(run_id=run_id, page_size=2, page_token=token)
        page = await client.review.ListPersonaReviews(request)
        found.extend(each.persona_id for each in page.persona_reviews)
        if not (token := page.next_page_token):
            break
    assert found == list(SCORES)


async def test_an_export_has_every_run_whole_and_goes_on_where_it_was_cut(
    client: Client, idea: str, mark: str
) -> None:
    for _ in range(3):
        await client.stream(idea, user=mark)
    request = review_service_pb2.ExportRunsRequest(filter=run_pb2.RunFilter(user=mark))

    whole = [answer async for answer in client.review.ExportRuns(request)]
    request.page_token = whole[0].page_token
    rest = [answer async for answer in client.review.ExportRuns(request)]

    assert [answer.run for answer in rest] == [answer.run for answer in whole[1:]]
    for answer in whole:
        assert answer.run == await client.get(answer.run.run_id)
        assert len(answer.run.persona_reviews) == 5
