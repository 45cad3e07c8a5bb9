"""The course of one step: its calls so far, and what the next one takes from them."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from consensus.v1 import attempt_pb2, errors_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import Reason, reason_name
from consensus_rpc.telemetry.log import get_logger
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.steps.attempts import failed_attempt, failed_event, step_failure, succeeded_attempt
from review_service.steps.journey import Journey, Standing, is_of_the_route
from review_service.steps.known_routes import KnownRoutes
from review_service.steps.mending import COMMENTARY, json_within
from review_service.steps.next_call import NextCall
from review_service.steps.outputs import OutputError
from review_service.steps.retry import MIN_CALL_SECONDS, GiveUp, Retry, decide_retry, is_retryable
from review_service.steps.room import Speeds, prompt_cut
from review_service.steps.route_gate import RouteGate
from review_service.steps.step import (
    AttemptRecorder,
    AttemptRefused,
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
_NO_JSON = "no_json"
# A call that ends this close to the run's deadline was ended by it.
_DEADLINE_SLACK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all steps of a process share."""

    model: Model
    known: KnownRoutes
    timing: Timing
    gate: RouteGate
    speeds: Speeds


@dataclass(frozen=True, slots=True)
class AnotherCall:
    """A failed attempt that another follows."""

    attempt: attempt_pb2.Attempt
    event: run_event_pb2.AttemptFailed
    delay_seconds: float


