"""PolicyService on the wire: policies put, read, listed, linted, and kept."""

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from consensus.v1 import (
    policy_pb2,
    policy_service_pb2,
)
from consensus_contract.errors import (
    DatabaseError,
    IdempotencyKeyReused,
    PolicyNotFound,
)
from consensus_decision.policies import default_policy
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import EVERY_TENANT, Database
from tests.support.deciding import STRICT, put_policy
from tests.support.policies import LOG_ODDS


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
    first = (await put_policy(policies, STRICT)).policy
    second = (await put_policy(policies, LOG_ODDS)).policy

    assert first.revision == hashlib.sha256(first.content.encode()).hexdigest()
    assert first.creator == "anonymous"
    assert await get(policies, "strict") == second
    assert await get(policies, "strict", first.revision[:8]) == first
    assert await listed(policies, "strict", size=1) == [second.revision, first.revision]
    again = await put_policy(policies, STRICT)
    assert (again.policy.revision, again.created) == (first.revision, True)
    assert not (await put_policy(policies, STRICT)).created
    assert await listed(policies, size=1) == ["default", "strict"]


async def test_any_json_that_says_the_same_is_the_same_revision(policies: Any) -> None:
    canonical = (await put_policy(policies, STRICT)).policy
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
        await put_policy(policies, STRICT, "default")
    assert refused.value.field_violations[0].field == "policy.policy_id"


NO_POLICIES = [  # content, and the field that is named
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
]


async def test_what_is_no_policy_is_refused_by_its_field(policies: Any, subtests: pytest.Subtests) -> None:
    for content, field in NO_POLICIES:
        with subtests.test(content[:30]):
            await check_refused(policies, content, field)


async def check_refused(policies: Any, content: str, field: str) -> None:
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
    await put_policy(policies, STRICT)
    for name, revision in (("absent", ""), ("strict", "0" * 64), ("default", "0" * 64)):
        with pytest.raises(PolicyNotFound):
            await get(policies, name, revision)


async def test_a_put_that_is_sent_again_has_its_answer_and_no_second_effect(policies: Any) -> None:
    first = await put_policy(policies, STRICT, key="k")
    await put_policy(policies, LOG_ODDS)
    assert await put_policy(policies, STRICT, key="k") == first
    assert (await get(policies, "strict")).revision != first.policy.revision
    with pytest.raises(IdempotencyKeyReused):
        await put_policy(policies, LOG_ODDS, key="k")


async def test_many_put_at_once_and_all_revisions_are_there(policies: Any) -> None:
    floors = range(1, 13)
    await asyncio.gather(*(put_policy(policies, replace(STRICT, label_floor=floor)) for floor in floors))

    assert len(await listed(policies, "strict")) == len(floors)


@pytest.mark.parametrize(
    "change", ["UPDATE policy_revisions SET content = '{}'", "DELETE FROM policy_revisions"]
)
async def test_the_database_keeps_revisions(policies: Any, database: Database, change: str) -> None:
    await put_policy(policies, STRICT)

    def attempt(connection: Connection) -> None:
        connection.execute(text(change))

    with pytest.raises((DBAPIError, DatabaseError)):
        await database.run(attempt, tenant=EVERY_TENANT)
