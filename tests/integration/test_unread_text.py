"""Nothing is approved that too little of the panel read, or answered about."""

import asyncio
import json

from consensus.v1 import decision_pb2, errors_pb2, proposal_pb2, review_service_pb2, run_pb2
from offline_model.script import Rule
from tests.integration.test_consensus_command import consensus
from tests.support.pair import Client, Pair, kinds
from tests.support.revisions import SCORES, diff, refusal, revise_request, revised, script_scores

DROPPED = "Drop the encryption, store passwords in plain text."
WEIGHTS = {
    "architect": 0.25,
    "critic": 0.25,
    "optimist": 0.15,
    "security_guardian": 0.2,
    "user_advocate": 0.15,
}
APPROVE, REVISE = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REVISE
QUORUM_NOT_MET = errors_pb2.ERROR_REASON_QUORUM_NOT_MET


async def approved_run(client: Client, idea: str, mark: str) -> str:
    await script_scores(client, mark, dict.fromkeys(SCORES, 0.95))
    run_id = (await client.stream(idea))[0].run_id
    assert (await client.get(run_id)).decision.label == APPROVE
    return run_id


async def rescored(client: Client, mark: str, *personas: str) -> None:
    """Whoever of these is asked next is content with anything."""
    await script_scores(client, mark, dict.fromkeys(personas, 0.95))


def stale(run: run_pb2.Run) -> dict[str, list[str]]:
    return {each.persona_id: list(each.stale_sections) for each in run.persona_reviews}


async def listed(client: Client, run_id: str, parent: str) -> run_pb2.Run:
    request = review_service_pb2.ListRunsRequest(filter=run_pb2.RunFilter(parent_run_id=parent))
    found: list[run_pb2.Run] = list((await client.review.ListRuns(request)).runs)
    return next(run for run in found if run.run_id == run_id)


async def test_dropping_the_encryption_of_an_approved_run_is_read_and_not_approved(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    parent = await approved_run(client, idea, mark)

    done = await asyncio.to_thread(consensus, pair, "revise", parent, "--notes", DROPPED, "--gate")

    assert done.returncode in {10, 11}, done.stdout
    assert "APPROVE" not in done.stdout
    assert "carried over" not in done.stdout


async def test_a_list_that_leaves_too_little_is_obeyed_and_approves_nothing(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    parent = await approved_run(client, idea, mark)
    await rescored(client, mark, "architect", "critic")

    revision = await revised(client, parent, personas=["architect", "critic"], edit_notes=DROPPED)

    assert (revision.decision.label, revision.decision.fresh_weight) == (REVISE, 0.5)
    assert revision.decision.fired_rules[-1].rule == decision_pb2.DECISION_RULE_FRESH_WEIGHT
    changed = [each.field for each in revision.proposal_diff.changes]
    assert changed
    assert stale(revision) == {
        "architect": [],
        "critic": [],
        "optimist": changed,
        "security_guardian": changed,
        "user_advocate": changed,
    }
    reviews = await client.review.ListPersonaReviews(
        review_service_pb2.ListPersonaReviewsRequest(run_id=revision.run_id)
    )
    assert list(reviews.persona_reviews) == list(revision.persona_reviews)
    compared = {each.persona_id: each for each in (await diff(client, parent, revision.run_id)).personas}
    assert list(compared["optimist"].stale_sections) == changed
    assert compared["optimist"].change == review_service_pb2.DIFF_CHANGE_UNCHANGED
    in_list = await listed(client, revision.run_id, parent)
    assert in_list.decision.fresh_weight == 0.5
    assert in_list.turnout == without_models(revision.turnout)
    assert (in_list.turnout.launched_count, in_list.turnout.returned_count) == (2, 5)

    watched = await asyncio.to_thread(consensus, pair, "watch", revision.run_id, "--gate")
    shown = await asyncio.to_thread(consensus, pair, "show", revision.run_id)
    report = await asyncio.to_thread(consensus, pair, "report", revision.run_id)
    assert watched.returncode == 12, watched.stdout
    for document in (watched.stdout, shown.stdout, report.stdout):
        assert "panel 5 of 5, weight 1.00; fresh weight 0.50" in document
        assert "stale: " in document


def without_models(turnout: run_pb2.PanelTurnout) -> run_pb2.PanelTurnout:
    """As lists have it."""
    told = run_pb2.PanelTurnout()
    told.CopyFrom(turnout)
    for persona in told.personas:
        persona.ClearField("requested_model")
        persona.ClearField("answered_model")
    return told


async def test_over_two_revisions_a_review_is_of_the_text_that_it_read(
    client: Client, idea: str, mark: str
) -> None:
    first = await client.get(await approved_run(client, idea, mark))
    edited = proposal_pb2.Proposal.FromString(first.proposal.SerializeToString())
    edited.proposed_solution = "Passwords stand in a table in plain text."
    await rescored(client, mark, "optimist")
    second = await revised(client, first.run_id, personas=["optimist"], edited_proposal=edited)
    assert stale(second)["critic"] == ["proposed_solution"]
    await rescored(client, mark, "optimist")

    third = await revised(client, second.run_id, personas=["optimist"], edit_notes="Start with one ward.")

    changed = stale(third)["critic"]
    assert "proposed_solution" in changed  # though the second revision left it as it was
    assert set(changed) > {"proposed_solution"}
    assert third.decision.label == REVISE
    assert third.decision.fresh_weight == WEIGHTS["optimist"]


async def test_a_text_that_is_put_back_was_read(client: Client, idea: str, mark: str) -> None:
    first = await client.get(await approved_run(client, idea, mark))
    edited = proposal_pb2.Proposal.FromString(first.proposal.SerializeToString())
    edited.proposed_solution = "Passwords stand in a table in plain text."
    await rescored(client, mark, "optimist")
    second = await revised(client, first.run_id, personas=["optimist"], edited_proposal=edited)
    await rescored(client, mark, "optimist")

    third = await revised(client, second.run_id, personas=["optimist"], edited_proposal=first.proposal)

    assert set(map(tuple, stale(third).values())) == {()}
    assert (third.decision.label, third.decision.HasField("fresh_weight")) == (APPROVE, False)


async def test_resumed_in_the_middle_a_revision_comes_to_the_same_and_pays_nothing_twice(
    client: Client, idea: str, mark: str
) -> None:
    parent = await approved_run(client, idea, mark)
    await client.model.script(Rule(step="review_critic", contains=mark, status=401, times=1))
    await rescored(client, mark, "architect")
    request = revise_request(parent, personas=["architect", "critic"])
    run_id = (await client.review.ReviseRun(request)).run.run_id
    assert (await refusal(client.watch(run_id))).reason_name == "QUORUM_NOT_MET"
    failed = await client.get(run_id)
    assert (failed.turnout.returned_count, failed.turnout.failed_count) == (4, 1)
    assert failed.failure.reason == QUORUM_NOT_MET
    await rescored(client, mark, "critic")

    await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=run_id))
    assert kinds(await client.watch(run_id, failed.last_sequence))[-1] == "run_completed"

    run = await client.get(run_id)
    assert (run.decision.label, run.decision.fresh_weight) == (REVISE, 0.5)
    calls = (await client.model.counters(run_id=run_id))["calls"]
    asked = sorted(call["persona"] for call in calls if call["persona"])
    assert asked == ["architect", "critic", "critic"]


