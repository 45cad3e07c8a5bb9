"""What tests of the record are made of: specifications, payloads, records, and a worker on a real channel."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from sqlalchemy import update

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import (
    attempt_pb2,
    decision_pb2,
    errors_pb2,
    panel_pb2,
    proposal_pb2,
    run_event_pb2,
    run_pb2,
)
from consensus_decision.decision import decide
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.server import Server, ServerOptions
from persistence_service.access.directory import StoredKeys
from persistence_service.access.internal import AccessForServices
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.drafts.submitting import submitted_text
from persistence_service.housekeeping.user_data import UserData
from persistence_service.paging.tokens import Signing
from persistence_service.panels.access import find_panel
from persistence_service.policies.access import find_policy
from persistence_service.runs.access import RunAccess
from persistence_service.runs.elsewhere import Elsewhere
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.form.tables import RunRow
from persistence_service.runs.servicer import RunServicer
from tests.support.serving import once_per_key

PERSONAS = ("architect", "critic", "optimist", "security_guardian", "user_advocate")
WEIGHTS = (0.25, 0.25, 0.15, 0.2, 0.15)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SERVICE = "consensus.internal.v1.PersistenceService"


def new_id() -> str:
    """An id that no other test has."""
    return uuid4().hex


def scope(
    tenant: str = "default", caller: str = "anonymous", request_id: str = "q-1"
) -> persistence_service_pb2.CallScope:
    """For whom a call is made."""
    return persistence_service_pb2.CallScope(tenant=tenant, caller=caller, request_id=request_id)


def claim(key: str, request: bytes = b"r") -> persistence_service_pb2.IdempotencyClaim:
    """A key for a request, which is told apart by its first byte."""
    return persistence_service_pb2.IdempotencyClaim(key=key, fingerprint=request * 32)


def specification(idea: str = "Let readers save articles.", **changes: object) -> run_pb2.RunSpecification:
    """A specification with every field set."""
    message = run_pb2.RunSpecification(
        idea=idea,
        context=run_pb2.ExtraContext(text="We have 40,000 readers."),
        user="u-1",
        expand_model="gpt-expand",
        review_model="gpt-review",
        expand_temperature=0.7,
        review_temperature=0.2,
        persona_template_version="1.0.0",
        retry_policy=run_pb2.RetryPolicy(
            max_retries=3,
            initial_backoff=Duration(seconds=1),
            backoff_multiplier=2.5,
            attempt_timeout=Duration(seconds=120),
            max_output_tokens=8000,
        ),
        personas=[
            panel_pb2.Persona(
                persona_id=persona,
                display_name=persona.title(),
                weight=weight,
                focus="risks",
                holds_veto=persona == "security_guardian",
                prompt_digest="ab" * 32,
            )
            for persona, weight in zip(PERSONAS, WEIGHTS, strict=True)
        ],
        quorum=run_pb2.Quorum(min_personas=5, required_personas=["security_guardian"]),
        run_timeout=Duration(seconds=600),
        policy_version="1.0.0",
    )
    message.MergeFrom(run_pb2.RunSpecification(**changes))  # type: ignore[arg-type]  # checked at the call
    return message


def proposal() -> proposal_pb2.Proposal:
    """A proposal with every field set."""
    return proposal_pb2.Proposal(
        title="Read later",
        summary="A list of saved articles.",
        problem_statement="Readers lose articles.",
        proposed_solution="A button saves an article.",
        assumptions=["Readers have accounts.", "Ünïcode \U0001f600"],
        scope_non_goals=["Sharing"],
        raw_expanded_proposal="In prose.",
    )


def review(persona: str, score: float = 0.8123) -> panel_pb2.PersonaReview:
    """A review with every field set."""
    return panel_pb2.PersonaReview(
        persona_id=persona,
        persona_name=persona.title(),
        confidence_score=score,
        strengths=["Small"],
        concerns=[panel_pb2.Concern(text="Slow", blocking=True), panel_pb2.Concern(text="Odd")],
        recommendations=["Measure it"],
        blocking_issues=[
            panel_pb2.BlockingIssue(text="No rollback", security_critical=False),
            panel_pb2.BlockingIssue(text="Unsaid"),
        ],
        estimated_effort="a week",
        dependency_risks=["The reader app"],
        blocking_issues_present=True,
        provenance=panel_pb2.ReviewProvenance(
            requested_model="gpt-review",
            answered_model="gpt-review-1",
            temperature=0.2,
            persona_template_version="1.0.0",
            prompt_digest="ab" * 32,
            attempt_count=1,
            provider_request_id="req_1",
            usage=usage(),
            latency=Duration(seconds=1, nanos=234_567_891),
            truncated_fields=["summary"],
        ),
    )


def usage() -> panel_pb2.TokenUsage:
    """Tokens of a call."""
    return panel_pb2.TokenUsage(
        input_tokens=900, cached_tokens=700, cache_write_tokens=5, output_tokens=300, reasoning_tokens=10
    )


def decision() -> decision_pb2.Decision:
    """What the reviews of all personas give."""
    return decide(specification(), map(review, PERSONAS))


def attempt(
    step: str = "expand",
    number: int = 1,
    state: attempt_pb2.AttemptState.ValueType = attempt_pb2.ATTEMPT_STATE_STARTED,
    **changes: object,
) -> attempt_pb2.Attempt:
    """A call to the model."""
    return attempt_pb2.Attempt(
        step=step,
        attempt_number=number,
        state=state,
        requested_model="gpt",
        temperature=0.2,
        max_output_tokens=8000,
        **changes,  # type: ignore[arg-type]  # checked at the call
    )


def record(
    record_id: int, *items: run_event_pb2.StepStarted | object, attempts: Sequence[attempt_pb2.Attempt] = ()
) -> persistence_service_pb2.Record:
    """A record of these events' payloads."""
    return persistence_service_pb2.Record(
        record_id=record_id, items=[item_of(item) for item in items], attempts=attempts
    )


