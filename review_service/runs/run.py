"""One run, from its proposal over five reviews at once to a decision, each result recorded as it comes."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.v1 import attempt_pb2, errors_pb2, event_pb2, persistence_service_pb2, proposal_pb2, run_pb2
from consensus_contract.errors import reason_name
from consensus_contract.steps import AGGREGATE, EXPAND, review_step
from consensus_decision.decision import decide
from consensus_decision.quorum import quorum_shortfall
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from review_service.comparing.proposal_diff import proposal_diff
from review_service.record.run_ledger import RecordingEnded, RunLedger
from review_service.runs import record_items as items
from review_service.runs.progress import Progress
from review_service.steps import expander, reviewer
from review_service.steps.attempts import unknown_attempt
from review_service.steps.expander import Expander
from review_service.steps.reviewer import Reviewer, ReviewTask
from review_service.steps.step import GaveUp

RecordItem = persistence_service_pb2.RecordItem

_log = get_logger()

# The steps watch the run's deadline themselves; whatever else takes longer is cut this much later.
_LATE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Engine:
    """Those who ask the model."""

    expander: Expander
    reviewer: Reviewer


class PanelRun:
    """Does what is missing of one run, and records it; also the recorder of its calls to the model."""

    def __init__(self, engine: Engine, ledger: RunLedger, progress: Progress) -> None:
        """Takes a run as far as it has come."""
        self._engine = engine
        self._ledger = ledger
        self._progress = progress
        # The attempt of each step that is calling the model; None for its first, which can be made again.
        self._in_flight: dict[str, attempt_pb2.Attempt | None] = {}

    async def finish(self) -> None:
        """Works until the record that ends the run is durable.

        Raises:
            RecordingEnded: when the run is no longer this process's, or cannot be recorded.
        """
        if self._progress.is_over:
            return
        limit = asyncio.timeout_at(self._progress.deadline + _LATE_SECONDS)
        try:
            async with limit:
                ending = await self._work()
        except RecordingEnded:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in here must end the run, not one process after another
            ending = self._ending_after(error, is_late=limit.expired())
        await self._ledger.record(self._unknown_attempts(), ending)
        _log.info("run_ended", outcome=ending[-1].WhichOneof("item"))

    def _ending_after(self, error: Exception, *, is_late: bool) -> list[RecordItem]:
        if is_late and isinstance(error, TimeoutError):
            return self._cut_short(items.DEADLINE, "the run's deadline passed")
        _log.error("run_failed_unexpectedly", trace=fault_trace(error))
        return self._cut_short(errors_pb2.ERROR_REASON_INTERNAL, "an unexpected failure")

    async def _work(self) -> list[RecordItem]:
        """Returns how the run ends."""
        if not self._progress.is_expanded:
            outcome = await self._expand()
            if outcome is not None:
                return items.expand_failed(outcome)
        await self._review()
        return self._ending()

    def _ending(self) -> list[RecordItem]:
        progress = self._progress
        shortfall = quorum_shortfall(progress.specification, list(progress.reviews))
        if shortfall is not None:
            return items.quorum_missed(progress.persona_ids, list(progress.reviews), progress.failures)
        reviews = list(progress.reviews.values())
        return items.decided(decide(progress.specification, reviews, progress.failures))

    async def _expand(self) -> GaveUp | None:
        """Expands the idea and starts the panel in the commit that records the proposal."""
        await self._start([EXPAND])
        progress = self._progress
        outcome = await self._engine.expander.expand(
            progress.run_id, progress.specification, progress.budget(EXPAND), self
        )
        self._in_flight.pop(EXPAND, None)
        if isinstance(outcome, GaveUp):
            await self._record_gave_up(EXPAND, outcome)
            return outcome
        attempts, starts = self._starts([review_step(each) for each in progress.to_ask])
        diff = _diff_from_parent(progress.specification, outcome.result)
        ready = items.proposal_ready(outcome.result, outcome.attempt.attempt_number, diff)
        await self._ledger.record([outcome.attempt, *attempts], [*ready, *starts])
        _log.info("step_completed", step=EXPAND, attempts=outcome.attempt.attempt_number)
        progress.expanded(outcome.result)
        return None

    async def _review(self) -> None:
        """Asks all personas that are missing at once; each result is recorded as it comes."""
        progress = self._progress
        to_ask = progress.to_ask
        await self._start([review_step(each) for each in to_ask])
        task = self._engine.reviewer.prepare(
            progress.run_id, progress.specification, progress.take_proposal()
        )
        await _all(self._review_one(task, each) for each in to_ask)

    async def _review_one(self, task: ReviewTask, persona_id: str) -> None:
        step = review_step(persona_id)
        outcome = await self._engine.reviewer.review(task, persona_id, self._progress.budget(step), self)
        self._in_flight.pop(step, None)
        if isinstance(outcome, GaveUp):
            await self._record_gave_up(step, outcome)
            self._progress.failures[persona_id] = outcome.failure.reason
            return
        count = outcome.attempt.attempt_number
        await self._ledger.record([outcome.attempt], items.review_ready(outcome.result, count))
        _log.info("step_completed", step=step, attempts=count)
        self._progress.reviews[persona_id] = outcome.result

    async def _start(self, steps: Sequence[str]) -> None:
        """Records the start of the steps that are not begun, with their first attempts."""
        attempts, starts = self._starts(steps)
        if attempts or starts:
            await self._ledger.record(attempts, starts)
        await self._ledger.wait_lease()

    def _starts(self, steps: Sequence[str]) -> tuple[list[attempt_pb2.Attempt], list[RecordItem]]:
        """What to record before the steps' first calls; nothing for what is recorded already.

        A step with attempts of an earlier worker goes on with the next one, which its runner records.
        """
        progress = self._progress
        firsts = {step: self._first_attempt(step) for step in steps if not progress.has_history(step)}
        attempts = [attempt for step, attempt in firsts.items() if step not in progress.first_recorded]
        starts = [items.step_started(step) for step in steps if step not in progress.begun]
        self._in_flight |= dict.fromkeys(firsts)
        progress.first_recorded += (attempt.step for attempt in attempts)
        progress.begun += (start.step_started.step for start in starts)
        return attempts, starts

    def _first_attempt(self, step: str) -> attempt_pb2.Attempt:
        if step == EXPAND:
            return expander.first_attempt(self._progress.specification)
        persona_id = step.removeprefix(review_step(""))
        return reviewer.first_attempt(self._progress.specification, persona_id)

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Returns once the attempt is durable and the lease is held: its bytes may leave."""
        self._in_flight[attempt.step] = attempt
        await self._ledger.record([attempt])
        await self._ledger.wait_lease()

    async def attempt_failed(self, attempt: attempt_pb2.Attempt, event: event_pb2.AttemptFailed) -> None:
        """Records a failed attempt that another will follow."""
        self._in_flight.pop(attempt.step, None)
        await self._ledger.record([attempt], [RecordItem(attempt_failed=event)])

    async def _record_gave_up(self, step: str, outcome: GaveUp) -> None:
        attempts = [] if outcome.attempt is None else [outcome.attempt]
        await self._ledger.record(attempts, items.gave_up(step, outcome))
        reason = reason_name(outcome.failure.reason)
        _log.warning("step_failed", step=step, attempts=outcome.attempt_count, reason=reason)

    def _cut_short(self, reason: items.Reason, message: str) -> list[RecordItem]:
        """Ends the run at its first step that is not done."""
        progress = self._progress
        undone = [review_step(each) for each in progress.persona_ids if each not in progress.reviews]
        failed = (undone or [AGGREGATE])[0] if progress.is_expanded else EXPAND
        finished = [each for each in progress.persona_ids if each in progress.reviews]
        return items.cut_short(reason, message, failed, finished)

    def _unknown_attempts(self) -> list[attempt_pb2.Attempt]:
        """The calls that were cut: they may have been answered and billed."""
        return [
            unknown_attempt(self._first_attempt(step) if attempt is None else attempt)
            for step, attempt in self._in_flight.items()
        ]


def _diff_from_parent(
    specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal
) -> proposal_pb2.ProposalDiff | None:
    if not specification.HasField("revision"):
        return None
    return proposal_diff(specification.revision.parent_proposal, proposal)


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all at once; the first error, or being cancelled, ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
