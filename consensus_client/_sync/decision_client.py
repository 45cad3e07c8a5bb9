# Made by `make sync` from consensus_client/_async/decision_client.py; never edited.
"""The synchronous client of DecisionService."""

from collections.abc import Generator, Iterator
from contextlib import closing

from consensus.v1 import (
    decision_pb2,
    decision_service_pb2,
    decision_service_pb2_grpc,
    human_review_pb2,
    run_pb2,
)
from consensus_client._sync.connection import each_page
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.requests import new_key
from consensus_client.sync_transport import Channel


class SyncDecisionClient(SyncServiceClient):
    """Records outcomes, overrides and what people say, explains decisions and makes them again.

    Raises the errors of the contract. `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = decision_service_pb2_grpc.DecisionServiceStub(channel)

    def record_outcome(
        self, outcome: decision_service_pb2.Outcome, *, idempotency_key: str | None = None
    ) -> decision_service_pb2.Outcome:
        """The outcome as it was recorded."""
        request = decision_service_pb2.RecordOutcomeRequest(
            outcome=outcome, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.RecordOutcome, request).outcome

    def list_outcomes(self, run_id: str = "") -> Iterator[decision_service_pb2.Outcome]:
        """All outcomes, or those of one run, newest first, page by page."""

        def ask(page_token: str) -> decision_service_pb2.ListOutcomesResponse:
            request = decision_service_pb2.ListOutcomesRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return self._connection.call(self._stub.ListOutcomes, request)

        for page in each_page(ask):
            yield from page.outcomes

    def override(
        self, override: decision_pb2.DecisionOverride, *, idempotency_key: str | None = None
    ) -> decision_pb2.DecisionOverride:
        """The override as it was recorded; the panel's decision stays."""
        request = decision_service_pb2.OverrideDecisionRequest(
            override=override, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.OverrideDecision, request).override

    def list_overrides(self, run_id: str) -> Iterator[decision_pb2.DecisionOverride]:
        """The run's overrides, newest first, page by page."""

        def ask(page_token: str) -> decision_service_pb2.ListOverridesResponse:
            request = decision_service_pb2.ListOverridesRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return self._connection.call(self._stub.ListOverrides, request)

        for page in each_page(ask):
            yield from page.overrides

    def submit_human_review(
        self, review: human_review_pb2.HumanReview, *, idempotency_key: str | None = None
    ) -> human_review_pb2.HumanReview:
        """A person's review as it was recorded; the panel's decision stays."""
        request = decision_service_pb2.SubmitHumanReviewRequest(
            human_review=review, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.SubmitHumanReview, request).human_review

    def list_human_reviews(self, run_id: str = "") -> Iterator[human_review_pb2.HumanReview]:
        """People's reviews of a run, or of all, newest first, page by page; those that were replaced too."""

        def ask(page_token: str) -> decision_service_pb2.ListHumanReviewsResponse:
            request = decision_service_pb2.ListHumanReviewsRequest(
                run_id=run_id, page_size=1000, page_token=page_token
            )
            return self._connection.call(self._stub.ListHumanReviews, request)

        for page in each_page(ask):
            yield from page.human_reviews

    def list_escalations(
        self,
        state: decision_service_pb2.EscalationState.ValueType = (
            decision_service_pb2.ESCALATION_STATE_UNSPECIFIED
        ),
    ) -> Iterator[decision_service_pb2.Escalation]:
        """Runs that a person should look at, those in one state or all, newest first, page by page."""

        def ask(page_token: str) -> decision_service_pb2.ListEscalationsResponse:
            request = decision_service_pb2.ListEscalationsRequest(
                state=state, page_size=1000, page_token=page_token
            )
            return self._connection.call(self._stub.ListEscalations, request)

        for page in each_page(ask):
            yield from page.escalations

    def resolve_escalation(
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
        return self._connection.call(self._stub.ResolveEscalation, request)

    def explain(self, run_id: str, policy: str = "") -> decision_service_pb2.ExplainDecisionResponse:
        """Each step of a run's decision, under its own policy or under another."""
        request = decision_service_pb2.ExplainDecisionRequest(run_id=run_id, policy=policy)
        return self._connection.call(self._stub.ExplainDecision, request)

    def reaggregate(
        self, policy: str, wanted: run_pb2.RunFilter | None = None
    ) -> Generator[decision_service_pb2.ReaggregatedRun]:
        """Runs decided again under another policy, newest first; nothing is stored."""
        request = decision_service_pb2.ReaggregateRunsRequest(filter=wanted, policy=policy)
        opened = self._connection.read(lambda options: self._stub.ReaggregateRuns(request, **options))
        with closing(opened) as messages:
            for message in messages:
                yield from message.runs
