"""The client of models: one way for each route, over connections that all share.

The request is made by the `openai` package as bytes, and is sent, and its answer read, outside of it: that
keeps its authentication and headers, spares its transformation of parameters and its response objects, and
is the only way to bound what an answer takes, and to keep usage, status and headers of an incomplete one.
Whatever comes is a value. No exception of a library leaves this room, since those hold requests.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from consensus.v1 import errors_pb2
from consensus_rpc.telemetry.log import get_logger
from review_service.model.event_stream import is_stream
from review_service.model.http import BodyCaps, Kept, Received, SingleExchange
from review_service.model.manner import Manner
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall
from review_service.model.outcome import call_report, read_outcome, timed_out, unreachable, with_partial
from review_service.model.routes import DEFAULT_ROUTE, Protocol, Route, Routes
from review_service.model.start_limiter import StartLimiter
from review_service.model.telemetry import Observation
from review_service.model.unanswered import Unanswered
from review_service.model.way import Way, no_key

_log = get_logger()

# Calls that begin, and answers that are taken up: about 5 ms of work. A refusal takes some six turns.
_CALLS_PER_TURN = 4

# How long a call waits before it asks again for what this machine is short of; doubled up to the last.
_FIRST_SHORTAGE_SECONDS = 0.1
_LAST_SHORTAGE_SECONDS = 2.0
_SHORTAGE_LOG_SECONDS = 10.0
_LONG_STREAM_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Where the models are, how many calls to them may be open, and how long an answer may be.

    `api_key` and `base_url` (None: the provider's own) make the one route, unless `routes` are given.
    """

    api_key: str | None = None
    base_url: str | None = None
    max_calls_in_flight: int = 10_000
    max_answer_bytes: int = 4_194_304
    routes: Routes | None = None

    def all_routes(self) -> Routes:
        """The routes that are meant."""
        if self.routes is not None:
            return self.routes
        only = Route(DEFAULT_ROUTE, base_url=self.base_url, key=self.api_key, protocol=Protocol.RESPONSES)
        return Routes([only])


