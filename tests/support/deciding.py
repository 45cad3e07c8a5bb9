"""Decided runs, and PolicyService and DecisionService on the wire."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from consensus.v1 import (
    decision_service_pb2_grpc,
    panel_pb2,
    policy_pb2,
    policy_service_pb2,
    policy_service_pb2_grpc,
    run_pb2,
    suspicion_pb2,
)
from consensus_decision.decision import decide
from consensus_decision.policies import POLICY_VERSION, policy_message
from consensus_decision.policy import DEFAULT, Policy, Thresholds
from consensus_rpc.channel.status import contract_errors
from persistence_service.database import Database
from persistence_service.decisions.servicer import DecisionServicer
from persistence_service.paging.tokens import Signing
from persistence_service.policies.access import find_policy
from persistence_service.policies.servicer import PolicyServicer
from persistence_service.runs.decided import DecidedRuns
from tests.support.records import PERSONAS, Service, Worker, happy_records, new_id, review, specification
from tests.support.serving import once_per_key, served

STRICT = replace(DEFAULT, thresholds=Thresholds(Decimal("0.95"), Decimal("0.9")))


@asynccontextmanager
async def policy_stub(database: Database) -> AsyncIterator[Any]:
    """A stub of the service over a database."""
    servicer = PolicyServicer(database, Signing(database), once_per_key(database))
    async with served(policy_service_pb2_grpc.add_PolicyServiceServicer_to_server, servicer) as channel:
        yield policy_service_pb2_grpc.PolicyServiceStub(channel)


async def put_policy(stub: Any, policy: Policy, policy_id: str = "strict", key: str = "") -> Any:
    """What the service answers."""
    with contract_errors():
        return await stub.PutPolicy(
            policy_service_pb2.PutPolicyRequest(policy=policy_message(policy_id, policy), idempotency_key=key)
        )


@asynccontextmanager
async def decision_stub(service: Service) -> AsyncIterator[Any]:
    """A stub of the service over the same database."""
    database = service.database
    servicer = DecisionServicer(
        database,
        Signing(database),
        once_per_key(database),
        runs=DecidedRuns(service.runs.reader),
        find_policy=partial(find_policy, database),
    )
    async with served(decision_service_pb2_grpc.add_DecisionServiceServicer_to_server, servicer) as channel:
        yield decision_service_pb2_grpc.DecisionServiceStub(channel)


async def decided(
    service: Service,
    policy: policy_pb2.Policy | None = None,
    reviews: Sequence[panel_pb2.PersonaReview] = tuple(map(review, PERSONAS)),
    suspicions: Sequence[suspicion_pb2.Suspicion] = (),
) -> run_pb2.Run:
    """A run that was recorded under a policy, decided."""
    run_id, pinned = new_id(), specification()
    pinned.policy_version = POLICY_VERSION
    if policy is not None:
        pinned.policy.CopyFrom(policy)
    *records, last = happy_records()
    said = {each.persona_id: each for each in reviews}
    for item in (item for each in (*records, last) for item in each.items):
        if item.HasField("persona_review_ready"):
            ready = item.persona_review_ready
            ready.persona_review.CopyFrom(said[ready.persona_review.persona_id])
        if item.HasField("proposal_ready"):
            item.proposal_ready.suspicions.extend(suspicions)
        if item.HasField("decision_ready"):
            item.decision_ready.decision.CopyFrom(decide(pinned, reviews, suspicions=suspicions))
    async with Worker(service) as worker:
        await worker.create(run_id, specification=pinned)
        for each in (*records, last):
            await worker.record(each)
    return await service.run(run_id)