class Course(Generic[T]):
    """One step as this worker goes through it, from where the budget stands."""

    __slots__ = ("_around", "_deadline", "_journey", "_limit", "_next", "_recorder", "_request", "_used")

    def __init__(
        self,
        request: StepRequest[T],
        budget: StepBudget,
        recorder: AttemptRecorder,
        around: Surroundings,
    ) -> None:
        self._request = request
        self._recorder = recorder
        self._around = around
        self._deadline = budget.deadline
        self._limit = _own_deadline(request, around.timing.clock(), budget.deadline)
        self._journey = Journey(around.known, request.model)
        standing = self._journey.resume(budget, request.policy.max_attempts)
        self._used = standing.used
        self._next = NextCall(request, self._journey, around.known, budget.next_number, standing)

    @property
    def is_exhausted(self) -> bool:
        """Whether earlier workers used up the budget."""
        return self._used >= self._request.policy.max_attempts

    def exhausted(self) -> GaveUp:
        """The end of such a step."""
        failure = run_pb2.StepFailure(
            reason=errors_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED,
            message=f"All {self._used} attempts that the budget allows were used.",
        )
        return GaveUp(failure, None, None, self._next.number - 1, resumable=True)

    async def call_once(self) -> Succeeded[T] | GaveUp | AnotherCall:
        """Makes the next call: recorded before its bytes leave."""
        while self._journey.is_open():
            self._go_on(None)
        while not await self._route_opens():
            if not self._journey.has_next:
                return self._never_called(self._next.attempt())
            self._go_on(_ROUTE_CLOSED.reason)
        self._journey.departed()
        try:
            if not self._recorder.is_started(self._request.step):
                await self._recorder.attempt_started(self._next.attempt())
        except AttemptRefused as refusal:
            attempt = self._next.attempt()
            self._next.number += 1
            return self._after(attempt, _refused(refusal))
        answer = await self._answer()
        attempt = self._next.attempt()
        self._next.number += 1
        self._used += 0 if isinstance(answer, CallFailure) and answer.is_local else 1
        answer = prompt_cut(self._next.texts(), answer) or answer
        if isinstance(answer, ModelAnswer):
            self._around.speeds.note(self._journey.stop, answer.report)
            outcome = self._read(attempt, answer)
            return self._after(attempt, outcome) if isinstance(outcome, CallFailure) else outcome
        return self._after(attempt, self._with_cause(answer))

    async def record_failure(self, again: AnotherCall) -> None:
        """Writes down a failed attempt before the wait for the next."""
        await self._recorder.attempt_failed(again.attempt, again.event)

    async def _answer(self) -> ModelAnswer | CallFailure:
        """What became of the call; nothing is held meanwhile that can be made again: it may take minutes."""
        seconds_left = self._limit - self._around.timing.clock()
        if seconds_left <= 0:
            return _TOO_LATE
        room = self._next.room()
        if (too_long := room.too_long(self._journey.stop.route.id)) is not None:
            return too_long
        timeout = min(self._request.policy.attempt_timeout_seconds, seconds_left)
        return await self._around.model.call(self._next.model_call(seconds_left, room), timeout)

    def _go_on(self, reason: Reason | None) -> str:
        """Turns to the next route, with a budget of its own; its id."""
        self._used = 0
        self._next.stand_at(Standing())
        return self._journey.go_on(reason)

    async def _route_opens(self) -> bool:
        """Waits until the route is open; False if it stays closed for too long for this run."""
        timing = self._around.timing
        while True:
            now = timing.clock()
            pause = self._around.gate.seconds_until_open(self._journey.stop.name, now)
            if pause <= 0:
                return True
            if now + pause + MIN_CALL_SECONDS > self._limit:
                return False
            await timing.sleep(pause)

    def _never_called(self, attempt: attempt_pb2.Attempt) -> GaveUp:
        """What becomes of a step whose route stays closed."""
        if self._recorder.is_started(attempt.step):
            return self._give_up(failed_attempt(attempt, _ROUTE_CLOSED), _ROUTE_CLOSED, GiveUp.NOT_RETRYABLE)
        message = f"{_ROUTE_CLOSED.message} {self._journey.history()}".rstrip()
        failure = run_pb2.StepFailure(reason=_ROUTE_CLOSED.reason, message=message)
        return GaveUp(failure, None, None, attempt.attempt_number - 1, resumable=True)

    def _with_cause(self, failure: CallFailure) -> CallFailure:
        """A call is ended by the attempt's time, the step's, or the run's deadline: which it was."""
        if failure.reason not in (errors_pb2.ERROR_REASON_LLM_TIMEOUT, _TOO_LATE.reason):
            return failure
        if self._around.timing.clock() + _DEADLINE_SLACK_SECONDS < self._limit:
            return self._with_shortfall(failure)
        if self._limit < self._deadline:
            message = f"The persona's own time limit of {self._request.time_limit_seconds:g} s passed."
            reason = errors_pb2.ERROR_REASON_LLM_TIMEOUT
            return replace(failure, reason=reason, message=message, cause="time_limit")
        if failure is _TOO_LATE:
            return failure
        return CallFailure(
            failure.report,
            _TOO_LATE.reason,
            "The run's deadline passed during the call.",
            raw_output=failure.raw_output,
        )

    def _with_shortfall(self, failure: CallFailure) -> CallFailure:
        """The failure, saying so where the attempt's time cannot carry the cap at the model's speed."""
        stop, seconds = self._journey.stop, self._request.policy.attempt_timeout_seconds
        if stop.route.attempt_timeout_seconds is not None:
            seconds = stop.route.attempt_timeout_seconds
        more = self._around.speeds.shortfall(stop, self._next.room().max_output_tokens, seconds)
        return replace(failure, message=f"{failure.message} {more}") if more else failure

    def _read(self, attempt: attempt_pb2.Attempt, answer: ModelAnswer) -> Succeeded[T] | CallFailure:
        """The result in the model's text, or what is wrong with it."""
        succeeded = succeeded_attempt(attempt, answer.report)
        try:
            return Succeeded(self._request.read(answer.text, succeeded), succeeded)
        except OutputError as strict:
            fault = strict
            self._learn_from(strict)
        found = json_within(answer.text) if self._is_unenforced() else None
        if found is not None:
            succeeded = succeeded_attempt(attempt, answer.report)
            succeeded.mended.append(COMMENTARY)
            try:
                return Succeeded(self._request.read(found, succeeded), succeeded)
            except OutputError as within:
                fault = within
        return CallFailure(
            answer.report,
            errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
            str(fault),
            raw_output=answer.text,
            violations=fault.violations,
            cause="" if fault.is_json else _NO_JSON,
        )

    def _learn_from(self, fault: OutputError) -> None:
        """Tells of an answer that no server could give that enforces the schema."""
        route, model = self._journey.stop
        if not fault.is_json or fault.is_another_form:
            self._around.known.note_schema_ignored(route.wire_id, model)

    def _is_unenforced(self) -> bool:
        route, model = self._journey.stop
        return self._around.known.manner(route.wire_id, model).describes_schema

    def _after(self, started: attempt_pb2.Attempt, failure: CallFailure) -> GaveUp | AnotherCall:
        """What follows a failed call: another, one on the next route, or none."""
        attempt = failed_attempt(started, failure)
        decision = self._decide(failure)
        self._next.note(failure)
        delay, fallback = (None, "") if isinstance(decision, GiveUp) else (decision.delay_seconds, "")
        if self._leaves(failure, decision):
            delay, fallback = 0.0, self._go_on(failure.reason)
        elif isinstance(decision, GiveUp):
            return self._give_up(attempt, failure, decision)
        assert delay is not None
        self._log_failure(attempt, delay)
        event = failed_event(attempt, self._request.persona_id, delay, fallback)
        return AnotherCall(attempt, event, delay)

    def _leaves(self, failure: CallFailure, decision: Retry | GiveUp) -> bool:
        """Whether the next route is asked: this one has used up its attempts, or its circuit is open."""
        seconds_left = self._limit - self._around.timing.clock()
        if not self._journey.has_next or seconds_left < MIN_CALL_SECONDS or not is_of_the_route(failure):
            return False
        return isinstance(decision, GiveUp) or (not failure.relearn and self._journey.is_open())

    def _decide(self, failure: CallFailure) -> Retry | GiveUp:
        """Whether and when another call follows; closes the route where the provider asked for it."""
        timing = self._around.timing
        now = timing.clock()
        if failure.retry_after_seconds is not None and is_retryable(failure.reason):
            self._around.gate.pause(self._journey.stop.name, failure.retry_after_seconds, now)
        return decide_retry(
            self._request.policy,
            failure.reason,
            used=self._used,
            is_repeated=self._next.would_repeat(failure),
            is_relearnt=failure.relearn,
            retry_after_seconds=failure.retry_after_seconds,
            seconds_left=self._limit - now,
            chance=timing.chance(),
        )

    def _give_up(self, attempt: attempt_pb2.Attempt, failure: CallFailure, why: GiveUp) -> GaveUp:
        """The end of a step whose last call failed."""
        self._log_failure(attempt, None)
        parts = (failure.message, self._tried_before(attempt, failure), why.value, self._journey.history())
        return GaveUp(
            step_failure(failure, " ".join(filter(None, parts))),
            attempt,
            failed_event(attempt, self._request.persona_id, None),
            attempt.attempt_number,
            resumable=failure.is_setting or failure.relearn or failure.reason not in _NOT_RESUMABLE,
        )

    def _tried_before(self, attempt: attempt_pb2.Attempt, failure: CallFailure) -> str:
        """What had been changed for the last call, where that was its point."""
        if failure.reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT:
            hint = _not_enforced(self._journey.stop.route.id) if failure.cause == _NO_JSON else ""
            return f"{'This was the repair attempt. ' if attempt.repair else ''}{hint}".rstrip()
        if failure.reason != errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT:
            return ""
        usual = self._request.policy.max_output_tokens
        if attempt.max_output_tokens > usual:
            return f"The cap had been raised from {usual} to {attempt.max_output_tokens} tokens."
        if not self._next.can_be_longer(attempt.max_output_tokens):
            return f"The cap was {attempt.max_output_tokens} tokens, the most that the route takes here."
        return ""

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


def _own_deadline(request: StepRequest[T], now: float, deadline: float) -> float:
    """When the step must have ended: with its own time limit, or with the run."""
    limit = request.time_limit_seconds
    return deadline if limit is None else min(deadline, now + limit)


def _refused(refusal: AttemptRefused) -> CallFailure:
    """What becomes of a call that could cost more than a cap leaves: nothing left this machine."""
    refused = refusal.refused
    return CallFailure(
        CallReport(),
        errors_pb2.ERROR_REASON_SPEND_CAP_REACHED,
        refused.message,
        cause=refused.cap,
        is_local=True,
    )


def _not_enforced(route_id: str) -> str:
    """What an answer says that is no JSON at all."""
    return (
        'It is no JSON at all: the server may not enforce the schema. structured_output = "prompt" of the'
        f" route {route_id} in MODEL_ROUTES puts it into the prompt from the first call on."
    )
