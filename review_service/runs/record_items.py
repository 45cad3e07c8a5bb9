"""What is recorded at each turn of a run, as the items of the contract; pure."""

from collections.abc import Mapping, Sequence

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, proposal_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import Reason
from consensus_contract.steps import AGGREGATE, EXPAND, review_step
from review_service.record.events import RecordItem
from review_service.steps.step import Expanded, GaveUp

DEADLINE = errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED


def step_started(step: str) -> RecordItem:
    return RecordItem(step_started=run_event_pb2.StepStarted(step=step))


def step_completed(step: str, attempt_count: int = 0) -> RecordItem:
    """The step's result stands in the same record."""
    return RecordItem(step_completed=run_event_pb2.StepCompleted(step=step, attempt_count=attempt_count))


def expand_skipped(proposal: proposal_pb2.Proposal | None) -> list[RecordItem]:
    """Nothing is expanded; `proposal` is one that the caller wrote, which is recorded as it came."""
    skipped = RecordItem(step_skipped=run_event_pb2.StepSkipped(step=EXPAND))
    if proposal is None:
        return [skipped]
    return [skipped, RecordItem(proposal_ready=run_event_pb2.ProposalReady(proposal=proposal))]


def proposal_ready(
    expanded: Expanded, attempt_count: int, diff: proposal_pb2.ProposalDiff | None = None
) -> list[RecordItem]:
    """The idea was expanded, or a proposal revised: then `diff` says how."""
    ready = run_event_pb2.ProposalReady(
        proposal=expanded.proposal, proposal_diff=diff, suspicions=expanded.suspicions
    )
    return [RecordItem(proposal_ready=ready), step_completed(EXPAND, attempt_count)]


def review_ready(review: panel_pb2.PersonaReview, attempt_count: int) -> list[RecordItem]:
    """A persona answered, and its step is done."""
    ready = RecordItem(persona_review_ready=run_event_pb2.PersonaReviewReady(persona_review=review))
    return [ready, step_completed(review_step(review.persona_id), attempt_count)]


def gave_up(step: str, outcome: GaveUp) -> list[RecordItem]:
    """A step gave up: its last failed attempt, if it made one, and the failure."""
    failed = run_event_pb2.StepFailed(step=step, attempt_count=outcome.attempt_count, failure=outcome.failure)
    last = [] if outcome.event is None else [RecordItem(attempt_failed=outcome.event)]
    return [*last, RecordItem(step_failed=failed)]


def decided(decision: decision_pb2.Decision) -> list[RecordItem]:
    """The decision, and with it the end of the run."""
    return [
        step_started(AGGREGATE),
        RecordItem(decision_ready=run_event_pb2.DecisionReady(decision=decision)),
        step_completed(AGGREGATE),
        RecordItem(run_completed=run_event_pb2.RunCompleted()),
    ]


def expand_failed(outcome: GaveUp) -> list[RecordItem]:
    """The run ends because the idea could not be expanded: with the cause of that."""
    failure = run_pb2.RunFailure(
        reason=outcome.failure.reason,
        message=outcome.failure.message,
        failed_step=EXPAND,
        resumable=outcome.resumable,
        output_violations=outcome.failure.output_violations,
        cause=outcome.failure.cause,
        provider_code=outcome.failure.provider_code,
        provider_param=outcome.failure.provider_param,
    )
    return [_run_failed(failure)]


def quorum_missed(
    persona_ids: Sequence[str], finished: Sequence[str], failures: Mapping[str, run_pb2.StepFailure]
) -> list[RecordItem]:
    """The run ends because too few personas answered, be it that its deadline passed meanwhile."""
    gave_up_ids = [each for each in persona_ids if each in failures]
    is_late = any(failure.reason == DEADLINE for failure in failures.values())
    failure = run_pb2.RunFailure(
        reason=DEADLINE if is_late else errors_pb2.ERROR_REASON_QUORUM_NOT_MET,
        message=(
            "the run's deadline passed"
            if is_late
            else f"{len(finished)} of {len(persona_ids)} personas answered, fewer than the quorum asks for"
        ),
        failed_step=review_step(gave_up_ids[0]),
        resumable=True,
        finished_personas=[each for each in persona_ids if each in finished],
        persona_failures=[
            run_pb2.PersonaFailure(persona_id=each, reason=failures[each].reason, cause=failures[each].cause)
            for each in gave_up_ids
        ],
    )
    skipped = RecordItem(step_skipped=run_event_pb2.StepSkipped(step=AGGREGATE))
    return [skipped, _run_failed(failure)]


def cut_short(reason: Reason, message: str, failed_step: str, finished: Sequence[str]) -> list[RecordItem]:
    """The run ends in the middle of a step: its deadline passed, or something unexpected happened."""
    failure = run_pb2.RunFailure(
        reason=reason, message=message, failed_step=failed_step, resumable=True, finished_personas=finished
    )
    return [_run_failed(failure)]


def _run_failed(failure: run_pb2.RunFailure) -> RecordItem:
    return RecordItem(run_failed=run_event_pb2.RunFailed(failure=failure))
