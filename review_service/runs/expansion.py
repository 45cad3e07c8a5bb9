"""Expanding an idea outside a run: its calls to the model are recorded under an id of their own."""

import asyncio
from collections.abc import Awaitable, Sequence

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, proposal_pb2, run_pb2
from consensus_contract.errors import (
    ConsensusError,
    FieldViolation,
    PersistenceUnavailable,
    RunFailed,
    SpendCapReached,
    class_for_reason,
)
from consensus_contract.evidence import evidence
from consensus_contract.steps import EXPAND
from consensus_rpc.errors import CallDeadlineExceeded, Overloaded
from review_service.record.failures import spend_refusal
from review_service.record.gateway import Caller, PersistenceGateway, Scope
from review_service.record.outbox import Refusals
from review_service.runs.attempt_book import AttemptBook
from review_service.runs.record_items import DEADLINE
from review_service.steps.expander import Expander
from review_service.steps.step import GaveUp, StepBudget

_RECORD_SECONDS = 10.0


class _ExpansionLedger:
    """Writes attempts one record after the other; what was given to it is written whoever still waits."""

    def __init__(self, gateway: PersistenceGateway, scope: Scope, expansion_id: str) -> None:
        self._gateway = gateway
        self._caller = Caller(scope, _RECORD_SECONDS)
        self._expansion_id = expansion_id
        self._last: asyncio.Task[Refusals] | None = None
        self._has_written = False

    def record(
        self,
        attempts: Sequence[attempt_pb2.Attempt] = (),
        items: Sequence[persistence_service_pb2.RecordItem] = (),  # noqa: ARG002 - an expansion has no events
    ) -> Awaitable[Refusals]:
        """Writes these; none: waits for those before."""
        self._last = asyncio.create_task(self._write(attempts, after=self._last))
        return asyncio.shield(self._last)

    async def wait_lease(self) -> None:
        """Returns: nobody else works on an expansion."""

    async def _write(
        self, attempts: Sequence[attempt_pb2.Attempt], *, after: asyncio.Task[Refusals] | None
    ) -> Refusals:
        if after is not None:
            await asyncio.wait({after})
        if not attempts:
            return ()
        try:
            refused = await self._gateway.record_expansion(self._caller, self._expansion_id, attempts)
        except Overloaded as error:
            if self._has_written:
                # It would say that nothing was executed, and the model was asked.
                raise PersistenceUnavailable from error
            raise
        self._has_written = True
        return refused


async def expand_idea(
    gateway: PersistenceGateway,
    scope: Scope,
    expansion_id: str,
    expander: Expander,
    specification: run_pb2.RunSpecification,
    seconds_left: float,
) -> proposal_pb2.Proposal:
    """The proposal; each call to the model is recorded before its bytes leave and after its answer came.

    When it is cancelled, what is known of its calls is recorded first.

    Raises:
        ConsensusError: what the model failed with; PersistenceUnavailable; CallDeadlineExceeded; Overloaded,
            as long as the model was not asked.
    """
    book = AttemptBook(_ExpansionLedger(gateway, scope, expansion_id), specification)
    budget = StepBudget(deadline=asyncio.get_running_loop().time() + seconds_left)
    try:
        outcome = await expander.expand(expansion_id, specification, budget, book)
        if outcome.attempt is not None:
            await book.record([outcome.attempt])
    except asyncio.CancelledError:
        await book.record(book.unknown_attempts())
        raise
    if isinstance(outcome, GaveUp):
        refused = book.last_refused
        if outcome.failure.reason == SpendCapReached.reason and refused is not None:
            raise spend_refusal(refused)
        raise _error(outcome.failure)
    return outcome.result.proposal


def _error(failure: run_pb2.StepFailure) -> ConsensusError:
    if failure.reason == DEADLINE:
        return CallDeadlineExceeded()
    kind = class_for_reason(failure.reason)
    if not issubclass(kind, RunFailed):
        return kind.rebuilt(failure.message)
    violations = [FieldViolation(each.field, each.description) for each in failure.output_violations]
    return kind(failed_step=EXPAND, field_violations=violations, evidence=evidence(failure))
