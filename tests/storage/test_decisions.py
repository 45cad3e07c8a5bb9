"""DecisionService on the wire: decisions by pinned policies, explained and made again, and their outcomes."""

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import (
    decision_pb2,
    decision_service_pb2,
    policy_pb2,
    run_pb2,
    suspicion_pb2,
)
from consensus_contract.errors import (
    DatabaseError,
    IdempotencyKeyReused,
    RunNotDecided,
    RunNotFound,
)
from consensus_decision.policies import POLICY_VERSION, default_policy, policy_message
from consensus_decision.policy import DEFAULT, PolicyQuorum, Thresholds
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import EVERY_TENANT
from persistence_service.decisions.deciding import decided_again
from tests.support.deciding import STRICT, decided, put_policy
from tests.support.policies import LOG_ODDS
from tests.support.records import (
    Service,
    Worker,
    happy_records,
    new_id,
    scope,
    specification,
)


async def explain(stub: Any, run_id: str, policy: str = "") -> Any:
    request = decision_service_pb2.ExplainDecisionRequest(run_id=run_id, policy=policy)
    with contract_errors():
        return await stub.ExplainDecision(request)


async def record_outcome(stub: Any, run_id: str, key: str = "", **fields: Any) -> Any:
    outcome = decision_service_pb2.Outcome(
        **{"run_id": run_id, "label": decision_pb2.DECISION_LABEL_REJECT, "source": "incident", **fields}
    )
    request = decision_service_pb2.RecordOutcomeRequest(outcome=outcome, idempotency_key=key)
    with contract_errors():
        return (await stub.RecordOutcome(request)).outcome


async def outcomes(stub: Any, run_id: str = "", size: int = 0) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        request = decision_service_pb2.ListOutcomesRequest(run_id=run_id, page_size=size, page_token=token)
        answer = await stub.ListOutcomes(request)
        found += answer.outcomes
        token = answer.next_page_token
        if not token:
            return found


async def reaggregated(stub: Any, policy: str, **fields: Any) -> list[Any]:
    request = decision_service_pb2.ReaggregateRunsRequest(policy=policy, **fields)
    with contract_errors():
        return [run async for answer in stub.ReaggregateRuns(request) for run in answer.runs]


async def test_a_run_is_decided_by_what_it_pinned_and_says_so(service: Service) -> None:
    pinned = policy_message("fitted", LOG_ODDS)

    run = await decided(service, pinned)

    assert run.specification.policy == pinned
    assert run.decision.policy == f"fitted@{pinned.revision}"
    assert run.decision.fired_rules[0].rule == decision_pb2.DECISION_RULE_EXPECTED_LOSS
    assert [each.label for each in run.assessment.labels] == [1, 2, 3]
    assert sum(Decimal(each.posterior) for each in run.assessment.labels) == pytest.approx(1, abs=1e-5)


async def test_a_decision_under_another_policy_than_the_runs_is_refused(service: Service) -> None:
    pinned = specification()
    pinned.policy_version = POLICY_VERSION
    pinned.policy.CopyFrom(policy_message("strict", STRICT))
    *records, last = happy_records()  # whose decision is the built-in policy's
    async with Worker(service) as worker:
        await worker.create(new_id(), specification=pinned)
        for each in records:
            await worker.record(each)
        with pytest.raises(InvalidField):
            await worker.record(last)


@pytest.mark.parametrize(
    "forged", [{"revision": "0" * 64}, {"content": "{"}, {"content": '{"label_floor": 31}'}]
)
async def test_what_a_run_pins_is_what_its_revision_says(service: Service, forged: dict[str, str]) -> None:
    pinned = specification()
    pinned.policy.CopyFrom(policy_message("strict", STRICT))
    for name, value in forged.items():
        setattr(pinned.policy, name, value)
    async with Worker(service) as worker:
        with pytest.raises(InvalidField):
            await worker.create(new_id(), specification=pinned)


async def test_an_explanation_is_the_stored_decision_step_by_step(service: Service, decisions: Any) -> None:
    run = await decided(service, policy_message("fitted", LOG_ODDS))

    answer = await explain(decisions, run.run_id)

    assert answer.as_stored
    assert not (await explain(decisions, run.run_id, "default")).as_stored
    plain = await decided(service)
    assert (await explain(decisions, plain.run_id, "default")).as_stored
    assert answer.decision == run.decision
    assert answer.assessment == run.assessment
    assert [step.name for step in answer.steps[:3]] == ["weighing", "posterior", "expected_loss"]
    assert answer.steps[-1].label == run.decision.label


async def test_what_another_policy_makes_of_it_changes_nothing(
    service: Service, decisions: Any, policies: Any
) -> None:
    run = await decided(service)
    await put_policy(policies, STRICT)

    answer = await explain(decisions, run.run_id, "strict")
    (again,) = await reaggregated(decisions, "strict")

    assert not answer.as_stored
    assert answer.decision.label == decision_pb2.DECISION_LABEL_REJECT != run.decision.label
    assert (again.run_id, again.label, again.decision) == (run.run_id, run.decision.label, answer.decision)
    assert await service.run(run.run_id) == run


