"""Settings from the environment and `.env`: typed, bounded, all faults named at once, secrets masked."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from consensus_rpc.process.settings_text import (
    MASK,
    Allowed,
    SettingDoc,
    allowed_text,
    default_text,
    is_optional,
    is_secret,
    shown,
    without_secrets,
)
from consensus_rpc.process.settings_types import check_host_port, check_target, parse_hundredths
from consensus_rpc.process.settings_typos import typos

HostPort = Annotated[str, AfterValidator(check_host_port), Allowed("host:port, such as 127.0.0.1:50051")]
"""Where to listen; port 0 takes a free one; IPv6 in brackets."""

Target = Annotated[str, AfterValidator(check_target), Allowed("host:port or dns:///host:port")]
"""Where a client connects to."""

WorkerCount = Annotated[int, Field(ge=1, le=64)]
"""How many processes share a service's port."""

WORKERS = "Processes that share the port, about one per core."

MAX_HEARTBEAT_SECONDS = 20
"""A third of the 60 s of silence after which clients count a stream as cut."""

Seconds = Annotated[float, Field(allow_inf_nan=False)]
"""A span in seconds; its bounds stand at the field."""

Hundredths = Annotated[int, BeforeValidator(parse_hundredths), Allowed("a number, at most two decimals", 100)]
"""A decimal such as `0.7`, kept as the integer 70; bounds at the field are in hundredths too."""


class SettingsError(Exception):
    """One or more settings are bad; the message names every one, a line each."""


class Settings(BaseSettings):
    """Base of a service's settings: a field `drain_grace_seconds` is the variable `DRAIN_GRACE_SECONDS`.

    An empty variable means unset: None where the type allows it, the default elsewhere. A `SecretStr` field
    may also come from the file that `<NAME>_FILE` names.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, validate_default=False
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Reads and checks all settings; `overrides` (by field name) win over the environment.

        Raises:
            SettingsError: naming every bad setting, what was given (masked if secret) and what is allowed.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError(_explain(cls, error)) from None

    @classmethod
    def load_or_exit(cls, **overrides: Any) -> Self:
        """As `load`, but a bad setting ends the process with exit code 2 and the message on stderr.

        What `.env` has that is a setting's name but for a slip is named there too.
        """
        for line in typos(Path(".env"), cls._names()):
            sys.stderr.write(f"{line}\n")
        try:
            return cls.load(**overrides)
        except SettingsError as error:
            _exit(str(error))

    @classmethod
    def _names(cls) -> frozenset[str]:
        """The variables that are read, those that name files of secrets included."""
        fields = cls.model_fields.items()
        files = (f"{name.upper()}_FILE" for name, field in fields if is_secret(field))
        return frozenset((*(name.upper() for name, _ in fields), *files))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic names the parameter
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then `.env`; secrets' files read, empty values unset."""
        named = (_Cleaned(settings_cls, env_settings), _Cleaned(settings_cls, dotenv_settings))
        return (init_settings, *named)

    @classmethod
    def describe(cls) -> list[SettingDoc]:
        """One entry per setting, in the order of the fields; the docs' table is made from it."""
        return [
            SettingDoc(
                name.upper(),
                allowed_text(field),
                default_text(field),
                field.description or "",
                is_secret(field),
            )
            for name, field in cls.model_fields.items()
        ]

    def masked(self) -> dict[str, str]:
        """Every setting as text by its variable's name, secrets masked; for the log at start."""
        return {
            name.upper(): shown(getattr(self, name), field) for name, field in type(self).model_fields.items()
        }


class ServerSettings(Settings):
    """What every server here can be told."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto` is text on a terminal and JSON elsewhere."
    )
    metrics_listen: HostPort | None = Field(
        None, description="Where Prometheus finds /metrics over HTTP; empty: nowhere."
    )
    metrics_tenants: int = Field(
        0,
        ge=0,
        le=1000,
        description="Tenants that metrics tell apart, the first so many that are met; 0: no metric names a "
        "tenant.",
    )
    drain_grace_seconds: Seconds = Field(
        20.0, ge=0, le=3600, description="How long calls in flight may go on after SIGTERM."
    )
    max_calls_in_flight: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Calls beyond it are refused at once; health checks are exempt.",
    )
    max_calls_in_flight_per_tenant: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Calls of one tenant beyond it are refused at once, streams too, if callers are known; "
        "0: no such limit.",
    )
    max_connection_age_seconds: Seconds = Field(
        1800.0,
        ge=1,
        le=86_400,
        description="A connection is closed gently after it, so that clients spread anew.",
    )
    max_connection_age_grace_seconds: Seconds = Field(
        660.0, ge=1, le=86_400, description="How long calls on such a connection may go on."
    )
    max_streams_per_connection: int = Field(
        1024,
        ge=1,
        le=1_000_000,
        description="Calls that one connection may have open; a client holds those beyond it back.",
    )
    slow_consumer_seconds: Seconds = Field(
        30.0,
        ge=0.05,
        le=3600,
        description="A call whose reader takes nothing for this long is ended: SLOW_CONSUMER.",
    )
    reflection: bool = Field(True, description="Whether the server describes its services to tools.")
    allow_insecure: bool = Field(
        False, description="Whether plain text may leave this machine: for networks without strangers."
    )


class _Cleaned(PydanticBaseSettingsSource):
    """A source with empty values made unset and secrets read from their files."""

    def __init__(self, settings_cls: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        found = self._source()
        named: dict[str, str | None] = getattr(self._source, "env_vars", {})
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value = found.get(name)
            path = named.get(f"{name}_file") if is_secret(field) else None
            if path:
                value = _from_file(name, path, value)
            if value == "" and is_optional(field):
                values[name] = None
            elif value not in (None, ""):
                values[name] = value
        return values


def _from_file(name: str, path: str, value: object) -> object:
    variable = name.upper()
    if value not in (None, ""):
        raise SettingsError(f"  {variable}: given beside {variable}_FILE; set one of them")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"  {variable}_FILE: cannot read {path} ({type(error).__name__})") from error


def _explain(cls: type[Settings], error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        field = cls.model_fields.get(name)
        if field is None:  # a rule over several settings: its own words say which
            lines.append(f"  {fault['msg'].removeprefix('Value error, ')}")
        elif fault["type"] == "missing":
            lines.append(f"  {name.upper()}: not set; allowed: {allowed_text(field)}")
        else:
            given = MASK if is_secret(field) else repr(_shown_input(fault["input"]))
            lines.append(f"  {name.upper()}: given {given}; allowed: {allowed_text(field)}")
    return "\n".join(dict.fromkeys(lines))


def _shown_input(given: object) -> object:
    return without_secrets(given) if isinstance(given, str) else given


def _exit(message: str) -> NoReturn:
    sys.stderr.write(f"bad settings:\n{message}\n")
    raise SystemExit(2)
