"""One run, from what is reviewed over all reviews at once to a decision, each result recorded."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from opentelemetry import trace

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, errors_pb2, proposal_pb2, run_pb2
from consensus_contract.errors import Reason, reason_name
from consensus_contract.steps import AGGREGATE, EXPAND, persona_of_step, review_step
from consensus_decision.decision import decide
from consensus_decision.policies import is_known
from consensus_decision.quorum import has_quorum
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from review_service.comparing.proposal_diff import proposal_diff
from review_service.record.events import RecordItem
from review_service.record.ledger import Attached, Begun, NewRun
from review_service.record.run_ledger import RecordingEnded
from review_service.runs import record_items as items
from review_service.runs.attempt_book import AttemptBook
from review_service.runs.progress import (
    RunProgress,
    first_steps,
    is_expanding,
    new_progress,
    recorded_progress,
)
from review_service.runs.tracing import observed_step, run_span, tell_decision, tell_review
from review_service.steps.attempts import first_attempt
from review_service.steps.expander import Expander
from review_service.steps.reviewer import Reviewer, ReviewTask
from review_service.steps.step import GaveUp

_log = get_logger()

# The steps watch the run's deadline themselves; whatever else takes longer is cut this much later.
_LATE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ModelSteps:
    """The steps that ask the model. One per process.

    `explains_in_traces`: traces carry what personas object to, which is content.
    """

    expander: Expander
    reviewer: Reviewer
    explains_in_traces: bool = False

    async def set_most_costs(
        self,
        run_id: str,
        specification: run_pb2.RunSpecification,
        attempts: Sequence[attempt_pb2.Attempt],
        proposal: proposal_pb2.Proposal | None,
    ) -> None:
        """Says of first attempts what they can cost at most; renders nothing where nothing has a price."""
        if not attempts or not self.reviewer.knows_prices:
            return
        task: ReviewTask | None = None
        for attempt in attempts:
            persona_id = persona_of_step(attempt.step)
            if persona_id is None:
                self.expander.set_most_cost(attempt, run_id, specification)
                continue
            task = task or await self.prepared(run_id, specification, proposal)
            self.reviewer.set_most_cost(attempt, task, persona_id)

    async def prepared(
        self, run_id: str, specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal | None
    ) -> ReviewTask:
        """What all personas share; a long document is read beside the others' work."""
        given, prepare = (run_id, specification, proposal), self.reviewer.prepare
        is_over_document = specification.HasField("document")
        return await asyncio.to_thread(prepare, *given) if is_over_document else prepare(*given)


def new_run(
    scope: persistence_service_pb2.CallScope,
    run_id: str,
    specification: run_pb2.RunSpecification,
    idempotency: persistence_service_pb2.IdempotencyClaim | None,
) -> NewRun:
    """A run that is begun at once: the commit that creates it begins to expand, or to review."""
    steps = first_steps(specification)
    return NewRun(
        scope=scope,
        run_id=run_id,
        specification=specification,
        idempotency=idempotency,
        first_attempts=[first_attempt(specification, step) for step in steps],
        first_items=[*_skipped(specification), *map(items.step_started, steps)],
    )


def _skipped(specification: run_pb2.RunSpecification, *, has_proposal: bool = False) -> list[RecordItem]:
    """What is recorded where nothing is expanded, with the proposal that a caller wrote, once."""
    if is_expanding(specification):
        return []
    is_new = specification.HasField("proposal") and not has_proposal
    return items.expand_skipped(specification.proposal if is_new else None)


