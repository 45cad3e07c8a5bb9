"""DecisionService: outcomes, what people say instead, explanations, and what another policy would decide."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.v1 import decision_pb2, decision_service_pb2, decision_service_pb2_grpc, policy_pb2, run_pb2
from consensus_contract.errors import IllegalState, PolicyUnknown
from consensus_decision.policies import UnknownPolicyError
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import Identity, identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.decisions import escalations, human_reviews, outcomes, overrides
from persistence_service.decisions.deciding import decided_again, explained
from persistence_service.idempotency.keys import key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.append import append
from persistence_service.journal.entries import Actor, NewEntry
from persistence_service.paging.keyset import fitting
from persistence_service.paging.tokens import Signing
from persistence_service.runs.decided import DecidedRuns, hold_decided, hold_run
from persistence_service.runs.elsewhere import FindPolicy
from persistence_service.runs.form.human_reviews import entry_data, human_review_message, human_review_row
from persistence_service.runs.form.overrides import override_message, override_row
from persistence_service.schema.scalars import from_microseconds, microseconds

OP_RECORD = "outcome.record"
"""The operation under which keys stand, and the entry that an outcome leaves."""
OP_OVERRIDE = "decision.override"
"""Likewise of an override."""
OP_REVIEW = "human_review.submit"
"""Likewise of a person's review."""
OP_RESOLVE = "escalation.resolve"
"""Likewise of a resolution."""

Position: TypeAlias = tuple[datetime, str]
Rows: TypeAlias = Sequence[Mapping[Any, Any]]
FindPage: TypeAlias = Callable[[Connection, Position | None, int], Rows]
"""At most so many rows after a position, newest first."""
PageRequest: TypeAlias = (
    decision_service_pb2.ListOutcomesRequest
    | decision_service_pb2.ListOverridesRequest
    | decision_service_pb2.ListHumanReviewsRequest
    | decision_service_pb2.ListEscalationsRequest
)
Said = TypeVar("Said", bound=Message)

_USUAL_PAGE = 100


