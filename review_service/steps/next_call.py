"""The call that a step makes next: what is asked, in which room, and what the answer before lacked."""

from typing import Generic, TypeVar

from consensus.v1 import attempt_pb2, errors_pb2
from review_service.model.model_call import CallFailure, ModelCall
from review_service.steps.attempts import started_attempt
from review_service.steps.journey import Journey, Standing
from review_service.steps.known_routes import KnownRoutes
from review_service.steps.most_cost import set_most_cost
from review_service.steps.prompts import repair_message
from review_service.steps.room import Room, room_for
from review_service.steps.step import StepRequest

T = TypeVar("T")


class NextCall(Generic[T]):
    """Made of the step's request and of what became of the calls on this route so far.

    `number` counts the step's calls on all routes; `is_repair`: the answer before it had a fault.
    """

    __slots__ = ("_fault", "_is_truncated", "_journey", "_known", "_request", "number")

    def __init__(
        self,
        request: StepRequest[T],
        journey: Journey,
        known: KnownRoutes,
        number: int,
        standing: Standing,
    ) -> None:
        self._request = request
        self._journey = journey
        self._known = known
        self.number = number
        self.stand_at(standing)

    @property
    def is_repair(self) -> bool:
        """Whether the model is told what was wrong with its answer."""
        return bool(self._fault)

    def stand_at(self, standing: Standing) -> None:
        """Goes on from what the calls on a route came to, or anew on the next one."""
        self._fault, self._is_truncated = standing.output_fault, standing.is_truncated

    def note(self, failure: CallFailure) -> None:
        """Keeps what must be done otherwise."""
        if failure.reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT:
            self._fault = failure.message
        elif failure.reason == errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT:
            self._is_truncated = True

    def would_repeat(self, failure: CallFailure) -> bool:
        """Whether the answer had this fault before, or the next could not be longer than it was."""
        if failure.reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT:
            return self.is_repair
        if failure.reason != errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT:
            return False
        return self._is_truncated or not self.can_be_longer(self.room().max_output_tokens)

    def can_be_longer(self, cap: int) -> bool:
        """Whether the route takes a cap above this one."""
        return self._room_of(2).max_output_tokens > cap

    def room(self) -> Room:
        """What it may take on the route; after an answer that was cut off, twice the cap."""
        return self._room_of(2 if self._is_truncated else 1)

    def texts(self) -> tuple[str, ...]:
        """All that the model is shown, a repair's message included."""
        return (self._request.instructions, *self._messages())

    def attempt(self) -> attempt_pb2.Attempt:
        """The attempt as it begins."""
        request, room, stop = self._request, self.room(), self._journey.stop
        attempt = started_attempt(
            request.step,
            self.number,
            request.model,
            request.temperature,
            room.max_output_tokens,
            is_repair=self.is_repair,
            route=stop.route.wire_id,
            estimated_tokens=room.estimated_tokens,
        )
        set_most_cost(attempt, stop.route.price_of(stop.model), self.texts(), request.output)
        return attempt

    def model_call(self, seconds_left: float, room: Room) -> ModelCall:
        """As the model client takes it."""
        request, (route, model) = self._request, self._journey.stop
        return ModelCall(
            run_id=request.run_id,
            step=request.step,
            persona_id=request.persona_id,
            attempt_number=self.number,
            model=model,
            temperature=request.temperature,
            max_output_tokens=room.max_output_tokens,
            output=request.output,
            instructions=request.instructions,
            messages=self._messages(),
            route=route.wire_id,
            seconds_left=seconds_left,
        )

    def _messages(self) -> tuple[str, ...]:
        return self._request.messages + ((repair_message(self._fault),) if self._fault else ())

    def _room_of(self, times: int) -> Room:
        route, model = self._journey.stop
        most = self._known.manner(route.wire_id, model).max_output_tokens
        cap = self._request.policy.max_output_tokens * times
        return room_for(cap, most, route.context_window, self.texts())
