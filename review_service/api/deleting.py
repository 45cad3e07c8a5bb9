"""The part of ReviewService that deletes and restores: it hands over to persistence."""
# ruff: noqa: N802 - the methods are named as in the contract

from typing import Any

from consensus.v1 import persistence_service_pb2, review_service_pb2
from consensus_rpc.telemetry.log import bind_contextvars
from review_service.api.reading import ReadingServicer, scope_of
from review_service.intake.fingerprint import idempotency_claim


class DeletingServicer(ReadingServicer):
    """Deletions, and taking them back."""

    async def DeleteRun(
        self, request: review_service_pb2.DeleteRunRequest, context: Any
    ) -> review_service_pb2.DeleteRunResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceDeleteRunRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.DeleteRun, asked, context)
        return review_service_pb2.DeleteRunResponse(run=answer.run)

    async def UndeleteRun(
        self, request: review_service_pb2.UndeleteRunRequest, context: Any
    ) -> review_service_pb2.UndeleteRunResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceUndeleteRunRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.UndeleteRun, asked, context)
        return review_service_pb2.UndeleteRunResponse(run=answer.run)

    async def DeleteUserData(
        self, request: review_service_pb2.DeleteUserDataRequest, context: Any
    ) -> review_service_pb2.DeleteUserDataResponse:
        """See the contract."""
        asked = persistence_service_pb2.PersistenceServiceDeleteUserDataRequest(
            scope=scope_of(context),
            user=request.user,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.DeleteUserData, asked, context)
        return review_service_pb2.DeleteUserDataResponse(
            deletion_id=answer.deletion_id,
            run_count=answer.run_count,
            draft_count=answer.draft_count,
            metric_count=answer.metric_count,
        )

    async def UndeleteUserData(
        self, request: review_service_pb2.UndeleteUserDataRequest, context: Any
    ) -> review_service_pb2.UndeleteUserDataResponse:
        """See the contract."""
        asked = persistence_service_pb2.PersistenceServiceUndeleteUserDataRequest(
            scope=scope_of(context),
            deletion_id=request.deletion_id,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.UndeleteUserData, asked, context)
        return review_service_pb2.UndeleteUserDataResponse(
            run_count=answer.run_count, draft_count=answer.draft_count, metric_count=answer.metric_count
        )