_FIELD_OF = {
    field.message_type.name: field.name
    for field in persistence_service_pb2.RecordItem.DESCRIPTOR.oneofs_by_name["item"].fields
    if field.message_type is not None
}


def item_of(payload: object) -> persistence_service_pb2.RecordItem:
    """The item that holds this payload."""
    return persistence_service_pb2.RecordItem(**{_FIELD_OF[type(payload).__name__]: payload})  # type: ignore[arg-type]  # as above


def first_record() -> persistence_service_pb2.Record:
    """The expand step begins."""
    return record(1, run_event_pb2.StepStarted(step="expand"), attempts=[attempt()])


def happy_records() -> list[persistence_service_pb2.Record]:
    """What follows the first record of a run that decides, in the groups in which it is written."""
    numbers = itertools.count(2)
    succeeded = attempt_pb2.ATTEMPT_STATE_SUCCEEDED
    records = [
        record(
            next(numbers),
            run_event_pb2.ProposalReady(proposal=proposal()),
            run_event_pb2.StepCompleted(step="expand", attempt_count=1),
            *(run_event_pb2.StepStarted(step=f"review_{persona}") for persona in PERSONAS),
            attempts=[
                attempt(state=succeeded, usage=usage(), latency=Duration(seconds=1), http_status=200),
                *(attempt(f"review_{persona}") for persona in PERSONAS),
            ],
        )
    ]
    records.extend(
        record(
            next(numbers),
            run_event_pb2.PersonaReviewReady(persona_review=review(persona)),
            run_event_pb2.StepCompleted(step=f"review_{persona}", attempt_count=1),
            attempts=[attempt(f"review_{persona}", state=succeeded, usage=usage())],
        )
        for persona in reversed(PERSONAS)
    )
    records.append(
        record(
            next(numbers),
            run_event_pb2.StepStarted(step="aggregate_decision"),
            run_event_pb2.DecisionReady(decision=decision()),
            run_event_pb2.StepCompleted(step="aggregate_decision"),
            run_event_pb2.RunCompleted(),
        )
    )
    return records