class DecisionServicer(decision_service_pb2_grpc.DecisionServiceServicer):
    """Tells of the decisions of the caller's tenant."""

    def __init__(
        self,
        database: Database,
        signing: Signing,
        once: OncePerKey,
        *,
        runs: DecidedRuns,
        find_policy: FindPolicy,
    ) -> None:
        self._database = database
        self._signing = signing
        self._once = once
        self._runs = runs
        self._find_policy = find_policy
        self._locks = KeyedLocks()

    async def RecordOutcome(
        self, request: decision_service_pb2.RecordOutcomeRequest, context: Context
    ) -> decision_service_pb2.RecordOutcomeResponse:
        identity, outcome, outcome_id = identity_of(context), request.outcome, str(uuid7())
        actor = Actor(identity.caller, outcome.user, current_request_id() or "")
        stream = f"outcomes/{outcome.run_id}"

        def record(connection: Connection, now: datetime) -> decision_service_pb2.RecordOutcomeResponse:
            hold_decided(connection, identity.tenant, outcome.run_id)
            row = outcomes.outcome_row(identity.tenant, outcome, outcome_id, identity.caller, now)
            outcomes.add(connection, row)
            data = {"outcome_id": outcome_id, "label": row["label"], "source": row["source"]}
            entry = NewEntry(OP_RECORD, data)
            append(connection, identity.tenant, stream, [entry], actor, self._database.now)
            return decision_service_pb2.RecordOutcomeResponse(outcome=outcomes.outcome_message(row))

        use = key_use(identity, OP_RECORD, outcome.run_id, request, request.idempotency_key)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            return await self._once.change(
                identity.tenant, use, record, decision_service_pb2.RecordOutcomeResponse, stream
            )

    async def ListOutcomes(
        self, request: decision_service_pb2.ListOutcomesRequest, context: Context
    ) -> decision_service_pb2.ListOutcomesResponse:
        tenant = identity_of(context).tenant

        def find(connection: Connection, after: Position | None, limit: int) -> Rows:
            return outcomes.page(connection, tenant, request.run_id, after, limit)

        binding = ["outcomes", tenant, request.run_id]
        found, token = await self._page(
            tenant, binding, "outcome_id", request, find, outcomes.outcome_message
        )
        return decision_service_pb2.ListOutcomesResponse(outcomes=found, next_page_token=token)

    async def OverrideDecision(
        self, request: decision_service_pb2.OverrideDecisionRequest, context: Context
    ) -> decision_service_pb2.OverrideDecisionResponse:
        identity, said, override_id = identity_of(context), request.override, str(uuid7())
        actor = Actor(identity.caller, said.user, current_request_id() or "")
        stream = f"decisions/{said.run_id}"

        def record(connection: Connection, now: datetime) -> decision_service_pb2.OverrideDecisionResponse:
            hold_decided(connection, identity.tenant, said.run_id)
            override, entry = _override(connection, identity, said, override_id, now)
            append(connection, identity.tenant, stream, [entry], actor, self._database.now)
            return decision_service_pb2.OverrideDecisionResponse(override=override)

        use = key_use(identity, OP_OVERRIDE, said.run_id, request, request.idempotency_key)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            answer = decision_service_pb2.OverrideDecisionResponse
            return await self._once.change(identity.tenant, use, record, answer, stream)

    async def ListOverrides(
        self, request: decision_service_pb2.ListOverridesRequest, context: Context
    ) -> decision_service_pb2.ListOverridesResponse:
        tenant = identity_of(context).tenant

        def find(connection: Connection, after: Position | None, limit: int) -> Rows:
            return overrides.page(connection, tenant, request.run_id, after, limit)

        binding = ["overrides", tenant, request.run_id]
        found, token = await self._page(tenant, binding, "override_id", request, find, override_message)
        return decision_service_pb2.ListOverridesResponse(overrides=found, next_page_token=token)

    async def SubmitHumanReview(
        self, request: decision_service_pb2.SubmitHumanReviewRequest, context: Context
    ) -> decision_service_pb2.SubmitHumanReviewResponse:
        identity, said, review_id = identity_of(context), request.human_review, str(uuid7())
        actor = Actor(identity.caller, said.user, current_request_id() or "")
        stream = f"decisions/{said.run_id}"

        def record(connection: Connection, now: datetime) -> decision_service_pb2.SubmitHumanReviewResponse:
            hold_decided(connection, identity.tenant, said.run_id)
            row = human_review_row(identity.tenant, said, review_id, identity.caller, now)
            human_reviews.add(connection, row)
            entry = NewEntry(OP_REVIEW, entry_data(row))
            append(connection, identity.tenant, stream, [entry], actor, self._database.now)
            return decision_service_pb2.SubmitHumanReviewResponse(human_review=human_review_message(row))

        use = key_use(identity, OP_REVIEW, said.run_id, request, request.idempotency_key)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            answer = decision_service_pb2.SubmitHumanReviewResponse
            return await self._once.change(identity.tenant, use, record, answer, stream)

    async def ListHumanReviews(
        self, request: decision_service_pb2.ListHumanReviewsRequest, context: Context
    ) -> decision_service_pb2.ListHumanReviewsResponse:
        tenant = identity_of(context).tenant

        def find(connection: Connection, after: Position | None, limit: int) -> Rows:
            return human_reviews.page(connection, tenant, request.run_id, after, limit)

        binding = ["human_reviews", tenant, request.run_id]
        found, token = await self._page(tenant, binding, "review_id", request, find, human_review_message)
        return decision_service_pb2.ListHumanReviewsResponse(human_reviews=found, next_page_token=token)

    async def ListEscalations(
        self, request: decision_service_pb2.ListEscalationsRequest, context: Context
    ) -> decision_service_pb2.ListEscalationsResponse:
        tenant = identity_of(context).tenant

        def find(connection: Connection, after: Position | None, limit: int) -> Rows:
            return escalations.page(connection, tenant, request.state, after, limit)

        binding = ["escalations", tenant, str(request.state)]
        found, token = await self._page(
            tenant, binding, "run_id", request, find, escalations.escalation_message
        )
        return decision_service_pb2.ListEscalationsResponse(escalations=found, next_page_token=token)

    async def ResolveEscalation(
        self, request: decision_service_pb2.ResolveEscalationRequest, context: Context
    ) -> decision_service_pb2.ResolveEscalationResponse:
        identity, said, label = identity_of(context), request.resolution, request.override_label
        resolution_id, override_id = str(uuid7()), str(uuid7())
        actor = Actor(identity.caller, said.user, current_request_id() or "")
        stream = f"decisions/{said.run_id}"

        def record(connection: Connection, now: datetime) -> decision_service_pb2.ResolveEscalationResponse:
            state = hold_run(connection, identity.tenant, said.run_id)
            sequence = escalations.newest(connection, identity.tenant, said.run_id)
            if sequence is None:
                raise IllegalState(run_id=said.run_id, state=state, operation="resolve_escalation")
            row = escalations.resolution_row(
                identity.tenant, said, resolution_id, sequence, identity.caller, now
            )
            escalations.resolve(connection, row)
            answer = decision_service_pb2.ResolveEscalationResponse(
                resolution=escalations.resolution_message(row)
            )
            entries = [NewEntry(OP_RESOLVE, {"resolution_id": resolution_id, "escalation": sequence})]
            if label:
                hold_decided(connection, identity.tenant, said.run_id)
                instead = decision_pb2.DecisionOverride(
                    run_id=said.run_id, label=label, reason=said.resolution, user=said.user
                )
                override, entry = _override(connection, identity, instead, override_id, now)
                answer.override.CopyFrom(override)
                entries.append(entry)
            append(connection, identity.tenant, stream, entries, actor, self._database.now)
            return answer

        use = key_use(identity, OP_RESOLVE, said.run_id, request, request.idempotency_key)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            return await self._once.change(
                identity.tenant, use, record, decision_service_pb2.ResolveEscalationResponse, stream
            )

    async def ExplainDecision(
        self, request: decision_service_pb2.ExplainDecisionRequest, context: Context
    ) -> decision_service_pb2.ExplainDecisionResponse:
        tenant = identity_of(context).tenant
        run = await self._runs.whole(tenant, request.run_id)
        policy = await self._policy(tenant, request.policy) if request.policy else None
        try:
            return await asyncio.to_thread(explained, run, policy)
        except UnknownPolicyError as error:
            raise PolicyUnknown(policy_version=str(error)) from error
        except ValueError as error:
            raise InvalidField(field="policy", description=f"can decide the run: {error}") from error

    async def ReaggregateRuns(
        self, request: decision_service_pb2.ReaggregateRunsRequest, context: Context
    ) -> AsyncIterator[decision_service_pb2.ReaggregateRunsResponse]:
        tenant = identity_of(context).tenant
        policy = await self._policy(tenant, request.policy)

        def decide(run: run_pb2.Run) -> decision_service_pb2.ReaggregatedRun:
            return decided_again(run, policy)

        async for again in self._runs.newest_first(tenant, request.filter, decide):
            while again:
                fitted = fitting(again, len(again))  # what one message has room for
                del again[: len(fitted)]
                yield decision_service_pb2.ReaggregateRunsResponse(runs=fitted)

    async def _page(
        self,
        tenant: str,
        binding: list[str],
        id_column: str,
        request: PageRequest,
        find: FindPage,
        message: Callable[[Mapping[Any, Any]], Said],
    ) -> tuple[list[Said], str]:
        """A page, newest first, with the id as tie-break, and where the next begins; empty on the last."""
        size = request.page_size or _USUAL_PAGE
        signer = await self._signing.signer()
        position = signer.position(binding, request.page_token) if request.page_token else None
        after = None if position is None else (from_microseconds(position[0]), str(position[1]))
        rows = await self._database.run(
            lambda connection: find(connection, after, size + 1),
            tenant=tenant,
            read_only=True,
            resource=binding[0],
        )
        page = fitting(map(message, rows), size)
        if len(page) == len(rows):
            return page, ""
        last = rows[len(page) - 1]
        return page, signer.token(binding, [microseconds(last["create_time"]), last[id_column]])

    async def _policy(self, tenant: str, name: str) -> policy_pb2.Policy:
        policy_id, _, revision = name.partition("@")
        return await self._find_policy(tenant, policy_id, revision)


def _override(
    connection: Connection,
    identity: Identity,
    override: decision_pb2.DecisionOverride,
    override_id: str,
    now: datetime,
) -> tuple[decision_pb2.DecisionOverride, NewEntry]:
    """Records an override; it as it is told, and the entry that it leaves."""
    row = override_row(identity.tenant, override, override_id, identity.caller, now)
    overrides.add(connection, row)
    return override_message(row), NewEntry(OP_OVERRIDE, {"override_id": override_id, "label": row["label"]})
