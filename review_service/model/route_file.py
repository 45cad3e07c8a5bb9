"""Reads the routes that `MODEL_ROUTES` names: a TOML file with one table for each, `[routes.<id>]`."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from consensus_rpc.process.settings_types import check_http_url, no_truth_value
from review_service.model.api_key import check_api_key
from review_service.model.routes import (
    DEFAULT_ROUTE,
    OMITTABLE,
    ROUTE_ID,
    CacheBreakpoint,
    Price,
    Protocol,
    Role,
    Route,
    Routes,
    StructuredOutput,
)

MAX_ROUTES: Final = 50
_MAX_FILE_BYTES = 1_048_576
_MICROS = 1_000_000

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
# What the exchange itself says of a request.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)


class RouteFileError(Exception):
    """The file cannot be read, or holds what is not understood; one line, without secrets."""


def _check_url(value: str) -> str:
    query = parse_qsl(urlsplit(value).query, keep_blank_values=True)
    return check_http_url(value, query_names=[name for name, _ in query])


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name!r} is no header that can be set")
    return headers


_Url = Annotated[str, Field(max_length=2000), AfterValidator(_check_url)]
_Headers = Annotated[dict[str, str], Field(max_length=20), AfterValidator(_check_headers)]
_Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z._:/@-]{1,200}$")]
_Word = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
_Omitted = Annotated[str, Field(pattern=rf"^({'|'.join(OMITTABLE)}|schema\.[A-Za-z$]{{1,50}})$")]
_Number = BeforeValidator(no_truth_value)
_Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
_Seconds = Annotated[float, _Number, Field(gt=0, le=3600, allow_inf_nan=False)]
_Tokens = Annotated[int, _Number, Field(ge=1, le=1_000_000_000)]


class _Table(BaseModel):
    """Names that are not known are refused: a misspelt one would else change nothing, silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _PriceTable(_Table):
    """In units of the currency for a million tokens; cached and written ones cost as others by default."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    input: _Amount
    output: _Amount
    cached_input: _Amount | None = None
    cache_write: _Amount | None = None

    def price(self) -> Price:
        """In millionths, as whole numbers."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        amounts = (int(each * _MICROS) for each in (self.input, self.output, cached, written))
        return Price(self.currency, *amounts)


class _RouteTable(_Table):
    """One route as it is written; what it means stands in docs/models.md."""

    base_url: _Url | None = None
    key_variable: _Variable | None = None
    key_file: str | None = None
    key_header: Annotated[str, Field(pattern=_HEADER_NAME.pattern)] = "authorization"
    headers: _Headers = {}
    header_variables: _Headers = {}
    protocol: Protocol = Protocol.AUTO
    model: _Name | None = None
    temperature: bool = True
    structured_output: StructuredOutput = StructuredOutput.JSON_SCHEMA
    role: Role = Role.SYSTEM
    reasoning_effort: _Word | None = None
    service_tier: _Word | None = None
    cache_breakpoint: CacheBreakpoint = CacheBreakpoint.NONE
    omit: Annotated[list[_Omitted], Field(max_length=20)] = []
    cap_parameter: Literal["max_output_tokens", "max_completion_tokens", "max_tokens"] | None = None
    max_output_tokens: _Tokens | None = None
    context_window: _Tokens | None = None
    slow: bool = False
    attempt_timeout_seconds: _Seconds | None = None
    connect_timeout_seconds: _Seconds = 10.0
    max_concurrency: Annotated[int, _Number, Field(ge=1, le=1_000_000)] | None = None
    requests_per_minute: Annotated[int, _Number, Field(ge=1, le=100_000_000)] | None = None
    tokens_per_minute: _Tokens | None = None
    price: _PriceTable | None = None
    prices: Annotated[dict[_Name, _PriceTable], Field(max_length=200)] = {}
    fallback: Annotated[list[str], Field(max_length=10)] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.key_variable and self.key_file:
            raise ValueError("key_variable and key_file: name one of them")
        if self.max_output_tokens and self.context_window and self.max_output_tokens >= self.context_window:
            raise ValueError("max_output_tokens: must be less than context_window")
        return self


