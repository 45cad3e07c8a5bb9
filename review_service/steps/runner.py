"""Runs a step: one recorded call after the other, until a good answer comes or the step gives up."""

from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, stop_never

from consensus.v1 import attempt_pb2
from review_service.steps.course import AnotherCall, Course, Surroundings
from review_service.steps.known_routes import KnownRoutes, OneRoute
from review_service.steps.most_cost import set_most_of_all
from review_service.steps.room import Speeds
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


class StepRunner:
    """Runs steps against one model client; its gate holds back every step whose route is paused.

    One per process. `known` are the routes that `model` calls; without it there is the default one.
    """

    __slots__ = ("_around",)

    def __init__(
        self, model: Model, *, known: KnownRoutes | None = None, timing: Timing | None = None
    ) -> None:
        self._around = Surroundings(model, known or OneRoute(), timing or Timing(), RouteGate(), Speeds())

    @property
    def knows_prices(self) -> bool:
        """Whether any route has a price."""
        return any(route.is_priced for route in self._around.known.routes)

    def set_most_cost(self, attempt: attempt_pb2.Attempt, request: StepRequest[Any]) -> None:
        """Says of a step's first attempt what it can cost at most, whichever route it goes to."""
        texts = (request.instructions, *request.messages)
        set_most_of_all(attempt, self._around.known.routes, request.model, texts, request.output)

    async def run(
        self, request: StepRequest[T], budget: StepBudget, recorder: AttemptRecorder
    ) -> Succeeded[T] | GaveUp:
        """The step's result, or why there is none; never an exception for what the model does.

        What `recorder` raises passes through, and so does CancelledError, which closes the connection of a
        call in flight.
        """
        course = Course(request, budget, recorder, self._around)
        if course.is_exhausted:
            return course.exhausted()
        outcome = await course.call_once()
        return await self._repeated(course, outcome) if isinstance(outcome, AnotherCall) else outcome

    async def _repeated(self, course: Course[T], first: AnotherCall) -> Succeeded[T] | GaveUp:
        """What a step comes to whose first call failed; the others cost nothing of what retrying takes."""
        ended = [first]

        async def next_call() -> Succeeded[T] | GaveUp | AnotherCall:
            return ended.pop() if ended else await course.call_once()

        async def record(state: RetryCallState) -> None:
            await course.record_failure(_again(state))

        retrying = AsyncRetrying(
            sleep=self._around.timing.sleep,
            stop=stop_never,  # budget and deadline are part of the decision that `AnotherCall` carries
            wait=lambda state: _again(state).delay_seconds,
            retry=_is_followed,
            before_sleep=record,
        )
        try:
            end: Succeeded[T] | GaveUp = await retrying(next_call)
            return end
        finally:
            # What it was to do next leads back to itself, and to the run with all that it holds: without
            # this a finished run stayed in memory until the garbage collector came by.
            retrying.iter_state.reset()


def _is_followed(state: RetryCallState) -> bool:
    """Whether the call that just ended is followed by another."""
    outcome = state.outcome
    return outcome is not None and not outcome.failed and isinstance(outcome.result(), AnotherCall)


def _again(state: RetryCallState) -> AnotherCall:
    """What was decided when the call failed."""
    assert state.outcome is not None
    again: AnotherCall = state.outcome.result()
    return again
