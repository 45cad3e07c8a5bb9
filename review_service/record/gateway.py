"""Every call to PersistenceService, typed: for whom, for how long, and what its failures mean here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, panel_pb2, policy_pb2, review_service_pb2, run_pb2
from consensus_decision.policies import POLICY_VERSIONS
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import call_metadata, call_options
from consensus_rpc.channel.deadline import TimeLeft
from review_service.record.failures import persistence_errors
from review_service.record.shards import Shard, Shards, Stub

if TYPE_CHECKING:
    import grpc

# In the stubs for type checkers only.
RecordStream: TypeAlias = (
    "grpc.aio.StreamStreamCall[persistence_service_pb2.RecordRunRequest,"
    " persistence_service_pb2.RecordRunResponse]"
)
WatchStream: TypeAlias = (
    "grpc.aio.UnaryStreamCall[persistence_service_pb2.WatchRunRequest,"
    " persistence_service_pb2.WatchRunResponse]"
)
ExportStream: TypeAlias = (
    "grpc.aio.UnaryStreamCall[persistence_service_pb2.ExportRunsRequest,"
    " persistence_service_pb2.ExportRunsResponse]"
)
Scope: TypeAlias = persistence_service_pb2.CallScope
Claim: TypeAlias = persistence_service_pb2.IdempotencyClaim

Q = TypeVar("Q")
A = TypeVar("A")

# However much time its caller has.
_CALL_SECONDS = 30.0
_ACCESS_SECONDS = 5.0
_REVIEWS = "persona_reviews"
_REVIEWS_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a call is made, and what time is left for it: that of a servicer's context, or seconds."""

    scope: Scope
    left: TimeLeft


