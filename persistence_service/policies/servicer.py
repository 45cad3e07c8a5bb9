"""PolicyService: how reviews become decisions, kept as data."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from consensus.v1 import policy_pb2, policy_service_pb2, policy_service_pb2_grpc
from consensus_decision.policies import DEFAULT_POLICY_ID, default_policy
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.idempotency.keys import key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.append import append
from persistence_service.journal.entries import Actor, NewEntry
from persistence_service.paging.keyset import fitting
from persistence_service.paging.revisions import after_id, after_revision, revision_position
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.policies import convert, repository
from persistence_service.policies.access import find_policy

OP_PUT = "policy.put"
"""The operation under which keys stand, and the entry that a new revision leaves."""


class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """Keeps the policies of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing, once: OncePerKey) -> None:
        self._database = database
        self._signing = signing
        self._once = once
        # Those who change a policy at once wait here, and not for its row.
        self._locks = KeyedLocks()

    async def PutPolicy(
        self, request: policy_service_pb2.PutPolicyRequest, context: Context
    ) -> policy_service_pb2.PutPolicyResponse:
        identity = identity_of(context)
        policy = await asyncio.to_thread(convert.accepted_policy, request.policy, "policy")
        actor = Actor(identity.caller, request.user, current_request_id() or "")
        stream = f"policies/{policy.policy_id}"

        def put(connection: Connection, now: datetime) -> policy_service_pb2.PutPolicyResponse:
            is_new = repository.make_current(connection, identity.tenant, policy, identity.caller, now)
            if is_new:
                entry = NewEntry(
                    OP_PUT, {"revision": policy.revision}, payload_digest=bytes.fromhex(policy.revision)
                )
                append(connection, identity.tenant, stream, [entry], actor, self._database.now)
            row = repository.find(connection, identity.tenant, policy.policy_id, "")
            return policy_service_pb2.PutPolicyResponse(policy=convert.message_of(row), created=is_new)

        use = key_use(identity, OP_PUT, policy.policy_id, request, request.idempotency_key)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            return await self._once.change(
                identity.tenant, use, put, policy_service_pb2.PutPolicyResponse, stream
            )

    async def GetPolicy(
        self, request: policy_service_pb2.GetPolicyRequest, context: Context
    ) -> policy_service_pb2.GetPolicyResponse:
        tenant = identity_of(context).tenant
        policy = await find_policy(self._database, tenant, request.policy_id, request.revision)
        return policy_service_pb2.GetPolicyResponse(policy=policy)

    async def ListPolicies(
        self, request: policy_service_pb2.ListPoliciesRequest, context: Context
    ) -> policy_service_pb2.ListPoliciesResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["policies", tenant, request.policy_id]
        position = signer.position(binding, request.page_token) if request.page_token else None
        policies = await self._page(tenant, request.policy_id, position, size + 1)
        page = fitting(map(convert.listed, policies), size)
        response = policy_service_pb2.ListPoliciesResponse(policies=page)
        if len(page) < len(policies):
            last = page[-1]
            end = revision_position(last) if request.policy_id else [last.policy_id]
            response.next_page_token = signer.token(binding, end)
        return response

    async def LintPolicy(
        self, request: policy_service_pb2.LintPolicyRequest, _context: Context
    ) -> policy_service_pb2.LintPolicyResponse:
        return await asyncio.to_thread(_linted, request.policy)

    async def _page(
        self, tenant: str, policy_id: str, position: Sequence[object] | None, limit: int
    ) -> list[policy_pb2.Policy]:
        if policy_id == DEFAULT_POLICY_ID:
            return [default_policy()]
        first = [default_policy()] if position is None and not policy_id else []

        def read(connection: Connection) -> list[policy_pb2.Policy]:
            if policy_id:
                since = after_revision(position)
                rows = repository.page_of_revisions(connection, tenant, policy_id, since, limit)
            else:
                after = after_id(position, DEFAULT_POLICY_ID)
                rows = repository.page(connection, tenant, after, limit)
            return [convert.message_of(row) for row in rows]

        found = await self._database.run(read, tenant=tenant, read_only=True, resource="policies")
        return [*first, *found][:limit]


def _linted(policy: policy_pb2.Policy) -> policy_service_pb2.LintPolicyResponse:
    """What putting it would come to."""
    try:
        return policy_service_pb2.LintPolicyResponse(policy=convert.accepted_policy(policy, "policy"))
    except InvalidField as refused:
        findings = [
            policy_service_pb2.PolicyFinding(
                field=each.field.removeprefix("policy.").removeprefix("content").removeprefix("."),
                description=each.description,
            )
            for each in refused.field_violations
        ]
        return policy_service_pb2.LintPolicyResponse(findings=findings)
