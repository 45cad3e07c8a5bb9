"""The asynchronous client of DecisionService."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from consensus.v1 import (
    decision_pb2,
    decision_service_pb2,
    decision_service_pb2_grpc,
    human_review_pb2,
    run_pb2,
)
from consensus_client._async.connection import each_page
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel
from consensus_client.requests import new_key


class DecisionClient(AsyncServiceClient):
    """Records outcomes, overrides and what people say, explains decisions and makes them again.

    Raises the errors of the contract. `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = decision_service_pb2_grpc.DecisionServiceStub(channel)

    async def record_outcome(
        self, outcome: decision_service_pb2.Outcome, *, idempotency_key: str | None = None
    ) -> decision_service_pb2.Outcome:
        """The outcome as it was recorded."""
        request = decision_service_pb2.RecordOutcomeRequest(
            outcome=outcome, idempotency_key=new_key(idempotency_key)
        )
        return (await self._connection.call(self._stub.RecordOutcome, request)).outcome

    async def list_outcomes(self, run_id: str = "") -> AsyncIterator[decision_service_pb2.Outcome]:
        """All outcomes, or those of one run, newest first, page by page."""

        async def ask(page_token: str) -> decision_service_pb2.ListOutcomesResponse:
            request = decision_service_pb2.ListOutcomesRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return await self._connection.call(self._stub.ListOutcomes, request)

        async for page in each_page(ask):
            for outcome in page.outcomes:
                yield outcome

    async def override(
        self, override: decision_pb2.DecisionOverride, *, idempotency_key: str | None = None
    ) -> decision_pb2.DecisionOverride:
        """The override as it was recorded; the panel's decision stays."""
        request = decision_service_pb2.OverrideDecisionRequest(
            override=override, idempotency_key=new_key(idempotency_key)
        )
        return (await self._connection.call(self._stub.OverrideDecision, request)).override

    async def list_overrides(self, run_id: str) -> AsyncIterator[decision_pb2.DecisionOverride]:
        """The run's overrides, newest first, page by page."""

        async def ask(page_token: str) -> decision_service_pb2.ListOverridesResponse:
            request = decision_service_pb2.ListOverridesRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return await self._connection.call(self._stub.ListOverrides, request)

        async for page in each_page(ask):
            for override in page.overrides:
                yield override

    async def submit_human_review(
        self, review: human_review_pb2.HumanReview, *, idempotency_key: str | None = None
    ) -> human_review_pb2.HumanReview:
        """A person's review as it was recorded; the panel's decision stays."""
        request = decision_service_pb2.SubmitHumanReviewRequest(
            human_review=review, idempotency_key=new_key(idempotency_key)
        )
        return (await self._connection.call(self._stub.SubmitHumanReview, request)).human_review

    async def list_human_reviews(self, run_id: str = "") -> AsyncIterator[human_review_pb2.HumanReview]:
        """People's reviews of a run, or of all, newest first, page by page; those that were replaced too."""

        async def ask(page_token: str) -> decision_service_pb2.ListHumanReviewsResponse:
            request = decision_service_pb2.ListHumanReviewsRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return await self._connection.call(self._stub.ListHumanReviews, request)

        async for page in each_page(ask):
            for review in page.human_reviews:
                yield review

    async def list_escalations(
        self,
        state: decision_service_pb2.EscalationState.ValueType = (
            decision_service_pb2.ESCALATION_STATE_UNSPECIFIED
        ),
    ) -> AsyncIterator[decision_service_pb2.Escalation]:
        """Runs that a person should look at, those in one state or all, newest first, page by page."""

        async def ask(page_token: str) -> decision_service_pb2.ListEscalationsResponse:
            request = decision_service_pb2.ListEscalationsRequest(
                state=state, page_size=1000, page_token=page_token
            )
            return await self._connection.call(self._stub.ListEscalations, request)

        async for page in each_page(ask):
            for escalation in page.escalations:
                yield escalation

    async def resolve_escalation(
        self,
        resolution: decision_service_pb2.EscalationResolution,
        override_label: decision_pb2.DecisionLabel.ValueType = decision_pb2.DECISION_LABEL_UNSPECIFIED,
        *,
        idempotency_key: str | None = None,
    ) -> decision_service_pb2.ResolveEscalationResponse:
        """What was recorded; with a label, an override too."""
        request = decision_service_pb2.ResolveEscalationRequest(
            resolution=resolution, override_label=override_label, idempotency_key=new_key(idempotency_key)
        )
        return await self._connection.call(self._stub.ResolveEscalation, request)

    async def explain(self, run_id: str, policy: str = "") -> decision_service_pb2.ExplainDecisionResponse:
        """Each step of a run's decision, under its own policy or under another."""
        request = decision_service_pb2.ExplainDecisionRequest(run_id=run_id, policy=policy)
        return await self._connection.call(self._stub.ExplainDecision, request)

    async def reaggregate(
        self, policy: str, wanted: run_pb2.RunFilter | None = None
    ) -> AsyncGenerator[decision_service_pb2.ReaggregatedRun]:
        """Runs decided again under another policy, newest first; nothing is stored."""
        request = decision_service_pb2.ReaggregateRunsRequest(filter=wanted, policy=policy)
        opened = self._connection.read(lambda options: self._stub.ReaggregateRuns(request, **options))
        async with aclosing(opened) as messages:
            async for message in messages:
                for run in message.runs:
                    yield run
