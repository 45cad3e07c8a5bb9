"""Policies kept and pinned, decisions explained and made again, on the wire."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
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
    policy_service_pb2,
    policy_service_pb2_grpc,
    run_pb2,
    suspicion_pb2,
)
from consensus_contract.errors import (
    DatabaseError,
    IdempotencyKeyReused,
    PolicyNotFound,
    RunNotDecided,
    RunNotFound,
)
from consensus_decision.policies import POLICY_VERSION, default_policy, policy_message
from consensus_decision.policy import DEFAULT, Policy, PolicyQuorum, Thresholds
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import Database
from persistence_service.decisions.deciding import decided_again
from persistence_service.paging.tokens import Signing
from persistence_service.policies.servicer import PolicyServicer
from tests.support.deciding import decided, decision_stub
from tests.support.policies import LOG_ODDS
from tests.support.records import (
    Service,
    Worker,
    happy_records,
    new_id,
    scope,
    specification,
)
from tests.support.serving import once_per_key, served

STRICT = replace(DEFAULT, thresholds=Thresholds(Decimal("0.95"), Decimal("0.9")))


@pytest.fixture
async def policies(database: Database) -> AsyncIterator[Any]:
    servicer = PolicyServicer(database, Signing(database), once_per_key(database))
    async with served(policy_service_pb2_grpc.add_PolicyServiceServicer_to_server, servicer) as channel:
        yield policy_service_pb2_grpc.PolicyServiceStub(channel)


@pytest.fixture
async def decisions(service: Service) -> AsyncIterator[Any]:
    async with decision_stub(service) as stub:
        yield stub


async def put(stub: Any, policy: Policy, policy_id: str = "strict", key: str = "") -> Any:
    with contract_errors():
        return await stub.PutPolicy(
            policy_service_pb2.PutPolicyRequest(policy=policy_message(policy_id, policy), idempotency_key=key)
        )


async def get(stub: Any, policy_id: str, revision: str = "") -> policy_pb2.Policy:
    request = policy_service_pb2.GetPolicyRequest(policy_id=policy_id, revision=revision)
    with contract_errors():
        answer: policy_service_pb2.GetPolicyResponse = await stub.GetPolicy(request)
    return answer.policy


async def listed(stub: Any, policy_id: str = "", size: int = 0) -> list[str]:
    """All pages: ids, or revisions of one policy."""
    found: list[str] = []
    token = ""
    while True:
        request = policy_service_pb2.ListPoliciesRequest(
            policy_id=policy_id, page_size=size, page_token=token
        )
        answer = await stub.ListPolicies(request)
        found += [each.revision if policy_id else each.policy_id for each in answer.policies]
        assert not any(each.content for each in answer.policies)
        token = answer.next_page_token
        if not token:
            return found


async def test_each_content_is_a_revision_named_by_its_digest_that_stays(policies: Any) -> None:
    first = (await put(policies, STRICT)).policy
    second = (await put(policies, LOG_ODDS)).policy

    assert first.revision == hashlib.sha256(first.content.encode()).hexdigest()
    assert first.creator == "anonymous"
    assert await get(policies, "strict") == second
    assert await get(policies, "strict", first.revision[:8]) == first
    assert await listed(policies, "strict", size=1) == [second.revision, first.revision]
    again = await put(policies, STRICT)
    assert (again.policy.revision, again.created) == (first.revision, True)
    assert not (await put(policies, STRICT)).created
    assert await listed(policies, size=1) == ["default", "strict"]


async def test_any_json_that_says_the_same_is_the_same_revision(policies: Any) -> None:
    canonical = (await put(policies, STRICT)).policy
    loose = policy_pb2.Policy(
        policy_id="strict",
        content=json.dumps({"thresholds": {"revise": "0.900", "approve": "0.95"}}, indent=3),
    )

    with contract_errors():
        answer = await policies.PutPolicy(policy_service_pb2.PutPolicyRequest(policy=loose))

    assert (answer.policy.revision, answer.created) == (canonical.revision, False)


async def test_the_built_in_policy_is_there_and_cannot_be_put(policies: Any) -> None:
    assert await get(policies, "default") == default_policy()
    assert await listed(policies, "default") == [default_policy().revision]
    with pytest.raises(InvalidField) as refused:
        await put(policies, STRICT, "default")
    assert refused.value.field_violations[0].field == "policy.policy_id"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("[" * 5_000, "policy.content"),
        ("[]", "policy.content.policy"),
        ('{"stratgy": "WEIGHTED_MEAN"}', "policy.content.stratgy"),
        ('{"strategy": "LOG_ODDS_TEMPERED"}', "policy.content.parameters"),
        ('{"thresholds": {"approve": "1.1", "revise": "0.6"}}', "policy.content.thresholds.approve"),
        ('{"thresholds": {"approve": 0.8, "revise": "0.6"}}', "policy.content.thresholds.approve"),
        ('{"label_floor": 1e400}', "policy.content.label_floor"),
        ('{"\\ud800": 1}', "policy.content"),
        ('{"label_floor": 30, "label_floor": 31}', "policy.content"),
        ('{"label_floor": ' + "9" * 5_000 + "}", "policy.content"),
    ],
)
async def test_what_is_no_policy_is_refused_by_its_field(policies: Any, content: str, field: str) -> None:
    request = policy_service_pb2.PutPolicyRequest(policy=policy_pb2.Policy(policy_id="p", content=content))
    with pytest.raises(InvalidField) as refused, contract_errors():
        await policies.PutPolicy(request)
    assert field in [each.field for each in refused.value.field_violations]
    linted = await policies.LintPolicy(policy_service_pb2.LintPolicyRequest(policy=request.policy))
    assert linted.findings
    assert [f"policy.content.{each.field}".removesuffix(".") for each in linted.findings] == [
        each.field for each in refused.value.field_violations
    ]
    assert not linted.HasField("policy")


async def test_what_is_not_there_is_not_found(policies: Any) -> None:
    await put(policies, STRICT)
    for name, revision in (("absent", ""), ("strict", "0" * 64), ("default", "0" * 64)):
        with pytest.raises(PolicyNotFound):
            await get(policies, name, revision)


async def test_a_put_that_is_sent_again_has_its_answer_and_no_second_effect(policies: Any) -> None:
    first = await put(policies, STRICT, key="k")
    await put(policies, LOG_ODDS)
    assert await put(policies, STRICT, key="k") == first
    assert (await get(policies, "strict")).revision != first.policy.revision
    with pytest.raises(IdempotencyKeyReused):
        await put(policies, LOG_ODDS, key="k")


async def test_many_put_at_once_and_all_revisions_are_there(policies: Any) -> None:
    floors = range(1, 13)
    await asyncio.gather(*(put(policies, replace(STRICT, label_floor=floor)) for floor in floors))

    assert len(await listed(policies, "strict")) == len(floors)


@pytest.mark.parametrize(
    "change", ["UPDATE policy_revisions SET content = '{}'", "DELETE FROM policy_revisions"]
)
async def test_the_database_keeps_revisions(policies: Any, database: Database, change: str) -> None:
    await put(policies, STRICT)

    def attempt(connection: Connection) -> None:
        connection.execute(text(change))

    with pytest.raises((DBAPIError, DatabaseError)):
        await database.run(attempt)


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
    await put(policies, STRICT)

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
    await put(policies, replace(DEFAULT, thresholds=Thresholds(Decimal("0.1"), Decimal("0.1"))))

    (again,) = await reaggregated(decisions, "strict")
    explained = await explain(decisions, run.run_id, "strict")

    assert again.decision == explained.decision
    assert again.decision.label == decision_pb2.DECISION_LABEL_REVISE


async def test_a_policy_that_asks_for_more_personas_than_answered_decides_nothing(
    service: Service, decisions: Any, policies: Any
) -> None:
    run = await decided(service)
    await put(policies, replace(DEFAULT, quorum=PolicyQuorum(min_personas=6)))

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


@pytest.mark.parametrize(
    "fields",
    [
        {"reliability": 0.0},
        {"reliability": 1.1},
        {"reliability": 0.00001},
        {"source": ""},
        {"label": 0},
        {"note": "\0"},
        {"source": "ü"},
    ],
)
async def test_an_outcome_that_is_none_is_refused(
    service: Service, decisions: Any, fields: dict[str, Any]
) -> None:
    run = await decided(service)
    with pytest.raises(InvalidField):
        await record_outcome(decisions, run.run_id, **fields)
    assert await outcomes(decisions) == []


@pytest.mark.parametrize("change", ["UPDATE outcomes SET label = 'approve'", "DELETE FROM outcomes"])
async def test_the_database_keeps_outcomes(service: Service, decisions: Any, change: str) -> None:
    await record_outcome(decisions, (await decided(service)).run_id)

    def attempt(connection: Connection) -> None:
        connection.execute(text(change))

    with pytest.raises((DBAPIError, DatabaseError)):
        await service.database.run(attempt)
