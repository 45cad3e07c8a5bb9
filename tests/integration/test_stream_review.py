"""A whole review on the wire: its events, their order, and what stands in the record afterwards."""

import asyncio

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import IdempotencyKeyReused, RunNotFound
from consensus_rpc.channel.status import contract_errors
from offline_model.script import Rule
from tests.support.pair import Client, drained, events_of, kinds, review_request

PERSONAS = ["architect", "critic", "optimist", "security_guardian", "user_advocate"]
STEPS = ["expand", *(f"review_{each}" for each in PERSONAS), "aggregate_decision"]
OPENING = [
    "run_created",
    "run_started",
    "step_started",
    "proposal_ready",
    "step_completed",
    *["step_started"] * 5,
]
ENDING = ["step_started", "decision_ready", "step_completed", "run_completed"]


def bytes_of(events: list[run_event_pb2.RunEvent]) -> list[bytes]:
    return [event.SerializeToString(deterministic=True) for event in events]


async def test_a_review_streams_every_step_in_order_without_gaps(client: Client, idea: str) -> None:
    events = await client.stream(idea)

    assert [event.sequence for event in events] == list(range(1, 25))
    assert kinds(events)[:10] == OPENING
    assert kinds(events)[-4:] == ENDING
    assert sorted(kinds(events)[10:20]) == ["persona_review_ready"] * 5 + ["step_completed"] * 5


async def test_a_finished_run_reads_whole(client: Client, idea: str) -> None:
    events = await client.stream(idea)

    run = await client.get(events[0].run_id)

    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert [step.name for step in run.steps] == STEPS
    assert {step.state for step in run.steps} == {run_pb2.STEP_STATE_COMPLETED}
    assert [review.persona_id for review in run.persona_reviews] == PERSONAS
    assert run.decision == events[-3].decision_ready.decision
    assert run.proposal == events[3].proposal_ready.proposal
    assert run.last_sequence == events[-1].sequence
    assert run.specification.idea == idea


async def test_the_first_review_arrives_before_the_slowest_persona_is_done(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(persona="optimist", contains=mark, hold=mark))

    stream = client.review.StreamReview(review_request(idea))
    seen: list[run_event_pb2.RunEvent] = []
    async for message in stream:
        seen += message.events
        if "persona_review_ready" in kinds(seen):
            break
    held = await client.model.counters(run_id=seen[0].run_id, persona="optimist")
    await client.model.release(mark)
    events = [*seen, *events_of(await drained(stream))]

    assert held["total"]["answered"] == 0
    reviews = [event.persona_review_ready for event in events if event.HasField("persona_review_ready")]
    assert reviews[-1].persona_review.persona_id == "optimist"


async def test_what_is_committed_together_comes_in_one_message(client: Client, idea: str) -> None:
    messages = await drained(client.review.StreamReview(review_request(idea)))

    ends = {message.events[-1].sequence for message in messages}
    # The first commit, that of the proposal, those of reviews with their steps' ends, and the decision's.
    assert ends <= {3, 10, 12, 14, 16, 18, 20, 24}


async def test_live_events_and_replayed_events_are_the_same_bytes(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(persona="critic", attempt=1, contains=mark, status=500))

    live = await client.stream(idea, user="nurse-7")

    assert "attempt_failed" in kinds(live)
    assert bytes_of(await client.watch(live[0].run_id)) == bytes_of(live)


@pytest.mark.parametrize("after", [1, 9, 23])
async def test_a_run_can_be_watched_from_any_sequence(client: Client, idea: str, after: int) -> None:
    live = await client.stream(idea)

    assert bytes_of(await client.watch(live[0].run_id, after)) == bytes_of(live[after:])


async def test_watching_after_the_last_event_ends_at_once(client: Client, idea: str) -> None:
    live = await client.stream(idea)

    assert await client.watch(live[0].run_id, live[-1].sequence) == []


async def test_every_call_to_the_model_is_listed(client: Client, idea: str) -> None:
    run_id = (await client.stream(idea))[0].run_id

    listed = await client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id=run_id))

    assert sorted((each.step, each.attempt_number) for each in listed.attempts) == sorted(
        (step, 1) for step in STEPS[:-1]
    )
    assert {each.state for each in listed.attempts} == {attempt_pb2.ATTEMPT_STATE_SUCCEEDED}
    assert all(each.HasField("start_time") and each.usage.input_tokens for each in listed.attempts)


