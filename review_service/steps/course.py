"""The course of one step: its calls so far, and what the next one takes from them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from consensus.v1 import attempt_pb2, errors_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import Reason, reason_name
from consensus_rpc.telemetry.log import get_logger
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall
from review_service.steps.attempts import (
    failed_attempt,
    failed_event,
    started_attempt,
    step_failure,
    succeeded_attempt,
)
from review_service.steps.outputs import OutputError
from review_service.steps.prompts import repair_message
from review_service.steps.retry import MIN_CALL_SECONDS, GiveUp, Retry, decide_retry, is_retryable
from review_service.steps.route_gate import RouteGate
from review_service.steps.step import (
    AttemptRecorder,
    GaveUp,
    Model,
    StepBudget,
    StepRequest,
    Succeeded,
)
from review_service.steps.timing import Timing

T = TypeVar("T")

_log = get_logger()

_NOT_RESUMABLE = frozenset(
    {errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED, errors_pb2.ERROR_REASON_LLM_REFUSED}
)
_ROUTE_CLOSED = CallFailure(
    CallReport(),
    errors_pb2.ERROR_REASON_LLM_RATE_LIMITED,
    "No call was made: the provider asked this process to wait beyond the run's deadline.",
)
_TOO_LATE = CallFailure(
    CallReport(),
    errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED,
    "No call was made: the run's deadline had passed.",
)
# A call that ends this close to the run's deadline was ended by it.
_DEADLINE_SLACK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class AnotherCall:
    """A failed attempt that another follows."""

    attempt: attempt_pb2.Attempt
    event: run_event_pb2.AttemptFailed
    delay_seconds: float


class Course(Generic[T]):
    """One step as this worker goes through it, from where the budget stands."""

    __slots__ = (
        "_deadline",
        "_fault",
        "_gate",
        "_is_truncated",
        "_model",
        "_number",
        "_recorder",
        "_request",
        "_timing",
        "_used",
    )

    def __init__(
        self,
        request: StepRequest[T],
        budget: StepBudget,
        recorder: AttemptRecorder,
        model: Model,
        timing: Timing,
        gate: RouteGate,
    ) -> None:
        self._request = request
        self._recorder = recorder
        self._model = model
        self._timing = timing
        self._gate = gate
        self._deadline = budget.deadline
        self._used = budget.used
        self._number = budget.next_number
        self._fault = budget.output_fault
        self._is_truncated = budget.is_truncated

    async def call_once(self) -> Succeeded[T] | GaveUp | AnotherCall:
        """Makes the next call: recorded before its bytes leave."""
        if not await self._route_opens():
            return self._never_called(self._attempt())
        if not self._recorder.is_started(self._request.step):
            await self._recorder.attempt_started(self._attempt())
        seconds_left = self._deadline - self._timing.clock()
        timeout = min(self._request.policy.attempt_timeout_seconds, seconds_left)
        # Nothing is held meanwhile that can be made again: an answer may take minutes.
        answer = (
            await self._model.call(self._model_call(seconds_left), timeout) if seconds_left > 0 else _TOO_LATE
        )
        attempt = self._attempt()
        self._number += 1
        self._used += 0 if isinstance(answer, CallFailure) and answer.is_local else 1
        if isinstance(answer, ModelAnswer):
            outcome = self._read(attempt, answer)
            return self._after(attempt, outcome) if isinstance(outcome, CallFailure) else outcome
        return self._after(attempt, self._with_cause(answer))

    async def record_failure(self, again: AnotherCall) -> None:
        """Writes down a failed attempt before the wait for the next."""
        await self._recorder.attempt_failed(again.attempt, again.event)

    def _attempt(self) -> attempt_pb2.Attempt:
        request = self._request
        return started_attempt(
            request.step,
            self._number,
            request.model,
            request.temperature,
            self._max_output_tokens,
            is_repair=bool(self._fault),
        )

    @property
    def _max_output_tokens(self) -> int:
        return self._request.policy.max_output_tokens * (2 if self._is_truncated else 1)

    async def _route_opens(self) -> bool:
        """Waits until the route is open; False if it stays closed for too long for this run."""
        while True:
            now = self._timing.clock()
            pause = self._gate.seconds_until_open(self._request.model, now)
            if pause <= 0:
                return True
            if now + pause + MIN_CALL_SECONDS > self._deadline:
                return False
            await self._timing.sleep(pause)

    def _never_called(self, attempt: attempt_pb2.Attempt) -> GaveUp:
        """What becomes of a step whose route stays closed."""
        if self._recorder.is_started(attempt.step):
            return self._give_up(failed_attempt(attempt, _ROUTE_CLOSED), _ROUTE_CLOSED, GiveUp.NOT_RETRYABLE)
        failure = run_pb2.StepFailure(reason=_ROUTE_CLOSED.reason, message=_ROUTE_CLOSED.message)
        return GaveUp(failure, None, None, attempt.attempt_number - 1, resumable=True)

    def _with_cause(self, failure: CallFailure) -> CallFailure:
        """A call is ended by the attempt's time or the run's deadline: which it was."""
        is_timeout = failure.reason == errors_pb2.ERROR_REASON_LLM_TIMEOUT
        if is_timeout and self._timing.clock() + _DEADLINE_SLACK_SECONDS >= self._deadline:
            return CallFailure(failure.report, _TOO_LATE.reason, "The run's deadline passed during the call.")
        return failure

    def _model_call(self, seconds_left: float) -> ModelCall:
        request = self._request
        repair = (repair_message(self._fault),) if self._fault else ()
        return ModelCall(
            run_id=request.run_id,
            step=request.step,
            persona_id=request.persona_id,
            attempt_number=self._number,
            model=request.model,
            temperature=request.temperature,
            max_output_tokens=self._max_output_tokens,
            output=request.output,
            instructions=request.instructions,
            messages=request.messages + repair,
            seconds_left=seconds_left,
        )

    def _read(self, attempt: attempt_pb2.Attempt, answer: ModelAnswer) -> Succeeded[T] | CallFailure:
        """The result in the model's text, or what is wrong with it."""
        succeeded = succeeded_attempt(attempt, answer.report)
        try:
            return Succeeded(self._request.read(answer.text, succeeded), succeeded)
        except OutputError as fault:
            return CallFailure(
                answer.report,
                errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
                str(fault),
                raw_output=answer.text,
                violations=fault.violations,
            )

    def _after(self, started: attempt_pb2.Attempt, failure: CallFailure) -> GaveUp | AnotherCall:
        """What follows a failed call."""
        attempt = failed_attempt(started, failure)
        decision = self._decide(failure)
        self._remember(failure)
        if isinstance(decision, GiveUp):
            return self._give_up(attempt, failure, decision)
        self._log_failure(attempt, decision.delay_seconds)
        event = failed_event(attempt, self._request.persona_id, decision.delay_seconds)
        return AnotherCall(attempt, event, decision.delay_seconds)

    def _decide(self, failure: CallFailure) -> Retry | GiveUp:
        """Whether and when another call follows; closes the route where the provider asked for it."""
        now = self._timing.clock()
        if failure.retry_after_seconds is not None and is_retryable(failure.reason):
            self._gate.pause(self._request.model, failure.retry_after_seconds, now)
        return decide_retry(
            self._request.policy,
            failure.reason,
            used=self._used,
            is_repeated=self._is_repeated(failure.reason),
            is_relearnt=failure.relearn,
            retry_after_seconds=failure.retry_after_seconds,
            seconds_left=self._deadline - now,
            chance=self._timing.chance(),
        )

    def _is_repeated(self, reason: Reason) -> bool:
        """Whether the answer had this fault before."""
        if reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT:
            return bool(self._fault)
        return reason == errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT and self._is_truncated

    def _remember(self, failure: CallFailure) -> None:
        """Keeps what the next call must do otherwise."""
        if failure.reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT:
            self._fault = failure.message
        elif failure.reason == errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT:
            self._is_truncated = True

    def _give_up(self, attempt: attempt_pb2.Attempt, failure: CallFailure, why: GiveUp) -> GaveUp:
        """The end of a step whose last call failed."""
        self._log_failure(attempt, None)
        message = f"{failure.message} {why.value}".rstrip()
        return GaveUp(
            step_failure(failure, message),
            attempt,
            failed_event(attempt, self._request.persona_id, None),
            attempt.attempt_number,
            resumable=failure.is_setting or failure.relearn or failure.reason not in _NOT_RESUMABLE,
        )

    def _log_failure(self, attempt: attempt_pb2.Attempt, delay_seconds: float | None) -> None:
        _log.info(
            "attempt_failed",
            run_id=self._request.run_id,
            step=attempt.step,
            attempt_number=attempt.attempt_number,
            reason=reason_name(attempt.reason),
            http_status=attempt.http_status,
            provider_request_id=attempt.provider_request_id,
            retry_delay_seconds=delay_seconds,
        )