class ReviewRun:
    """Does what is missing of one run, and records it."""

    __slots__ = ("_book", "_progress", "_steps")

    def __init__(self, steps: ModelSteps, book: AttemptBook, progress: RunProgress) -> None:
        self._steps = steps
        self._book = book
        self._progress = progress

    @classmethod
    def begun(cls, steps: ModelSteps, run: NewRun, begun: Begun) -> Self:
        """A run whose first commit is that of `new_run`."""
        started = first_steps(run.specification)
        book = AttemptBook(begun.ledger, run.specification, started, begun.refused)
        return cls(steps, book, new_progress(run.run_id, run.specification, begun.deadline))

    @classmethod
    def attached(cls, steps: ModelSteps, attached: Attached) -> Self:
        """A run that was begun elsewhere or earlier."""
        book = AttemptBook(attached.ledger, attached.recorded.run.specification)
        return cls(steps, book, recorded_progress(attached.recorded, attached.deadline))

    async def finish(self) -> None:
        """Works until the record that ends the run is durable.

        Raises:
            RecordingEnded: when the run is no longer this process's, or cannot be recorded.
        """
        if self._progress.is_over:
            return
        with run_span(self._progress.run_id):
            ending = await self._ended()
            await self._book.record(self._book.unknown_attempts(), ending)
        _log.info("run_ended", outcome=ending[-1].WhichOneof("item"))

    async def _ended(self) -> list[RecordItem]:
        """Works until the deadline at most; returns how the run ends."""
        limit = asyncio.timeout_at(self._progress.deadline + _LATE_SECONDS)
        try:
            async with limit:
                return await self._work()
        except RecordingEnded:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in here must end the run, not one process after another
            return self._ending_after(error, is_late=limit.expired())

    def _ending_after(self, error: Exception, *, is_late: bool) -> list[RecordItem]:
        if is_late and isinstance(error, TimeoutError):
            return self._cut_short(items.DEADLINE, "the run's deadline passed")
        _log.error("run_failed_unexpectedly", trace=fault_trace(error))
        return self._cut_short(errors_pb2.ERROR_REASON_INTERNAL, "an unexpected failure")

    async def _work(self) -> list[RecordItem]:
        """Returns how the run ends."""
        if self._progress.is_expanded:
            pass
        elif not is_expanding(self._progress.specification):
            await self._skip()
        elif (outcome := await self._expand()) is not None:
            return items.expand_failed(outcome)
        await self._review()
        return self._ending()

    def _ending(self) -> list[RecordItem]:
        progress = self._progress
        if not is_known(progress.specification):
            # Of a newer release, whose processes know it; whoever resumes the run asks nobody again.
            _log.error("policy_unknown", policy_version=progress.specification.policy_version)
            return self._cut_short(errors_pb2.ERROR_REASON_INTERNAL, "its policy is of a newer release")
        if not has_quorum(progress.specification, progress.reviews.keys()):
            return items.quorum_missed(progress.persona_ids, list(progress.reviews), progress.failures)
        reviews = list(progress.reviews.values())
        suspected = progress.suspicions
        decision = decide(progress.specification, reviews, progress.reasons, suspicions=suspected)
        tell_decision(trace.get_current_span(), decision)
        return items.decided(decision)

    async def _expand(self) -> GaveUp | None:
        """Expands the idea and starts the panel in the commit that records the proposal."""
        await self._start([EXPAND])
        progress = self._progress
        with observed_step(progress.run_id, EXPAND) as observed:
            outcome = await self._steps.expander.expand(
                progress.run_id, progress.specification, progress.budget(EXPAND), self._book
            )
            observed.ended(outcome)
        if isinstance(outcome, GaveUp):
            await self._record_gave_up(EXPAND, outcome)
            return outcome
        expanded = outcome.result
        steps = [review_step(each) for each in progress.to_ask]
        attempts, starts = await self._starts(steps, expanded.proposal)
        diff = _diff_from_parent(progress.specification, expanded.proposal)
        ready = items.proposal_ready(expanded, outcome.attempt.attempt_number, diff)
        await self._book.record([outcome.attempt, *attempts], [*ready, *starts])
        _log.info("step_completed", step=EXPAND, attempts=outcome.attempt.attempt_number)
        progress.expanded(expanded.proposal, expanded.suspicions)
        return None

    async def _skip(self) -> None:
        """Records that nothing is expanded, with the start of the panel; again where the run was resumed."""
        progress = self._progress
        steps = [review_step(each) for each in progress.to_ask]
        written = progress.specification.proposal if progress.specification.HasField("proposal") else None
        attempts, starts = await self._starts(steps, written)
        skipped = _skipped(progress.specification, has_proposal=progress.has_proposal)
        await self._book.start(attempts, [*skipped, *starts])
        progress.skipped_expanding()

    async def _review(self) -> None:
        """Asks all personas that are missing at once; each result is recorded as it comes."""
        progress = self._progress
        to_ask = progress.to_ask
        await self._start([review_step(each) for each in to_ask])
        task = await self._steps.prepared(progress.run_id, progress.specification, progress.take_proposal())
        await _all(self._review_one(task, each) for each in to_ask)

    async def _review_one(self, task: ReviewTask, persona_id: str) -> None:
        step = review_step(persona_id)
        with observed_step(task.run_id, step) as observed:
            outcome = await self._steps.reviewer.review(
                task, persona_id, self._progress.budget(step), self._book
            )
            observed.ended(outcome)
            if not isinstance(outcome, GaveUp):
                explains = self._steps.explains_in_traces
                tell_review(observed.span, outcome.result, self._progress.specification, explains=explains)
        if isinstance(outcome, GaveUp):
            await self._record_gave_up(step, outcome)
            self._progress.failures[persona_id] = outcome.failure
            return
        count = outcome.attempt.attempt_number
        await self._book.record([outcome.attempt], items.review_ready(outcome.result, count))
        _log.info("step_completed", step=step, attempts=count)
        self._progress.reviews[persona_id] = outcome.result

    async def _start(self, steps: Sequence[str]) -> None:
        """Records the start of the steps that are not begun, with their first attempts."""
        attempts, starts = await self._starts(steps, self._progress.proposal)
        await self._book.start(attempts, starts)

    async def _starts(
        self, steps: Sequence[str], proposal: proposal_pb2.Proposal | None
    ) -> tuple[list[attempt_pb2.Attempt], list[RecordItem]]:
        """What to record before the steps' first calls; nothing for what is recorded already.

        A step with attempts of an earlier worker goes on with the next one, which its runner records.
        """
        progress = self._progress
        attempts = self._book.first_attempts(step for step in steps if not progress.has_history(step))
        await self._steps.set_most_costs(progress.run_id, progress.specification, attempts, proposal)
        starts = [items.step_started(step) for step in steps if step not in progress.begun]
        progress.begun += (start.step_started.step for start in starts)
        return attempts, starts

    async def _record_gave_up(self, step: str, outcome: GaveUp) -> None:
        attempts = [] if outcome.attempt is None else [outcome.attempt]
        await self._book.record(attempts, items.gave_up(step, outcome))
        reason = reason_name(outcome.failure.reason)
        _log.warning("step_failed", step=step, attempts=outcome.attempt_count, reason=reason)

    def _cut_short(self, reason: Reason, message: str) -> list[RecordItem]:
        """Ends the run at its first step that is not done."""
        progress = self._progress
        undone = [review_step(each) for each in progress.persona_ids if each not in progress.reviews]
        failed = (undone or [AGGREGATE])[0] if progress.is_expanded else EXPAND
        finished = [each for each in progress.persona_ids if each in progress.reviews]
        return items.cut_short(reason, message, failed, finished)


def _diff_from_parent(
    specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal
) -> proposal_pb2.ProposalDiff | None:
    if not specification.revision.HasField("parent_proposal"):
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