class PersistenceGateway:
    """The one object that speaks to PersistenceService, each tenant's to its own. One per process.

    What answers with one message raises a ConsensusError: what the service refuses with,
    PersistenceUnavailable when it is away, CallDeadlineExceeded when the time is over. Of a stream,
    `stream.read` raises it.
    """

    __slots__ = ("_bearer", "_shards")

    def __init__(self, shards: Shards, bearer: Bearer | None = None) -> None:
        """`bearer` is this service's own credential, where its certificate is none."""
        self._shards = shards
        self._bearer = bearer

    async def get_run(self, caller: Caller, run_id: str, *, show_deleted: bool = False) -> run_pb2.Run:
        """A run, as far as one answer has room for it: `omitted_fields` names what it leaves out."""
        request = persistence_service_pb2.GetRunRequest(
            scope=caller.scope, run_id=run_id, show_deleted=show_deleted
        )
        return (await self._asked(self._of(caller).GetRun, request, caller.left)).run

    async def get_reviewed_run(self, caller: Caller, run_id: str) -> run_pb2.Run:
        """A run with all of its reviews, however large they are together."""
        run = await self.get_run(caller, run_id)
        if _REVIEWS not in run.omitted_fields:
            return run
        request = review_service_pb2.ListPersonaReviewsRequest(run_id=run_id, page_size=_REVIEWS_PER_PAGE)
        while True:
            page = await self.list_persona_reviews(caller, request)
            run.persona_reviews.extend(page.persona_reviews)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return run

    async def get_panel(
        self,
        caller: Caller,
        panel_id: str,
        revision: str,
        claim: persistence_service_pb2.IdempotencyClaim | None,
        parent_run_id: str,
    ) -> persistence_service_pb2.GetPanelResponse:
        """A panel, or the run that the key of the request that names it has started before."""
        request = persistence_service_pb2.GetPanelRequest(
            scope=caller.scope,
            panel_id=panel_id,
            revision=revision,
            idempotency=claim,
            parent_run_id=parent_run_id,
        )
        return await self._asked(self._of(caller).GetPanel, request, caller.left)

    async def get_policy(self, caller: Caller, policy_id: str, revision: str) -> policy_pb2.Policy:
        """A policy, whole."""
        request = persistence_service_pb2.GetPolicyRequest(
            scope=caller.scope, policy_id=policy_id, revision=revision
        )
        answer = await self._asked(self._of(caller).GetPolicy, request, caller.left)
        return answer.policy

    async def list_runs(
        self, caller: Caller, request: review_service_pb2.ListRunsRequest
    ) -> persistence_service_pb2.ListRunsResponse:
        asked = persistence_service_pb2.ListRunsRequest(
            scope=caller.scope,
            filter=request.filter if request.HasField("filter") else None,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        return await self._asked(self._of(caller).ListRuns, asked, caller.left)

    async def list_attempts(
        self, caller: Caller, request: review_service_pb2.ListAttemptsRequest
    ) -> persistence_service_pb2.ListAttemptsResponse:
        asked = persistence_service_pb2.ListAttemptsRequest(
            scope=caller.scope,
            run_id=request.run_id,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        return await self._asked(self._of(caller).ListAttempts, asked, caller.left)

    async def list_persona_reviews(
        self, caller: Caller, request: review_service_pb2.ListPersonaReviewsRequest
    ) -> persistence_service_pb2.ListPersonaReviewsResponse:
        asked = persistence_service_pb2.ListPersonaReviewsRequest(
            scope=caller.scope,
            run_id=request.run_id,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        return await self._asked(self._of(caller).ListPersonaReviews, asked, caller.left)

    def export_runs(self, caller: Caller, request: review_service_pb2.ExportRunsRequest) -> ExportStream:
        """All runs that a filter lets through; to be cancelled by who reads it."""
        asked = persistence_service_pb2.ExportRunsRequest(
            scope=caller.scope,
            filter=request.filter if request.HasField("filter") else None,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        return self._of(caller).ExportRuns(asked, **call_options(caller.left, bearer=self._bearer))

    def watch_run(
        self, caller: Caller, run_id: str, after_sequence: int, *, show_deleted: bool = False
    ) -> WatchStream:
        """A run's events from the journal, to its last; to be cancelled by who reads it."""
        request = persistence_service_pb2.WatchRunRequest(
            scope=caller.scope, run_id=run_id, after_sequence=after_sequence, show_deleted=show_deleted
        )
        shard = self._shards.of(caller.scope.tenant)
        watch = shard.stub.WatchRun(request, **call_options(caller.left, bearer=self._bearer))
        shard.keep(caller.scope.tenant, watch)
        return watch

    async def create_run(
        self,
        caller: Caller,
        run_id: str,
        specification: run_pb2.RunSpecification,
        claim: Claim | None,
        carried_reviews: Sequence[panel_pb2.PersonaReview] = (),
    ) -> run_pb2.Run:
        """A new run, QUEUED; or the one that the claim's key stands for."""
        request = persistence_service_pb2.CreateRunRequest(
            scope=caller.scope,
            run_id=run_id,
            specification=specification,
            idempotency=claim,
            carried_reviews=carried_reviews,
        )
        return (await self._asked(self._of(caller).CreateRun, request, caller.left)).run

    async def cancel_run(self, caller: Caller, run_id: str, claim: Claim | None = None) -> run_pb2.Run:
        """The run, CANCELLED."""
        request = persistence_service_pb2.CancelRunRequest(
            scope=caller.scope, run_id=run_id, idempotency=claim
        )
        return (await self._asked(self._of(caller).CancelRun, request, caller.left)).run

    async def resume_run(self, caller: Caller, run_id: str, claim: Claim | None) -> run_pb2.Run:
        """The run, QUEUED again."""
        request = persistence_service_pb2.ResumeRunRequest(
            scope=caller.scope, run_id=run_id, idempotency=claim
        )
        return (await self._asked(self._of(caller).ResumeRun, request, caller.left)).run

    async def annotate_decision(
        self, caller: Caller, run_id: str, notes: str, claim: Claim | None
    ) -> run_pb2.Run:
        """The run, with the notes to its decision."""
        request = persistence_service_pb2.AnnotateDecisionRequest(
            scope=caller.scope, run_id=run_id, decision_notes=notes, idempotency=claim
        )
        return (await self._asked(self._of(caller).AnnotateDecision, request, caller.left)).run

    async def delete_run(self, caller: Caller, run_id: str, claim: Claim | None) -> run_pb2.Run:
        """The run, deleted; it can be restored for a while."""
        request = persistence_service_pb2.DeleteRunRequest(
            scope=caller.scope, run_id=run_id, idempotency=claim
        )
        return (await self._asked(self._of(caller).DeleteRun, request, caller.left)).run

    async def undelete_run(self, caller: Caller, run_id: str, claim: Claim | None) -> run_pb2.Run:
        request = persistence_service_pb2.UndeleteRunRequest(
            scope=caller.scope, run_id=run_id, idempotency=claim
        )
        return (await self._asked(self._of(caller).UndeleteRun, request, caller.left)).run

    async def delete_user_data(
        self, caller: Caller, user: str, claim: Claim | None
    ) -> persistence_service_pb2.DeleteUserDataResponse:
        """What was deleted of a user's, and the id that takes it back."""
        request = persistence_service_pb2.DeleteUserDataRequest(
            scope=caller.scope, user=user, idempotency=claim
        )
        return await self._asked(self._of(caller).DeleteUserData, request, caller.left)

    async def undelete_user_data(
        self, caller: Caller, deletion_id: str, claim: Claim | None
    ) -> persistence_service_pb2.UndeleteUserDataResponse:
        request = persistence_service_pb2.UndeleteUserDataRequest(
            scope=caller.scope, deletion_id=deletion_id, idempotency=claim
        )
        return await self._asked(self._of(caller).UndeleteUserData, request, caller.left)

    async def get_draft_text(
        self, caller: Caller, draft_id: str, user: str, claim: Claim | None
    ) -> persistence_service_pb2.GetDraftTextResponse:
        """A draft's text; or the run that the claim's key stands for."""
        request = persistence_service_pb2.GetDraftTextRequest(
            scope=caller.scope, draft_id=draft_id, user=user, idempotency=claim
        )
        return await self._asked(self._of(caller).GetDraftText, request, caller.left)

    async def record_expansion(
        self, caller: Caller, expansion_id: str, attempts: Sequence[attempt_pb2.Attempt]
    ) -> Sequence[persistence_service_pb2.RefusedAttempt]:
        """Returns once the attempts of an expansion are durable: those that must not begin."""
        request = persistence_service_pb2.RecordExpansionRequest(
            scope=caller.scope, expansion_id=expansion_id, attempts=attempts
        )
        answer = await self._asked(self._of(caller).RecordExpansion, request, caller.left)
        return answer.refused_attempts

    def shards_with_work(self) -> Sequence[Shard]:
        """Whom to ask for work: of several those that serve, as last heard."""
        shards = self._shards.all()
        return shards if len(shards) == 1 else [each for each in shards if each.is_serving]

    async def claim_runs(
        self, shard: Shard, lease_owner: str, max_count: int, seconds: float
    ) -> list[persistence_service_pb2.ClaimedRun]:
        """Queued and abandoned runs that this release can decide, granted to this owner."""
        request = persistence_service_pb2.ClaimRunsRequest(
            lease_owner=lease_owner, max_count=max_count, policy_versions=POLICY_VERSIONS
        )
        return list((await self._asked(shard.stub.ClaimRuns, request, seconds)).runs)

    def record_run(self, tenant: str, granted_by: Shard | None = None) -> RecordStream:
        """The stream on which one run is recorded, where it was granted; it has no deadline of its own."""
        shard = granted_by or self._shards.of(tenant)
        return shard.stub.RecordRun(metadata=call_metadata(self._bearer))

    async def authenticate_key(
        self, key_id: str, secret_digest: bytes
    ) -> persistence_service_pb2.AuthenticateKeyResponse:
        """What a caller's key comes to; whose it is, is what is asked, so all are asked.

        Where nobody who answers knows it, and somebody does not answer, that is what is raised.
        """
        request = persistence_service_pb2.AuthenticateKeyRequest(key_id=key_id, secret_digest=secret_digest)
        asked = [
            self._asked(shard.stub.AuthenticateKey, request, _ACCESS_SECONDS) for shard in self._shards.all()
        ]
        found: list[persistence_service_pb2.AuthenticateKeyResponse] = []
        failure: BaseException | None = None
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                failure = failure or answer
            else:
                found.append(answer)
        known = next((each for each in found if each.HasField("key") or each.tenant), None)
        if known is None and failure is not None:
            raise failure
        return known or found[0]

    def address_of(self, tenant: str) -> str:
        """Where a tenant is."""
        return self._shards.of(tenant).address

    async def record_denials(self, denials: Sequence[persistence_service_pb2.Denial]) -> None:
        """Returns once the denials are durable, where the tenant of the first is."""
        request = persistence_service_pb2.RecordDenialsRequest(denials=denials)
        stub = self._shards.of(denials[0].tenant).stub
        await self._asked(stub.RecordDenials, request, _ACCESS_SECONDS)

    def _of(self, caller: Caller) -> Stub:
        return self._shards.of(caller.scope.tenant).stub

    async def _asked(self, method: "grpc.aio.UnaryUnaryMultiCallable[Q, A]", request: Q, left: TimeLeft) -> A:
        with persistence_errors():
            options = call_options(left, ceiling_seconds=_CALL_SECONDS, bearer=self._bearer)
            return await method(request, **options)
