"""Expanding an idea outside a run: its calls to the model are recorded under an id of their own."""

import asyncio

from consensus.v1 import attempt_pb2, event_pb2, persistence_service_pb2, proposal_pb2, run_pb2
from consensus_contract.errors import ConsensusError, FieldViolation, RunFailed, class_for_reason
from consensus_contract.steps import EXPAND
from consensus_rpc.channel.channels import call_options
from consensus_rpc.errors import CallDeadlineExceeded
from review_service.record.persistence import Stub, persistence_errors
from review_service.runs.record_items import DEADLINE
from review_service.steps.attempts import unknown_attempt
from review_service.steps.expander import Expander
from review_service.steps.step import GaveUp, StepBudget

_RECORD_SECONDS = 10.0


class Expansion:
    """One expansion: the recorder of its attempts, and the way to its proposal."""

    def __init__(self, stub: Stub, scope: persistence_service_pb2.CallScope, expansion_id: str) -> None:
        """Nothing is recorded yet."""
        self._stub = stub
        self._scope = scope
        self.expansion_id = expansion_id
        self._to_note: attempt_pb2.Attempt | None = (
            None  # what is known of the last call, if not recorded yet
        )

    async def expand(
        self, expander: Expander, specification: run_pb2.RunSpecification, seconds_left: float
    ) -> proposal_pb2.Proposal:
        """Asks the model, and records each call before its bytes leave and after its answer came.

        When it is cancelled, what is known of the last call is recorded first.

        Raises:
            ConsensusError: what the model failed with; PersistenceUnavailable; CallDeadlineExceeded.
        """
        budget = StepBudget(deadline=asyncio.get_running_loop().time() + seconds_left)
        try:
            outcome = await expander.expand(self.expansion_id, specification, budget, self)
            if outcome.attempt is not None:
                self._to_note = outcome.attempt
                await self._record(outcome.attempt)
        except asyncio.CancelledError:
            if self._to_note is not None:
                await self._record(self._to_note)
            raise
        if isinstance(outcome, GaveUp):
            raise _error(outcome.failure)
        return outcome.result

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Returns once the attempt is durable."""
        await self._record(attempt)
        self._to_note = unknown_attempt(attempt)

    async def attempt_failed(
        self,
        attempt: attempt_pb2.Attempt,
        event: event_pb2.AttemptFailed,  # noqa: ARG002 - an expansion has no events
    ) -> None:
        """Records a failed attempt that another will follow."""
        self._to_note = attempt
        await self._record(attempt)
        self._to_note = None

    async def _record(self, attempt: attempt_pb2.Attempt) -> None:
        request = persistence_service_pb2.RecordExpansionRequest(
            scope=self._scope, expansion_id=self.expansion_id, attempts=[attempt]
        )
        with persistence_errors():
            await self._stub.RecordExpansion(request, **call_options(_RECORD_SECONDS))


def _error(failure: run_pb2.StepFailure) -> ConsensusError:
    if failure.reason == DEADLINE:
        return CallDeadlineExceeded()
    kind = class_for_reason(failure.reason)
    if not issubclass(kind, RunFailed):
        return kind.rebuilt(failure.message)
    violations = [FieldViolation(each.field, each.description) for each in failure.output_violations]
    return kind(failed_step=EXPAND, field_violations=violations)