class _File(_Table):
    routes: Annotated[dict[str, _RouteTable], Field(min_length=1, max_length=MAX_ROUTES)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, route in self.routes.items():
            if not ROUTE_ID.fullmatch(name):
                raise ValueError(f"routes.{name[:80]}: an id has small letters, digits, _ and -")
            known = self.routes.keys() | {DEFAULT_ROUTE}
            for other in route.fallback:
                if other not in known or other == name or route.fallback.count(other) > 1:
                    raise ValueError(f"routes.{name}.fallback: {other[:80]!r} is no other route, named once")
        return self


def load_routes(path: Path, default: Route, environment: Mapping[str, str] | None = None) -> Routes:
    """The routes of a file, and `default` where the file has none of that id.

    `environment` is where keys and headers are looked up by name; None: the process's, and `.env` behind it.

    Raises:
        RouteFileError: naming every fault.
    """
    if environment is None:
        environment = _of_env_file() | os.environ
    tables = _parsed(path).routes
    if DEFAULT_ROUTE in tables and default.base_url is not None:
        raise RouteFileError(
            f"{path}: routes.{DEFAULT_ROUTE} stands beside OPENAI_BASE_URL; keep one of them"
        )
    routes = [_route(path, name, table, environment) for name, table in tables.items()]
    if len(routes) == MAX_ROUTES and DEFAULT_ROUTE not in tables:
        raise RouteFileError(f"{path}: more than {MAX_ROUTES} routes, `{DEFAULT_ROUTE}` included")
    return Routes(routes if DEFAULT_ROUTE in tables else [default, *routes])


def _of_env_file() -> dict[str, str]:
    """What `.env` says, which goes behind the environment."""
    source = DotEnvSettingsSource(BaseSettings, Path(".env"), "utf-8", case_sensitive=True)
    return {name: value for name, value in source.env_vars.items() if value}


def _parsed(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise RouteFileError(f"{path}: has more than {_MAX_FILE_BYTES} bytes")
        tables = tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
        return _File.model_validate(tables)
    except OSError as error:
        raise RouteFileError(f"{path}: cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        raise RouteFileError(f"{path}: {'; '.join(_faults(error))}") from None
    except (ValueError, RecursionError) as error:  # not TOML, or not UTF-8
        raise RouteFileError(f"{path}: is not TOML ({_words(error)})") from None


def _words(error: Exception) -> str:
    """Where it is not TOML, without the text, which may be a key."""
    place = re.search(r"\(at [^()]*\)", str(error))
    return place[0].strip("()") if place else type(error).__name__


def _faults(error: ValidationError) -> Iterator[str]:
    """Each fault with the name that it is about."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part)[:80] for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            hint = "; name a key by key_variable or key_file" if name.endswith((".key", ".api_key")) else ""
            yield f"{name}: is not known{hint}"
        else:
            what = fault["msg"].removeprefix("Value error, ")
            yield f"{name}: {what}" if name else what


def _route(path: Path, name: str, table: _RouteTable, environment: Mapping[str, str]) -> Route:
    where = f"{path}: routes.{name}"
    key = _key(where, table, environment)
    fields = table.model_dump(
        exclude={"key_variable", "key_file", "headers", "header_variables", "temperature"}
        | {"omit", "slow", "price", "prices", "fallback"}
    )
    empty = dict.fromkeys(("model", "reasoning_effort", "service_tier", "cap_parameter"), "")
    given: dict[str, Any] = empty | {field: value for field, value in fields.items() if value is not None}
    return Route(
        id=name,
        key=key,
        needs_key=key is not None,
        headers=tuple(_headers(where, table, environment).items()),
        takes_temperature=table.temperature,
        omit=tuple(table.omit),
        is_slow=table.slow,
        price=table.price.price() if table.price else None,
        prices=MappingProxyType({model: each.price() for model, each in table.prices.items()}),
        fallbacks=tuple(table.fallback),
        **given,
    )


def _key(where: str, table: _RouteTable, environment: Mapping[str, str]) -> str | None:
    """The key, from where the table says that it is."""
    if table.key_file:
        try:
            key = Path(table.key_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise RouteFileError(f"{where}.key_file: cannot be read ({type(error).__name__})") from None
    elif table.key_variable:
        key = environment.get(table.key_variable, "")
        if not key:
            raise RouteFileError(f"{where}.key_variable: {table.key_variable} is not set")
    else:
        return None
    fault = check_api_key(key) if key else "is empty"
    if fault is not None:
        raise RouteFileError(f"{where}: the key {fault}")
    return key


def _headers(where: str, table: _RouteTable, environment: Mapping[str, str]) -> dict[str, str]:
    """Headers by name in lowercase, those from variables looked up."""
    headers = {name.lower(): value for name, value in table.headers.items()}
    for name, variable in table.header_variables.items():
        if not environment.get(variable):
            raise RouteFileError(f"{where}.header_variables: {variable[:200]} is not set")
        headers[name.lower()] = environment[variable]
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise RouteFileError(f"{where}: the header {name} is empty, or holds what no header can")
    return headers
