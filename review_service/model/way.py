"""One route as a process has come to know it: its client, what it takes, its limits, whether it answers.

The only module that imports `openai`, whose own retries are off: each call here is one attempt.
"""

import functools
import time
from dataclasses import replace
from typing import Final, cast

import httpx2
import openai

from consensus.v1 import errors_pb2
from consensus_rpc.telemetry.log import get_logger
from review_service.model.circuit import Circuit
from review_service.model.http import SentOnce, UnsentRequests, connecting_within
from review_service.model.manner import (
    Manner,
    first_manner,
    is_unknown_path,
    lesson,
    without_enforcement,
)
from review_service.model.model_call import CallFailure, ModelAnswer, ModelCall
from review_service.model.request_body import output_cap, request_body
from review_service.model.route_address import endpoint_url, library_base, protocol_of, server_of
from review_service.model.route_limits import RouteLimits
from review_service.model.routes import DEFAULT_ROUTE, Protocol, Route
from review_service.model.telemetry import Observation, circuit_open

_log = get_logger()

# What the library tells of this machine and of its own retries: nobody here reads it, and its headers are a
# tenth of a call's cost.
_NO_TELEMETRY = {
    f"X-Stainless-{name}": openai.Omit()
    for name in ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
}
_OPTIONS: openai.RequestOptions = {
    "headers": {"x-stainless-retry-count": openai.Omit(), "x-stainless-read-timeout": openai.Omit()},
    # What the library would else make anew for each call.
    "security": {"bearer_auth": True},
    "params": {},
    "timeout": None,
    "max_retries": 0,
    "idempotency_key": "",
}
_NO_KEY_GIVEN = "none"

# Names of models come from callers: what is learnt of more than so many is forgotten.
_MAX_MODELS: Final = 500
# Shorter values, such as a project's number or the "x" that a server without keys is given, are no secrets,
# and stand in answers by chance.
_LEAST_SECRET_CHARACTERS = 8
_CHARACTERS_PER_TOKEN = 4

_OUTAGES = frozenset({errors_pb2.ERROR_REASON_LLM_UNAVAILABLE, errors_pb2.ERROR_REASON_LLM_TIMEOUT})
# Refusals of whoever asks, whatever is asked.
_SHUT = frozenset({errors_pb2.ERROR_REASON_LLM_AUTHENTICATION, errors_pb2.ERROR_REASON_LLM_QUOTA_EXHAUSTED})
# Outages of this side: they say nothing of the route.
_NOT_ITS_DOING = frozenset({"not_sent", "undecodable"})