class ModelClient:
    """Calls models; on a route without a key, no call is ever made.

    One per process, made inside its event loop: it keeps the connections.
    """

    __slots__ = ("_exchange", "_shortage_logged", "_starts", "_ways", "routes")

    def __init__(self, options: ModelOptions) -> None:
        self.routes = options.all_routes()
        self._ways = {route.id: Way(route) for route in self.routes}
        self._ways[""] = self._ways[DEFAULT_ROUTE]
        self._exchange = SingleExchange(
            max_connections=options.max_calls_in_flight, caps=BodyCaps(answer=options.max_answer_bytes)
        )
        self._starts = StartLimiter(_CALLS_PER_TURN)
        self._shortage_logged = float("-inf")

    async def call(self, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        """Makes one attempt: the model's text, or why there is none.

        `timeout_seconds`, or the route's own, bounds all of it once its turn has come, however slowly bytes
        trickle in; `call.seconds_left` bounds its wait for that turn too. Cancelling closes the connection.
        While this machine is short of what a connection takes, the call waits.
        """
        if not call.route and ":" in call.model:
            call = self._resolved(call)
        way = self._ways.get(call.route)
        if way is None or way.client is None:
            return _impossible(call, way)
        left = timeout_seconds if call.seconds_left is None else call.seconds_left
        if way.route.attempt_timeout_seconds is not None:
            timeout_seconds = min(way.route.attempt_timeout_seconds, left)
        if way.limits is None:
            return await self._made(way, call, timeout_seconds)
        reserved, deadline = way.tokens(call), asyncio.get_running_loop().time() + left
        if not await way.limits.enter(call.run_id, reserved, left):
            return _no_turn(way, call)
        used: int | None = None
        try:
            timeout_seconds = min(timeout_seconds, deadline - asyncio.get_running_loop().time())
            outcome = await self._made(way, call, timeout_seconds)
            usage = outcome.report.usage
            used = usage.input_tokens + usage.output_tokens if usage is not None else None
            return outcome
        finally:
            way.limits.leave(reserved, used)

    def _resolved(self, call: ModelCall) -> ModelCall:
        """The call with the route that its model's name says."""
        route, model = self.routes.resolve(call.model)
        return replace(call, route=route.wire_id, model=model)

    def is_open(self, route_id: str) -> bool:
        """Whether the circuit of a route is open, so that a fallback should be asked instead.

        After its pause one caller is told False: its call is the trial that closes the circuit or not.
        """
        return self.way(route_id).is_open()

    def note_schema_ignored(self, route_id: str, model: str) -> bool:
        """Tells that a model was sent a schema and answered without keeping to it: no JSON at all, say.

        True: from now on the prompt carries the schema, so that another call is worth making.
        """
        return self.way(route_id).note_schema_ignored(model)

    def manner(self, route_id: str, model: str) -> Manner:
        """How a model on a route is asked, by what is known now."""
        return self.way(route_id).manner(model)

    def way(self, route_id: str) -> Way:
        """A route as it is known by now; empty: the default one. Raises KeyError: there is none."""
        return self._ways[route_id]

    def ways(self) -> Iterable[Way]:
        """All routes as they are known by now, the default one first."""
        return [self._ways[route.id] for route in self.routes]

    def is_answering(self) -> bool:
        """Whether the default route answers, or one of those that are asked in its place."""
        default = self._ways[DEFAULT_ROUTE]
        return any(self._ways[each].is_answering for each in (DEFAULT_ROUTE, *default.route.fallbacks))

    async def aclose(self) -> None:
        """Closes all connections."""
        for way in self.ways():
            if way.client is not None:
                await way.client.close()
        await self._exchange.aclose()

    async def _made(self, way: Way, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        """The call, once the route has room for it."""
        await self._starts.turn()
        manner = way.manner(call.model)
        kept = Kept() if way.route.is_slow else None
        with Observation(call, way.server) as observation:
            answer: Received | Unanswered | None = None
            try:
                async with asyncio.timeout(timeout_seconds) as limit:
                    answer = await self._exchange.send(
                        await way.request(manner, call, observation), way.connecting, kept
                    )
                    if isinstance(answer, Unanswered) and answer.is_local:
                        shortage, answer = answer, None
                        sending = _Sending(way, manner, call, observation, kept)
                        answer = await self._sent_later(sending, shortage, limit.when() or 0.0)
            except TimeoutError:
                pass  # there is no answer
            if isinstance(answer, Received):
                await self._starts.turn()
            if kept is not None or _is_long_stream(answer):
                outcome = await asyncio.to_thread(_outcome, answer, way, manner, observation, kept)
            else:
                outcome = _outcome(answer, way, manner, observation, kept)
            observation.outcome = way.learn(call, manner, outcome)
            return observation.outcome

    async def _sent_later(
        self, sending: "_Sending", shortage: Unanswered, deadline: float
    ) -> Received | Unanswered:
        """Sends a call once others have given back what is short, or returns the shortage in time."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_SHORTAGE_SECONDS
        while loop.time() + pause < deadline:
            self._log_shortage(shortage, loop.time())
            await asyncio.sleep(pause * random.uniform(0.75, 1.0))  # noqa: S311 - spreads calls, no secret
            pause = min(2 * pause, _LAST_SHORTAGE_SECONDS)
            sending.observation.begin_again()
            request = await sending.way.request(sending.manner, sending.call, sending.observation)
            answer = await self._exchange.send(request, sending.way.connecting, sending.kept)
            if isinstance(answer, Received) or not answer.is_local:
                return answer
        return shortage

    def _log_shortage(self, shortage: Unanswered, now: float) -> None:
        """Says so now and then, not once per call."""
        if now - self._shortage_logged >= _SHORTAGE_LOG_SECONDS:
            self._shortage_logged = now
            _log.warning("local_shortage", detail=shortage.detail)


@dataclass(frozen=True, slots=True)
class _Sending:
    """A call on its way, as it is sent again."""

    way: Way
    manner: Manner
    call: ModelCall
    observation: Observation
    kept: Kept | None


def _outcome(
    answer: Received | Unanswered | None,
    way: Way,
    manner: Manner,
    observation: Observation,
    kept: Kept | None,
) -> ModelAnswer | CallFailure:
    """What came of it, without secrets, should the provider have repeated them."""
    if isinstance(answer, Received):
        return read_outcome(answer, way.route, manner, observation, way.secrets)
    report = call_report(way.route, manner, observation.seconds())
    failure = timed_out(observation, report) if answer is None else unreachable(answer, report)
    return failure if kept is None else with_partial(failure, kept, manner, way.secrets)


def _is_long_stream(answer: Received | Unanswered | None) -> bool:
    """Whether it is of so many events that reading them would hold up everything else."""
    return (
        isinstance(answer, Received)
        and len(answer.body) > _LONG_STREAM_BYTES
        and is_stream(answer.body, answer.headers.get("content-type", ""))
    )


def _impossible(call: ModelCall, way: Way | None) -> CallFailure:
    """Why there is nobody to call."""
    if way is None:
        return CallFailure(
            CallReport(route=call.route),
            errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
            f"No call was made: the service has no route {call.route} (MODEL_ROUTES).",
            cause="unknown_route",
            is_setting=True,
        )
    return CallFailure(
        CallReport(route=way.route.wire_id),
        errors_pb2.ERROR_REASON_LLM_AUTHENTICATION,
        no_key(way.route),
        cause="no_key",
        is_setting=True,
    )


def _no_turn(way: Way, call: ModelCall) -> CallFailure:
    """The route's own limits left no room in time."""
    return CallFailure(
        call_report(way.route, way.manner(call.model), None),
        errors_pb2.ERROR_REASON_LLM_RATE_LIMITED,
        "No call was made: the limits of the route left no room for it in time.",
        cause="route_busy",
        is_local=True,
    )