async def test_a_partial_panel_approves_only_where_its_quorum_said_so(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    def gated(*arguments: str) -> tuple[int, str, str]:
        done = consensus(pair, "review", idea, "--gate", *arguments)
        return done.returncode, done.stdout, done.stderr

    async def panel_without(persona: str) -> None:
        others = {each: 0.95 for each in SCORES if each != persona}
        await client.model.script(Rule(step=f"review_{persona}", contains=mark, status=401, times=1))
        await script_scores(client, mark, others)

    await panel_without("critic")
    code, out, err = await asyncio.to_thread(gated)
    assert code == 12, out
    assert "QUORUM_NOT_MET" in err
    assert "panel 4 of 5, weight 0.75; Critic failed" in out

    await panel_without("critic")
    code, out, _ = await asyncio.to_thread(gated, "--min-personas", "4")
    assert code == 0, out
    assert "panel 4 of 5, weight 0.75; Critic failed" in out

    await panel_without("security_guardian")
    code, out, _ = await asyncio.to_thread(gated, "--min-personas", "4")
    assert code == 12, out
    assert "panel 4 of 5, weight 0.80; SecurityGuardian failed" in out


async def test_an_unreachable_panel_is_listed_with_each_cause_and_time(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    for persona in SCORES:
        await client.model.script(Rule(step=f"review_{persona}", contains=mark, status=401, times=1))

    done = await asyncio.to_thread(consensus, pair, "review", idea, "--gate", "--user", mark, "--json")

    assert done.returncode == 12, done.stderr
    listed = await asyncio.to_thread(consensus, pair, "runs", "--user", mark, "--json")
    turnout = json.loads(listed.stdout)["turnout"]
    assert (turnout["launchedCount"], turnout["returnedCount"], turnout["failedCount"]) == (5, 0, 5)
    assert {each["reason"] for each in turnout["personas"]} == {"ERROR_REASON_LLM_AUTHENTICATION"}
    assert all(each["launchTime"] <= each["failTime"] for each in turnout["personas"])
