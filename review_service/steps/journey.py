"""The routes that a step may ask, one after the other, and where it stands on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.v1 import attempt_pb2, errors_pb2
from consensus_contract.errors import reason_name
from consensus_rpc.telemetry.log import get_logger
from review_service.model.model_call import CallFailure
from review_service.model.routes import Resolved
from review_service.model.telemetry import count_fallback
from review_service.steps.known_routes import KnownRoutes
from review_service.steps.step import StepBudget, output_fault, was_truncated

_log = get_logger()

# Failures of a route that another try on it does not mend.
_FINAL = frozenset(
    {
        errors_pb2.ERROR_REASON_LLM_QUOTA_EXHAUSTED,
        errors_pb2.ERROR_REASON_LLM_AUTHENTICATION,
        errors_pb2.ERROR_REASON_LLM_CONTEXT_TOO_LONG,
        errors_pb2.ERROR_REASON_LLM_PROMPT_CUT,
    }
)
_OF_THE_ROUTE = _FINAL | {
    errors_pb2.ERROR_REASON_LLM_RATE_LIMITED,
    errors_pb2.ERROR_REASON_LLM_TIMEOUT,
    errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is spent on the route that a step asks now, and what was wrong with the answers there."""

    used: int = 0
    output_fault: str = ""
    is_truncated: bool = False


def is_of_the_route(failure: CallFailure) -> bool:
    """Whether another route may do better: an outage, a limit, a setting or an account, not the answer."""
    if failure.reason == errors_pb2.ERROR_REASON_LLM_CONTEXT_TOO_LONG:
        return True
    return not failure.is_local and (failure.is_setting or failure.reason in _OF_THE_ROUTE)


class Journey:
    """The route that a step was to ask, then its fallbacks; each has a budget of its own."""

    __slots__ = ("_is_cleared", "_known", "_left", "_position", "_stops")

    def __init__(self, known: KnownRoutes, name: str) -> None:
        """`name` is a model's, with or without its route."""
        asked = known.routes.resolve(name)
        self._known = known
        self._stops = (asked, *known.routes.fallbacks(asked)) if asked.route.fallbacks else (asked,)
        self._position = 0
        self._is_cleared = False
        self._left: tuple[str, ...] = ()

    @property
    def stop(self) -> Resolved:
        """The route and the model to ask now."""
        return self._stops[self._position]

    @property
    def has_next(self) -> bool:
        """Whether there is another route to fall back on."""
        return self._position + 1 < len(self._stops)

    def resume(self, budget: StepBudget, max_attempts: int) -> Standing:
        """Goes to where the recorded attempts ended, and on from there if nothing is left of that budget."""
        if len(self._stops) == 1 or not budget.counted:
            return Standing(budget.used, budget.output_fault, budget.is_truncated)
        last = max(budget.counted, key=lambda attempt: attempt.attempt_number)
        self._position = self._place(last)
        mine = [each for each in budget.counted if self._place(each) == self._position]
        is_final = last.state == attempt_pb2.ATTEMPT_STATE_FAILED and last.reason in _FINAL
        if self.has_next and (is_final or len(mine) >= max_attempts):
            self._position += 1
            return Standing()
        return Standing(len(mine), output_fault(mine), was_truncated(mine))

    def is_open(self) -> bool:
        """Whether the circuit of the route is open and there is another to ask; once before each call."""
        if not self.has_next:
            return False
        if not self._is_cleared:
            self._is_cleared = not self._known.is_open(self.stop.route.wire_id)
        return not self._is_cleared

    def departed(self) -> None:
        """Notes that a call is made: the circuit is looked at again before the next."""
        self._is_cleared = False

    def go_on(self, reason: errors_pb2.ErrorReason.ValueType | None) -> str:
        """Turns to the next route, whose id is returned; `reason` None: the circuit of this one is open."""
        left = self.stop
        self._position += 1
        self._is_cleared = False
        why = reason_name(reason) if reason is not None else "circuit open"
        self._left += (f"{left.route.id} ({why})",)
        count_fallback(left.route.id, self.stop.route.id)
        _log.warning("model_fallback", route=left.route.id, fallback_route=self.stop.route.id, why=why)
        return self.stop.route.id

    def history(self) -> str:
        """Which routes failed before this one, as a sentence; empty where none did."""
        if not self._left:
            return ""
        return f"This was the fallback route {self.stop.route.id}; asked before: {', '.join(self._left)}."

    def _place(self, attempt: attempt_pb2.Attempt) -> int:
        """At which stop an attempt was made; one of which only its beginning is known, at the first."""
        if attempt.attempt_number == 1 and attempt.state != attempt_pb2.ATTEMPT_STATE_FAILED:
            return 0
        return _position_of(self._stops, attempt.route)


def _position_of(stops: Sequence[Resolved], route_id: str) -> int:
    return next((place for place, stop in enumerate(stops) if stop.route.wire_id == route_id), 0)