async def test_many_runs_are_decided_again_newest_first_and_as_they_were_by_their_own_policy(
    service: Service, decisions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence_service.runs.decided.RUNS_PER_READ", 3)
    runs = [await decided(service) for _ in range(7)]
    async with Worker(service) as worker:  # one that is not decided is left out
        await worker.create(new_id())

    again = await reaggregated(decisions, "default")

    assert [each.run_id for each in again] == [run.run_id for run in reversed(runs)]
    for each, run in zip(again, reversed(runs), strict=True):
        expected = decision_pb2.Decision()
        expected.CopyFrom(run.decision)
        expected.policy = f"default@{default_policy().revision}"
        assert each.decision == expected


async def test_no_run_is_held_for_a_reader_who_waits(
    service: Service, decisions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()

    def noted(run: run_pb2.Run, policy: policy_pb2.Policy) -> decision_service_pb2.ReaggregatedRun:
        threads.add(threading.current_thread().name)
        return decided_again(run, policy)

    monkeypatch.setattr("persistence_service.decisions.servicer.decided_again", noted)
    await decided(service)

    assert len(await reaggregated(decisions, "default")) == 1

    assert {name.rpartition("_")[0] for name in threads} == {"database"}  # whose number is limited


async def test_large_decisions_made_again_come_in_as_many_messages_as_they_need(
    service: Service, decisions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence_service.paging.keyset.MAX_PAGE_BYTES", 1)
    runs = [await decided(service) for _ in range(3)]

    request = decision_service_pb2.ReaggregateRunsRequest(policy="default")
    answers = [[run.run_id for run in answer.runs] async for answer in decisions.ReaggregateRuns(request)]

    assert answers == [[run.run_id] for run in reversed(runs)]


async def test_what_is_suspected_stays_suspected_when_it_is_decided_again(
    service: Service, decisions: Any, policies: Any
) -> None:
    suspicion = suspicion_pb2.Suspicion(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_VERDICT)
    run = await decided(service, suspicions=[suspicion])
    await put_policy(policies, replace(DEFAULT, thresholds=Thresholds(Decimal("0.1"), Decimal("0.1"))))

    (again,) = await reaggregated(decisions, "strict")
    explained = await explain(decisions, run.run_id, "strict")

    assert again.decision == explained.decision
    assert again.decision.label == decision_pb2.DECISION_LABEL_REVISE


async def test_a_policy_that_asks_for_more_personas_than_answered_decides_nothing(
    service: Service, decisions: Any, policies: Any
) -> None:
    run = await decided(service)
    await put_policy(policies, replace(DEFAULT, quorum=PolicyQuorum(min_personas=6)))

    (again,) = await reaggregated(decisions, "strict")

    assert "fewer personas" in again.undecided
    assert not again.HasField("decision")
    with pytest.raises(InvalidField, match="fewer personas"):
        await explain(decisions, run.run_id, "strict")


async def test_outcomes_are_added_told_and_go_with_their_run(service: Service, decisions: Any) -> None:
    run, other = await decided(service), await decided(service)
    first = await record_outcome(decisions, run.run_id, reliability=0.75, note="it leaked", user="ann")
    second = await record_outcome(decisions, run.run_id, label=decision_pb2.DECISION_LABEL_APPROVE)
    third = await record_outcome(decisions, other.run_id)

    assert (first.reliability, first.caller, first.user) == (0.75, "anonymous", "ann")
    assert second.reliability == 1
    assert await outcomes(decisions, size=1) == [third, second, first]
    assert await outcomes(decisions, run.run_id) == [second, first]
    request = persistence_service_pb2.DeleteRunRequest(scope=scope(), run_id=run.run_id)
    await service.stub.DeleteRun(request)
    assert await outcomes(decisions) == [third]
    assert await service.run(other.run_id) == other


async def test_an_outcome_sent_again_is_recorded_once(service: Service, decisions: Any) -> None:
    run = await decided(service)
    first = await record_outcome(decisions, run.run_id, key="k")
    assert await record_outcome(decisions, run.run_id, key="k") == first
    assert await outcomes(decisions, run.run_id) == [first]
    with pytest.raises(IdempotencyKeyReused):
        await record_outcome(decisions, run.run_id, key="k", note="another")


async def test_an_outcome_sent_again_is_answered_though_its_run_is_deleted_since(
    service: Service, decisions: Any
) -> None:
    run = await decided(service)
    first = await record_outcome(decisions, run.run_id, key="k")
    await service.stub.DeleteRun(persistence_service_pb2.DeleteRunRequest(scope=scope(), run_id=run.run_id))
    assert await record_outcome(decisions, run.run_id, key="k") == first
    with pytest.raises(RunNotFound):
        await record_outcome(decisions, run.run_id, key="another")


async def test_what_has_no_decision_has_no_outcome(service: Service, decisions: Any) -> None:
    run_id = new_id()
    async with Worker(service) as worker:
        await worker.create(run_id)
        for ask in (record_outcome, explain):
            with pytest.raises(RunNotDecided):
                await ask(decisions, run_id)
    for ask in (record_outcome, explain):
        with pytest.raises(RunNotFound):
            await ask(decisions, "absent")


NO_OUTCOMES: list[dict[str, Any]] = [
    {"reliability": 0.0},
    {"reliability": 1.1},
    {"reliability": 0.00001},
    {"source": ""},
    {"label": 0},
    {"note": "\0"},
    {"source": "ü"},
]


async def test_an_outcome_that_is_none_is_refused(
    service: Service, decisions: Any, subtests: pytest.Subtests
) -> None:
    run = await decided(service)
    for fields in NO_OUTCOMES:
        with subtests.test(str(fields)), pytest.raises(InvalidField):
            await record_outcome(decisions, run.run_id, **fields)
    assert await outcomes(decisions) == []


@pytest.mark.parametrize("change", ["UPDATE outcomes SET label = 'approve'", "DELETE FROM outcomes"])
async def test_the_database_keeps_outcomes(service: Service, decisions: Any, change: str) -> None:
    await record_outcome(decisions, (await decided(service)).run_id)

    def attempt(connection: Connection) -> None:
        connection.execute(text(change))

    with pytest.raises((DBAPIError, DatabaseError)):
        await service.database.run(attempt, tenant=EVERY_TENANT)