async def test_the_same_key_replays_a_finished_run(client: Client, idea: str, mark: str) -> None:
    first = await client.stream(idea, key=mark)

    assert bytes_of(await client.stream(idea, key=mark)) == bytes_of(first)
    assert (await client.model.counters(run_id=first[0].run_id))["total"]["started"] == 6


async def test_the_same_key_joins_a_running_run_from_its_first_event(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    first = asyncio.create_task(client.stream(idea, key=mark))
    await client.model.wait({"held": 1}, step="expand")

    joined = asyncio.create_task(client.stream(idea, key=mark))
    await asyncio.wait({first, joined}, timeout=0.3)
    await client.model.release(mark)

    assert bytes_of(await joined) == bytes_of(await first)


async def test_a_key_used_with_another_request_is_refused_and_calls_no_model(
    client: Client, idea: str, mark: str
) -> None:
    await client.stream(idea, key=mark)

    with pytest.raises(IdempotencyKeyReused), contract_errors():
        await client.stream(f"{idea} Also on weekends.", key=mark)

    assert (await client.model.counters())["in_flight"] == 0


async def test_start_review_answers_queued_and_the_run_is_done_by_the_worker(
    client: Client, idea: str
) -> None:
    request = review_service_pb2.StartReviewRequest(review=review_service_pb2.ReviewInput(idea=idea))

    started = (await client.review.StartReview(request)).run

    assert started.state == run_pb2.RUN_STATE_QUEUED
    events = await client.watch(started.run_id)
    assert events[0].run_created.state == run_pb2.RUN_STATE_QUEUED
    assert kinds(events)[-1] == "run_completed"
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


async def test_options_of_a_request_win_over_the_settings_and_are_kept(client: Client, idea: str) -> None:
    options = review_service_pb2.ReviewOptions(
        expand_model="model-a", review_model="model-b", review_temperature=0.0, max_retries_per_persona=1
    )

    events = await client.stream(idea, options=options, user="nurse-7")

    run = await client.get(events[0].run_id)
    assert run.specification.expand_model == "model-a"
    assert run.specification.expand_temperature == 0.7
    assert run.specification.HasField("review_temperature")
    assert run.specification.review_temperature == 0.0
    assert run.specification.retry_policy.max_retries == 1
    assert run.specification.user == "nurse-7"
    assert {review.provenance.requested_model for review in run.persona_reviews} == {"model-b"}


async def test_a_decision_can_be_annotated(client: Client, idea: str) -> None:
    run_id = (await client.stream(idea))[0].run_id

    answer = await client.review.AnnotateDecision(
        review_service_pb2.AnnotateDecisionRequest(run_id=run_id, decision_notes="Seen by the board.")
    )

    assert answer.run.decision.decision_notes == "Seen by the board."
    assert kinds(await client.watch(run_id))[-1] == "decision_annotated"


async def test_two_hundred_reviews_at_once_all_complete(client: Client, mark: str) -> None:
    ideas = [f"{mark} number {number} helps one ward with its rota." for number in range(200)]

    runs = await asyncio.gather(*(client.stream(each) for each in ideas))

    for events in runs:
        assert [event.sequence for event in events] == list(range(1, 25))
        assert kinds(events).count("persona_review_ready") == 5
        assert kinds(events)[-1] == "run_completed"
    assert len({events[0].run_id for events in runs}) == 200


async def test_an_expansion_answers_with_its_proposal_and_lists_its_attempt(
    client: Client, idea: str
) -> None:
    answer = await client.review.ExpandIdea(review_service_pb2.ExpandIdeaRequest(idea=idea))

    listed = await client.review.ListAttempts(
        review_service_pb2.ListAttemptsRequest(run_id=answer.expansion_id)
    )
    assert answer.proposal.problem_statement
    assert [(each.step, each.state) for each in listed.attempts] == [
        ("expand", attempt_pb2.ATTEMPT_STATE_SUCCEEDED)
    ]


async def test_a_run_of_another_tenant_is_not_found(client: Client, idea: str) -> None:
    run_id = (await client.stream(idea))[0].run_id
    scope = persistence_service_pb2.CallScope(tenant="another", caller="anonymous")

    request = persistence_service_pb2.GetRunRequest(scope=scope, run_id=run_id)

    with pytest.raises(RunNotFound), contract_errors():
        await client.persistence.GetRun(request)