class Way:
    """A route in use. `client` None: it has no key, and no call is made."""

    __slots__ = (
        "_answers",
        "_circuit",
        "_first",
        "_found",
        "_is_settled",
        "_manners",
        "_options",
        "_urls",
        "client",
        "connecting",
        "limits",
        "route",
        "secrets",
        "server",
    )

    def __init__(self, route: Route) -> None:
        self.route = route
        self.client = _open(route) if route.key or not route.needs_key else None
        self._options = _options(route)
        self.connecting = connecting_within(route.connect_timeout_seconds)
        self.limits = _limits_of(route)
        self.secrets = _secrets(route)
        self._answers = False
        self._circuit = Circuit()
        circuit_open.labels(route.id).set(0)
        self._found = _known_protocol(route)
        self._is_settled = self._found is not None
        self._first = first_manner(route, self._found or Protocol.RESPONSES)
        self._manners: dict[str, Manner] = {}
        # Whole, so that they need not be joined for each call.
        base = route.base_url or (str(self.client.base_url) if self.client else "")
        spoken: tuple[Protocol, ...] = (Protocol.RESPONSES, Protocol.CHAT_COMPLETIONS)
        self._urls = {each: endpoint_url(base, each) for each in spoken}
        self.server = server_of(base)

    @property
    def protocol(self) -> Protocol:
        """How it is spoken to; AUTO until that is known."""
        return self._found or Protocol.AUTO

    def manner(self, model: str) -> Manner:
        """How a model here is asked, by what is known now."""
        return self._manners.get(model) or self._first

    def dropped(self) -> tuple[str, ...]:
        """What any of its models was found not to take, by name."""
        return tuple(dict.fromkeys(name for each in self._manners.values() for name in each.dropped))

    async def request(self, manner: Manner, call: ModelCall, observation: Observation) -> httpx2.Request:
        """The request as the library makes it, with key and headers."""
        assert self.client is not None
        content = SentOnce(functools.partial(request_body, self.route, manner, call), observation.sending)
        url = self._urls[manner.protocol]
        draft = await self.client.post(url, cast_to=httpx2.Response, content=content, options=self._options)
        return draft.request

    def tokens(self, call: ModelCall) -> int:
        """About how many tokens a call takes, its answer included: what providers count against a limit."""
        characters = len(call.instructions) + sum(map(len, call.messages))
        return characters // _CHARACTERS_PER_TOKEN + output_cap(self.manner(call.model), call)

    def learn(
        self, call: ModelCall, manner: Manner, outcome: ModelAnswer | CallFailure
    ) -> ModelAnswer | CallFailure:
        """The outcome of a call made in this manner, marked where the next call is made in another one."""
        self._note(outcome)
        if isinstance(outcome, ModelAnswer):
            if not self._is_settled:
                self._found, self._is_settled = manner.protocol, True
            return outcome
        is_learnt = self._learn_protocol(manner, outcome) or self._learn_parameter(call, manner, outcome)
        return replace(outcome, relearn=True) if is_learnt else outcome

    def note_schema_ignored(self, model: str) -> bool:
        """The model was sent the schema and did not keep to it: from now on the prompt carries it as well.

        True: that is new, and the next call is asked otherwise.
        """
        manner = self.manner(model)
        if manner.describes_schema:
            return False
        self._keep(model, without_enforcement(manner))
        self._warn("schema_not_enforced", model, setting='structured_output = "prompt"')
        return True

    def is_open(self) -> bool:
        """Whether a call should rather go elsewhere; being told that it need not takes the trial call."""
        return self._circuit.is_open(time.monotonic())

    @property
    def is_tripped(self) -> bool:
        """Whether its calls kept failing, and none has been answered since."""
        return self._circuit.is_tripped

    @property
    def is_answering(self) -> bool:
        """Whether it has given an answer, and neither refused its key or account nor kept failing since."""
        return self._answers and not self.is_tripped

    def _note(self, outcome: ModelAnswer | CallFailure) -> None:
        """Keeps the circuit, and shows its changes."""
        was_tripped = self._circuit.is_tripped
        if isinstance(outcome, CallFailure) and (outcome.is_local or outcome.cause in _NOT_ITS_DOING):
            return
        if isinstance(outcome, CallFailure) and outcome.reason in _OUTAGES:
            self._circuit.note_failure(time.monotonic())
        else:
            self._circuit.note_answer()
            self._answers = isinstance(outcome, ModelAnswer) or (
                self._answers and outcome.reason not in _SHUT
            )
        if self._circuit.is_tripped != was_tripped:
            circuit_open.labels(self.route.id).set(self._circuit.is_tripped)
            _log.warning("route_circuit", route=self.route.id, open=self._circuit.is_tripped)

    def _learn_protocol(self, manner: Manner, failure: CallFailure) -> bool:
        """Turns to the other protocol where the server knows nothing of this one."""
        if self._is_settled or not is_unknown_path(failure):
            return False
        if manner.protocol == Protocol.CHAT_COMPLETIONS:
            self._speak(None)  # it knows neither: the address is wrong, or will be right later
            return False
        if self._found is None:
            self._speak(Protocol.CHAT_COMPLETIONS)
            self._warn("protocol_found", "", setting=f'protocol = "{self._found}"')
        return True

    def _speak(self, protocol: Protocol | None) -> None:
        """Turns to a protocol, of whose manners nothing is known yet."""
        self._found = protocol
        self._first = first_manner(self.route, protocol or Protocol.RESPONSES)
        self._manners.clear()

    def _learn_parameter(self, call: ModelCall, manner: Manner, failure: CallFailure) -> bool:
        """Leaves out, or exchanges, what a refusal names; another call may have learnt it meanwhile."""
        taught = lesson(manner, self.route, call, failure)
        if taught is None:
            return False
        if self.manner(call.model) == manner:
            self._keep(call.model, taught.manner)
            self._warn("parameter_not_taken", call.model, taught.parameter, setting=taught.setting)
        return True

    def _keep(self, model: str, manner: Manner) -> None:
        if len(self._manners) >= _MAX_MODELS:
            self._manners.clear()
        self._manners[model] = manner

    def _warn(self, event: str, model: str, parameter: str = "", *, setting: str) -> None:
        """Says once what was found, and what to write into MODEL_ROUTES to save the call."""
        _log.warning(
            event,
            route=self.route.id,
            model=model,
            parameter=parameter,
            setting=f"[routes.{self.route.id}] {setting}".rstrip(),
        )


def _known_protocol(route: Route) -> Protocol | None:
    """The protocol that needs no finding out."""
    if route.protocol != Protocol.AUTO:
        return route.protocol
    if route.base_url is None:
        return Protocol.RESPONSES
    said = protocol_of(route.base_url)
    return None if said == Protocol.AUTO else said


def _open(route: Route) -> openai.AsyncOpenAI:
    """The library's client, as far as it is needed: it makes requests."""
    headers: dict[str, str | openai.Omit] = {**_NO_TELEMETRY, **dict(route.headers)}
    if route.key is not None and not _is_bearer(route):
        headers[route.key_header] = route.key
    return openai.AsyncOpenAI(
        api_key=route.key or _NO_KEY_GIVEN,
        base_url=library_base(route.base_url),
        max_retries=0,
        default_headers=cast("dict[str, str]", headers),  # its types do not know that it takes Omit
        http_client=UnsentRequests(),
    )


def _options(route: Route) -> openai.RequestOptions:
    """The same for each call; without the library's own way to hand a key over where it is not wanted."""
    if _is_bearer(route) or any(name == "authorization" for name, _ in route.headers):
        return _OPTIONS
    return {**_OPTIONS, "headers": {**_OPTIONS["headers"], "Authorization": openai.Omit()}}


def _is_bearer(route: Route) -> bool:
    return route.key is not None and route.key_header.lower() == "authorization"


def _limits_of(route: Route) -> RouteLimits | None:
    limits = route.max_concurrency, route.requests_per_minute, route.tokens_per_minute
    return RouteLimits(*limits, clock=time.monotonic) if any(limits) else None


def _secrets(route: Route) -> tuple[str, ...]:
    """What an answer must not bring into a record, should the provider repeat it."""
    values = [route.key or "", *(value for _, value in route.headers)]
    return tuple(dict.fromkeys(value for value in values if len(value) >= _LEAST_SECRET_CHARACTERS))


def no_key(route: Route) -> str:
    """Why no call was made to a route without a key."""
    which = "OPENAI_API_KEY" if route.id == DEFAULT_ROUTE else f"routes.{route.id}.key_variable"
    return f"No call was made: the service has no key for the model's provider ({which})."