def failure(step: str = "expand") -> run_pb2.RunFailure:
    """Why a run failed."""
    return run_pb2.RunFailure(
        reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT,
        message="the model did not answer in time",
        failed_step=step,
        resumable=True,
        finished_personas=["critic"],
        persona_failures=[
            run_pb2.PersonaFailure(persona_id="optimist", reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT)
        ],
        output_violations=[run_pb2.OutputViolation(field="a[0]", description="is blank")],
    )


class Service:
    """A persistence service on loopback, with a client's stub."""

    def __init__(self, database: Database, options: RunOptions) -> None:
        self.database = database
        self.runs = RunAccess.of(database, options)

    async def __aenter__(self) -> Self:
        self.runs.start()
        self.servicer = RunServicer(
            self.runs,
            Signing(self.database),
            Elsewhere(
                submitted_text=submitted_text,
                user_data=UserData(once_per_key(self.database), self.database.now),
                find_panel=partial(find_panel, self.database),
                find_policy=partial(find_policy, self.database),
                access=AccessForServices(self.database, StoredKeys(self.database)),
            ),
        )
        self.server = Server(ServerOptions(listen="127.0.0.1:0"), service_names=[SERVICE])
        persistence_service_pb2_grpc.add_PersistenceServiceServicer_to_server(self.servicer, self.server.grpc)
        await self.server.start()
        self.channel = open_channel(self.server.address, ChannelOptions())
        self.stub = persistence_service_pb2_grpc.PersistenceServiceStub(self.channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.servicer.drain()
        await self.channel.close()
        await self.server.grpc.stop(0)
        await self.runs.close()

    async def run(self, run_id: str, tenant: str = "default") -> run_pb2.Run:
        """The run, whole."""
        request = persistence_service_pb2.GetRunRequest(scope=scope(tenant), run_id=run_id)
        with contract_errors():
            return (await self.stub.GetRun(request)).run

    async def events(self, run_id: str, after: int = 0) -> list[run_event_pb2.RunEvent]:
        """The run's events until its journal stands in a terminal state."""
        request = persistence_service_pb2.WatchRunRequest(scope=scope(), run_id=run_id, after_sequence=after)
        with contract_errors():
            return [event async for message in self.stub.WatchRun(request) for event in message.events]

    async def events_so_far(self, run_id: str) -> list[run_event_pb2.RunEvent]:
        """The run's events, whether it has ended or not."""
        last = (await self.run(run_id)).last_sequence
        call = self.stub.WatchRun(persistence_service_pb2.WatchRunRequest(scope=scope(), run_id=run_id))
        events: list[run_event_pb2.RunEvent] = []
        while len(events) < last:
            message = await call.read()
            assert isinstance(message, persistence_service_pb2.WatchRunResponse)
            events.extend(message.events)
        call.cancel()
        return events

    async def queued(
        self,
        run_id: str | None = None,
        key: persistence_service_pb2.IdempotencyClaim | None = None,
        **changes: Any,
    ) -> run_pb2.Run:
        """A run that waits; `changes` are of its specification."""
        request = persistence_service_pb2.CreateRunRequest(
            scope=scope(), run_id=run_id or new_id(), specification=specification(**changes), idempotency=key
        )
        with contract_errors():
            return (await self.stub.CreateRun(request)).run

    async def claim(
        self, owner: str = "other", max_count: int = 100, policy_versions: Sequence[str] = ()
    ) -> list[persistence_service_pb2.ClaimedRun]:
        """Runs granted to another process."""
        request = persistence_service_pb2.ClaimRunsRequest(
            lease_owner=owner, max_count=max_count, policy_versions=policy_versions
        )
        with contract_errors():
            answer = await self.stub.ClaimRuns(request)
        return list(answer.runs)

    async def set_run(self, run_id: str, **columns: object) -> None:
        """Changes a run's row behind the service's back: how a test makes time pass."""
        change = update(RunRow).where(RunRow.run_id == run_id).values(**columns)
        await self.database.run(lambda connection: connection.execute(change).rowcount, tenant=EVERY_TENANT)

    async def abandon(self, run_id: str) -> None:
        """The run's lease has run out."""
        await self.set_run(run_id, lease_expire_time=LONG_AGO)

    async def cancel(
        self, run_id: str, key: persistence_service_pb2.IdempotencyClaim | None = None
    ) -> run_pb2.Run:
        """The run, cancelled."""
        request = persistence_service_pb2.CancelRunRequest(scope=scope(), run_id=run_id, idempotency=key)
        with contract_errors():
            return (await self.stub.CancelRun(request)).run

    async def resume(self, run_id: str) -> run_pb2.Run:
        """The run, going on."""
        request = persistence_service_pb2.ResumeRunRequest(scope=scope(), run_id=run_id)
        with contract_errors():
            return (await self.stub.ResumeRun(request)).run

    @asynccontextmanager
    async def created(
        self,
        run_id: str | None = None,
        key: persistence_service_pb2.IdempotencyClaim | None = None,
        **begin: object,
    ) -> AsyncIterator["Worker"]:
        """A worker on a run that it created."""
        async with Worker(self) as worker:
            await worker.create(run_id or new_id(), key, **begin)
            yield worker

    @asynccontextmanager
    async def attached(self, run_id: str, token: int, owner: str = "other") -> AsyncIterator["Worker"]:
        """A worker on a run that it was granted."""
        async with Worker(self) as worker:
            await worker.attach(run_id, token, owner)
            yield worker


class Worker:
    """One RecordRun stream."""

    def __init__(self, service: Service) -> None:
        self._requests: asyncio.Queue[persistence_service_pb2.RecordRunRequest | None] = asyncio.Queue()
        self._service = service
        self.run_id = ""
        self.token = 0

    async def __aenter__(self) -> Self:
        self.call = self._service.stub.RecordRun(self._outgoing())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()

    async def _outgoing(self) -> AsyncIterator[persistence_service_pb2.RecordRunRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, **message: object) -> None:
        """Sends a message without waiting for its answer."""
        self._requests.put_nowait(persistence_service_pb2.RecordRunRequest(**message))  # type: ignore[arg-type]  # at the call

    def end(self) -> None:
        """Says that nothing more will come."""
        self._requests.put_nowait(None)

    async def answer(self) -> persistence_service_pb2.RecordRunResponse:
        """The next answer, or the error that ended the stream; an empty message at its good end."""
        with contract_errors():
            response = await self.call.read()
        return (
            response
            if isinstance(response, persistence_service_pb2.RecordRunResponse)
            else persistence_service_pb2.RecordRunResponse()
        )

    async def create(
        self, run_id: str, key: persistence_service_pb2.IdempotencyClaim | None = None, **begin: object
    ) -> persistence_service_pb2.RecordRunResponse:
        """Begins a run; the answer may be to follow another."""
        fields: dict[str, object] = {
            "scope": scope(),
            "run_id": run_id,
            "specification": specification(),
            "idempotency": key,
            "lease_owner": "me",
            "first_record": first_record(),
        }
        self.send(create=persistence_service_pb2.BeginCreate(**(fields | begin)))  # type: ignore[arg-type]  # checked at the call
        answer = await self.answer()
        self.run_id, self.token = run_id, answer.created.lease.fencing_token
        return answer

    async def attach(
        self, run_id: str, token: int, owner: str = "other"
    ) -> persistence_service_pb2.RunAttached:
        """Goes on with a run that this owner was granted."""
        self.send(
            attach=persistence_service_pb2.BeginAttach(
                scope=scope(), run_id=run_id, fencing_token=token, lease_owner=owner
            )
        )
        attached = (await self.answer()).attached
        self.run_id, self.token = run_id, attached.lease.fencing_token
        return attached

    async def record(self, record: persistence_service_pb2.Record) -> persistence_service_pb2.RecordAck:
        """Writes a record down."""
        self.send(record=record)
        return (await self.answer()).ack

    async def finish(self) -> list[persistence_service_pb2.RecordAck]:
        """Writes all that follows the first record of a run that decides."""
        return [await self.record(each) for each in happy_records()]
