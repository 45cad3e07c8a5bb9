"""Routes to models: where each is, what it takes, what it costs. Pure; `route_file` reads them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from consensus.v1 import attempt_pb2, panel_pb2

DEFAULT_ROUTE: Final = "default"
# What is sent unless a route leaves it out; `schema.<keyword>` leaves out a keyword of the answer's schema.
OMITTABLE: Final = ("instructions", "metadata", "prompt_cache_key", "store", "stream", "strict")
ROUTE_ID: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MILLION: Final = 1_000_000


class Protocol(StrEnum):
    """How a route is spoken to; AUTO: Responses, and Chat Completions where the server knows none."""

    RESPONSES = "responses"
    CHAT_COMPLETIONS = "chat_completions"
    AUTO = "auto"


class StructuredOutput(StrEnum):
    """How a route is asked for JSON: by schema, by type alone, or by the prompt alone.

    Where it is not JSON_SCHEMA the client writes the schema into the prompt.
    """

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    PROMPT = "prompt"


class CacheBreakpoint(StrEnum):
    """How the end of the shared part of a prompt is marked for the provider's cache.

    OPENAI: `prompt_cache_breakpoint` and `prompt_cache_options`; CACHE_CONTROL: `cache_control` on the part,
    as gateways hand it on.
    """

    NONE = ""
    OPENAI = "openai"
    CACHE_CONTROL = "cache_control"


class Role(StrEnum):
    """Whose words the instructions are in Chat Completions."""

    SYSTEM = "system"
    DEVELOPER = "developer"


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens cost: millionths of the currency (ISO 4217) for a million of them."""

    currency: str
    input: int
    output: int
    cached_input: int
    cache_write: int

    @property
    def version(self) -> str:
        """What names these amounts: stored with what was computed by them."""
        amounts = (self.input, self.output, self.cached_input, self.cache_write)
        return sha256(f"{self.currency} {' '.join(map(str, amounts))}".encode()).hexdigest()[:16]

    def most(self, prompt_bytes: int, output_tokens: int) -> attempt_pb2.Cost:
        """The most that a call can cost: no token has less than a byte, and none is billed beyond the cap."""
        dearest = max(self.input, self.cached_input, self.cache_write)
        total = prompt_bytes * dearest + output_tokens * self.output
        return attempt_pb2.Cost(currency=self.currency, micros=-(-total // _MILLION))

    def cost(self, usage: panel_pb2.TokenUsage) -> attempt_pb2.Cost:
        """What so many tokens cost, rounded up to a millionth.

        Cached and written tokens are counted among the input tokens, or, where they are more than these,
        beside them, as some gateways do; reasoning tokens among the output.
        """
        cached, written = usage.cached_tokens, usage.cache_write_tokens
        among = cached + written if cached + written <= usage.input_tokens else 0
        plain = usage.input_tokens - among
        total = (
            plain * self.input
            + cached * self.cached_input
            + written * self.cache_write
            + usage.output_tokens * self.output
        )
        return attempt_pb2.Cost(currency=self.currency, micros=-(-total // _MILLION))


@dataclass(frozen=True, slots=True)
class Route:
    """One way to models. What is None or empty is not said, and then not sent or not bounded.

    `base_url` None: the provider's own. `key` None with `needs_key`: no call is made. `headers` may hold
    secrets, and so may `base_url` its query. `model`: what is asked for where nobody names a model, as by a
    fallback or a probe. `attempt_timeout_seconds` None: the run's. `is_slow`: answers are streamed, so that
    what was generated before the end of the time is kept. `max_output_tokens` and `context_window` are the
    most that the route takes, in tokens. `cap_parameter` empty: the protocol's own name. `omit`: other
    parameters that are not sent, by the names under which `dropped_parameters` shows them. `prices` by model;
    `price` for the others. `fallbacks` are ids of routes.
    """

    id: str
    base_url: str | None = None
    key: str | None = field(default=None, repr=False)
    needs_key: bool = True
    key_header: str = "authorization"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    protocol: Protocol = Protocol.AUTO
    model: str = ""

    takes_temperature: bool = True
    structured_output: StructuredOutput = StructuredOutput.JSON_SCHEMA
    role: Role = Role.SYSTEM
    reasoning_effort: str = ""
    service_tier: str = ""
    cache_breakpoint: CacheBreakpoint = CacheBreakpoint.NONE
    omit: tuple[str, ...] = ()
    cap_parameter: str = ""
    max_output_tokens: int | None = None
    context_window: int | None = None

    is_slow: bool = False
    attempt_timeout_seconds: float | None = None
    connect_timeout_seconds: float = 10.0
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    price: Price | None = None
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    fallbacks: tuple[str, ...] = ()

    @property
    def wire_id(self) -> str:
        """The id as attempts, events and reviews carry it: nothing for the default route."""
        return "" if self.id == DEFAULT_ROUTE else self.id

    @property
    def is_priced(self) -> bool:
        """Whether the price of any model is known here."""
        return self.price is not None or bool(self.prices)

    def price_of(self, model: str) -> Price | None:
        """What the tokens of a model cost here, where that is known."""
        return self.prices.get(model, self.price)


class Resolved(NamedTuple):
    """A route, and the model to ask for on it."""

    route: Route
    model: str

    @property
    def name(self) -> str:
        """`<model>` on the default route, `<route>:<model>` on another."""
        return f"{self.route.id}:{self.model}" if self.route.wire_id else self.model


class Routes:
    """All routes of a process, the default one first. Iterating gives each `Route`."""

    __slots__ = ("_by_id",)

    def __init__(self, routes: Iterable[Route]) -> None:
        """Takes routes with different ids, one of them `default`; each fallback is one of them."""
        by_id = {route.id: route for route in routes}
        self._by_id = {DEFAULT_ROUTE: by_id[DEFAULT_ROUTE]} | by_id

    @property
    def default(self) -> Route:
        """The route of models that are named without one."""
        return self._by_id[DEFAULT_ROUTE]

    def __iter__(self) -> Iterator[Route]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, route_id: object) -> bool:
        return route_id in self._by_id

    def __getitem__(self, route_id: str) -> Route:
        """The route of this id; empty: the default one. Raises KeyError: there is none."""
        return self._by_id[route_id or DEFAULT_ROUTE]

    def resolve(self, name: str) -> Resolved:
        """The route and model that `<model>` or `<route>:<model>` stands for.

        A prefix that is no route belongs to the model's name (`llama3:8b`). `<route>:` asks for the route's
        own model.
        """
        prefix, colon, model = name.partition(":")
        route = self._by_id.get(prefix) if colon else None
        if route is None:
            return Resolved(self.default, name)
        return Resolved(route, model or route.model)

    def fallbacks(self, asked: Resolved) -> tuple[Resolved, ...]:
        """What to ask when a route fails, in order: the fallback's own model, or else the same one."""
        found = (self._by_id[each] for each in asked.route.fallbacks)
        return tuple(Resolved(route, route.model or asked.model) for route in found)
