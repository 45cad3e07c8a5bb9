"""What people say of runs beside their panels, on the wire."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, decision_service_pb2, human_review_pb2, panel_pb2
from consensus_contract.errors import (
    DatabaseError,
    HumanReviewersFull,
    IdempotencyKeyReused,
    RunNotDecided,
    RunNotFound,
)
from consensus_contract.sizes import HUMAN_REVIEW_BYTES, MAX_HUMAN_REVIEWERS
from consensus_decision.policies import policy_message
from consensus_decision.policy import DEFAULT
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import EVERY_TENANT
from persistence_service.journal.stream import all_entries
from persistence_service.runs.write.purging import purge_ended
from tests.storage.test_humans import execute, listed, override
from tests.support.deciding import decided, decision_stub
from tests.support.records import Service, Worker, new_id, scope

COUNTING = policy_message("people", replace(DEFAULT, human_weight=Decimal(1)))
REJECT = decision_pb2.DECISION_LABEL_REJECT


@pytest.fixture
async def decisions(service: Service) -> AsyncIterator[Any]:
    async with decision_stub(service) as stub:
        yield stub


async def submit(stub: Any, run_id: str, key: str = "", **fields: Any) -> human_review_pb2.HumanReview:
    review = human_review_pb2.HumanReview(
        **{"run_id": run_id, "confidence_score": 0.1, "user": "ann", "strengths": ["It is short."], **fields}
    )
    request = decision_service_pb2.SubmitHumanReviewRequest(human_review=review, idempotency_key=key)
    with contract_errors():
        answer: human_review_pb2.HumanReview = (await stub.SubmitHumanReview(request)).human_review
        return answer


async def submitted(stub: Any, run_id: str, size: int = 0) -> list[human_review_pb2.HumanReview]:
    found: list[human_review_pb2.HumanReview] = []
    token = ""
    while True:
        request = decision_service_pb2.ListHumanReviewsRequest(
            run_id=run_id, page_size=size, page_token=token
        )
        answer = await stub.ListHumanReviews(request)
        assert not size or len(answer.human_reviews) <= size
        found += answer.human_reviews
        token = answer.next_page_token
        if not token:
            return found


async def test_reviews_are_shown_and_do_not_count_without_a_weight(service: Service, decisions: Any) -> None:
    run = await decided(service)
    said = await submit(
        decisions,
        run.run_id,
        concerns=[panel_pb2.Concern(text="Slow.", blocking=True, section="dropped")],
        blocking_issues=[panel_pb2.BlockingIssue(text="It leaks.", security_critical=True)],
        recommendations=["Wait."],
    )

    shown = await service.run(run.run_id)

    assert (said.user, said.caller, said.confidence_score) == ("ann", "anonymous", 0.1)
    assert said.concerns == [panel_pb2.Concern(text="Slow.", blocking=True)]
    assert list(shown.human_reviews) == [said]
    assert not shown.HasField("decision_with_humans")
    shown.ClearField("human_reviews")
    assert shown == run


async def test_the_newest_of_each_person_counts_and_the_panels_decision_stays(
    service: Service, decisions: Any
) -> None:
    run = await decided(service, COUNTING)
    first = await submit(decisions, run.run_id)
    newest = await submit(decisions, run.run_id, confidence_score=0.0)
    other = await submit(decisions, run.run_id, user="", confidence_score=0.2)

    shown = await service.run(run.run_id)

    assert await submitted(decisions, run.run_id, size=1) == [other, newest, first]
    assert await submitted(decisions, "") == [other, newest, first]
    assert list(shown.human_reviews) == [newest, other]
    assert shown.decision == run.decision
    with_people = shown.decision_with_humans
    assert with_people.label == REJECT
    assert [each.persona_id for each in with_people.contributions[5:]] == [
        f"human:{newest.review_id}",
        f"human:{other.review_id}",
    ]


async def test_lists_tell_the_label_with_people_and_an_override_beside_it(
    service: Service, decisions: Any
) -> None:
    counted, shown, untouched = (
        await decided(service, COUNTING),
        await decided(service),
        await decided(service, COUNTING),
    )
    for run in (counted, shown):
        await submit(decisions, run.run_id)
    await override(decisions, shown.run_id)

    runs = await listed(service)

    assert runs[counted.run_id].decision_with_humans == decision_pb2.Decision(label=REJECT)
    assert runs[counted.run_id].decision.label == counted.decision.label
    assert not runs[shown.run_id].HasField("decision_with_humans")
    assert runs[shown.run_id].effective_override == decision_pb2.DecisionOverride(label=REJECT)
    assert not runs[untouched.run_id].HasField("decision_with_humans")
    assert not any(run.human_reviews for run in runs.values())


async def test_explanations_and_what_is_decided_again_tell_of_people_apart(
    service: Service, decisions: Any
) -> None:
    run = await decided(service, COUNTING)
    said = await submit(decisions, run.run_id)

    explained = await decisions.ExplainDecision(
        decision_service_pb2.ExplainDecisionRequest(run_id=run.run_id)
    )
    request = decision_service_pb2.ReaggregateRunsRequest(policy="default")
    (answer,) = [message async for message in decisions.ReaggregateRuns(request)]
    (again,) = answer.runs

    assert explained.as_stored
    assert explained.decision_with_humans == (await service.run(run.run_id)).decision_with_humans
    assert f"score_human:{said.review_id}" in explained.steps_with_humans[0].data
    assert not any("human" in name for step in explained.steps for name in step.data)
    assert not again.HasField("decision_with_humans")
    assert len(again.decision.contributions) == 5


async def test_a_review_leaves_an_entry_without_its_texts(service: Service, decisions: Any) -> None:
    run = await decided(service)
    said = await submit(decisions, run.run_id)

    stream = f"decisions/{run.run_id}"
    (entry,) = await service.database.run(
        lambda connection: list(all_entries(connection, "default", stream)), tenant=EVERY_TENANT
    )

    assert (entry.event_type, entry.user) == ("human_review.submit", "ann")
    data = dict(entry.data)
    assert len(str(data.pop("content_sha256"))) == 64
    assert data == {"review_id": said.review_id, "confidence": 1000, "blocking_issue_count": 0}


async def test_a_review_sent_again_is_recorded_once(service: Service, decisions: Any) -> None:
    run = await decided(service)
    first = await submit(decisions, run.run_id, key="k")
    assert await submit(decisions, run.run_id, key="k") == first
    assert await submitted(decisions, run.run_id) == [first]
    with pytest.raises(IdempotencyKeyReused):
        await submit(decisions, run.run_id, key="k", confidence_score=0.2)


async def test_what_has_no_decision_is_not_reviewed(service: Service, decisions: Any) -> None:
    run_id = new_id()
    async with Worker(service) as worker:
        await worker.create(run_id)
        with pytest.raises(RunNotDecided):
            await submit(decisions, run_id)
    with pytest.raises(RunNotFound):
        await submit(decisions, "absent")


NO_REVIEWS: list[dict[str, Any]] = [
    {"confidence_score": None},
    {"confidence_score": 1.1},
    {"confidence_score": 0.00001},
    {"strengths": [" "]},
    {"concerns": [panel_pb2.Concern(text=" ")]},
    {"blocking_issues": [panel_pb2.BlockingIssue(text="\0")]},
    {"recommendations": ["x" * 4000] * (HUMAN_REVIEW_BYTES // 4000 + 1)},
    {"user": "a\u202eb"},
]


async def test_what_is_no_review_is_refused(
    service: Service, decisions: Any, subtests: pytest.Subtests
) -> None:
    run = await decided(service)
    for fields in NO_REVIEWS:
        with subtests.test(str(fields)[:40]), pytest.raises(InvalidField):
            await submit(decisions, run.run_id, **fields)
    assert await submitted(decisions, run.run_id) == []


async def test_only_so_many_people_review_a_run(service: Service, decisions: Any) -> None:
    run = await decided(service)
    for number in range(MAX_HUMAN_REVIEWERS):
        await submit(decisions, run.run_id, user=f"u{number}")
    with pytest.raises(HumanReviewersFull):
        await submit(decisions, run.run_id, user="one more")
    await submit(decisions, run.run_id, user="u0")


async def test_reviews_go_with_their_run_and_come_back_with_it(service: Service, decisions: Any) -> None:
    run = await decided(service, COUNTING)
    said = await submit(decisions, run.run_id)
    await service.stub.DeleteRun(persistence_service_pb2.DeleteRunRequest(scope=scope(), run_id=run.run_id))
    assert await submitted(decisions, "") == []
    await service.stub.UndeleteRun(
        persistence_service_pb2.UndeleteRunRequest(scope=scope(), run_id=run.run_id)
    )
    assert await submitted(decisions, run.run_id) == [said]


async def test_the_database_keeps_reviews_as_long_as_the_run(service: Service, decisions: Any) -> None:
    run = await decided(service)
    await submit(decisions, run.run_id)
    database = service.database

    for change in ("UPDATE human_reviews SET user_id = 'bob'", "DELETE FROM human_reviews"):
        with pytest.raises((DBAPIError, DatabaseError)):
            await database.run(partial(execute, change), tenant=EVERY_TENANT)

    now = await database.run(database.now, tenant=EVERY_TENANT)
    await database.run(lambda connection: purge_ended(database.now, connection, now, 10), tenant=EVERY_TENANT)
    assert await submitted(decisions, "") == []
