"""What the review service can be told, with bounds; read once, at start."""

from functools import partial
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from consensus_rpc.access.settings import AccessSettings
from consensus_rpc.channel.bearer import Bearer, stays_here
from consensus_rpc.channel.shard_map import ShardAddress, ShardMap, read_shard_map
from consensus_rpc.process.descriptors import connections_carried
from consensus_rpc.process.settings import (
    MAX_HEARTBEAT_SECONDS,
    WORKERS,
    HostPort,
    Hundredths,
    Seconds,
    WorkerCount,
)
from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_tls import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    PemFile,
    channel_tls,
    check_plain_text,
    listener_tls,
    pem_file,
)
from consensus_rpc.process.settings_types import check_http_url
from consensus_rpc.security.files import ChannelTls, ServerTls
from review_service.model.api_key import check_api_key
from review_service.model.routes import DEFAULT_ROUTE, Protocol, Route

_MODEL_NAME = r"^[0-9A-Za-z._:/@-]{1,200}$"

BaseUrl = Annotated[
    str,
    AfterValidator(partial(check_http_url, query_names=("api-version",))),
    Allowed("http(s)://host:port/path without credentials, and perhaps ?api-version=…"),
]

RouteFile = Annotated[Path, Allowed("a path")]


class ReviewSettings(AccessSettings):
    """Settings of the review service; each is the environment variable of its name in capitals."""

    review_listen: HostPort = Field("127.0.0.1:50051", description="Where ReviewService listens.")
    review_workers: WorkerCount = Field(1, description=WORKERS)
    review_listen_certificate_file: PemFile | None = pem_file(CERTIFICATE, "REVIEW_LISTEN")
    review_listen_key_file: PemFile | None = pem_file(KEY)
    review_listen_authority_file: PemFile | None = pem_file(AUTHORITY)
    persistence_address: ShardAddress = Field(
        "127.0.0.1:50053",
        description="Where PersistenceService is, its PERSISTENCE_INTERNAL_LISTEN; `dns:///name:port` spreads"
        " over all of its replicas. Or where it is for each tenant: a map, or `@` and a file of entries,"
        " which is read again when it changes.",
    )
    persistence_address_authority_file: PemFile | None = pem_file(
        "Authority (PEM) of its certificate; empty: plain text."
    )
    persistence_address_certificate_file: PemFile | None = pem_file(
        "Certificate (PEM) that this service shows there: its name is part of the leases of its runs."
    )
    persistence_address_key_file: PemFile | None = pem_file(KEY)
    persistence_address_name: str = Field(
        "",
        max_length=255,
        description="The DNS name that its certificate must have, where that is not the host of the address.",
    )
    persistence_connections: int = Field(
        1,
        ge=1,
        le=64,
        description="Connections to it, used in turn; several reach several processes that share its port.",
    )
    persistence_key: SecretStr | None = Field(
        None,
        description="This service's own access key, of the role `service`; empty where its certificate says"
        " who it is.",
    )

    allowed_models: str = Field(
        "",
        max_length=10_000,
        description="Models that callers and their panels may name, with commas between them; `*` stands for "
        "anything, and what the settings name is always allowed; empty: all.",
    )
    allowed_panels: str = Field(
        "",
        max_length=10_000,
        description="Panels that callers may name, likewise; `inline` for one that a request brings. The "
        "built-in one is always allowed.",
    )
    allowed_max_retries: int | None = Field(
        None, ge=1, le=10, description="The most retries that callers may ask for; empty: up to 10."
    )
    model_routes: RouteFile | None = Field(
        None,
        description="A TOML file with a table for each route to models; empty: OPENAI_* are the only one.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="Key of the model's provider; without one every run fails, with LLM_AUTHENTICATION.",
    )
    openai_base_url: BaseUrl | None = Field(
        None,
        description="A server that speaks the Responses API or Chat Completions, ending in /v1 (or in"
        " /v1/responses); empty: the provider's own.",
    )
    openai_model: str = Field(
        "gpt-5.1", pattern=_MODEL_NAME, description="The model, where no other is named."
    )
    model_protocol: Protocol = Field(
        Protocol.AUTO,
        description="How OPENAI_BASE_URL is spoken to; `auto` tries `responses`, and remembers.",
    )
    model_reasoning_effort: str | None = Field(
        None,
        pattern=r"^[a-z]{1,32}$",
        description="How much the model thinks before it answers, such as `low`; empty: its own default.",
    )
    expand_model: str | None = Field(
        None, pattern=_MODEL_NAME, description="The model that expands ideas; empty: OPENAI_MODEL."
    )
    review_model: str | None = Field(
        None, pattern=_MODEL_NAME, description="The model that reviews; empty: OPENAI_MODEL."
    )
    expand_temperature: Hundredths | None = Field(
        70, ge=0, le=200, description="Temperature of expanding; empty: none is sent."
    )
    review_temperature: Hundredths | None = Field(
        20, ge=0, le=200, description="Temperature of reviewing; empty: none is sent."
    )
    persona_template_version: str = Field(
        "1.1.0",
        pattern=r"^[0-9A-Za-z._-]{1,50}$",
        description="Version of the persona templates, stored with each run.",
    )

    max_retries_per_persona: int = Field(
        3, ge=1, le=10, description="Calls to the model after a step's first; of expanding too."
    )
    retry_initial_backoff_seconds: Seconds = Field(
        1.0, ge=0.1, le=60, description="Wait before the first retry; a quarter of it may be added at random."
    )
    retry_backoff_multiplier: float = Field(
        2.0, ge=1, le=10, allow_inf_nan=False, description="Factor from one wait to the next."
    )
    model_attempt_timeout_seconds: Seconds = Field(
        120.0, gt=0, le=3600, description="Total time of one call to the model."
    )
    model_max_output_tokens: int = Field(
        8000,
        ge=1,
        le=1_000_000,
        description="Cap on the tokens of one answer; a cut answer is asked twice as long.",
    )
    model_max_calls_in_flight: int = Field(
        10_000, ge=1, le=1_000_000, description="Calls to the model at once; those beyond it wait."
    )

    model_max_answer_bytes: int = Field(
        4_194_304,
        ge=65_536,
        le=67_108_864,
        description="Bytes of one answer, as it comes and decoded; a longer one is not read to its end.",
    )

    run_timeout_seconds: Seconds = Field(
        600.0, ge=1, le=86_400, description="Time that a run may take, from the start of work."
    )
    trace_explanations: bool = Field(
        False, description="Whether traces carry what personas object to, which is content."
    )
    max_runs_in_flight: int = Field(
        2000, ge=1, le=1_000_000, description="Runs that this process works on at once; beyond it OVERLOADED."
    )
    claim_interval_seconds: Seconds = Field(
        5.0, ge=0.05, le=3600, description="How often queued and abandoned runs are looked for."
    )

    heartbeat_seconds: Seconds = Field(
        15.0,
        ge=0.05,
        le=MAX_HEARTBEAT_SECONDS,
        description="How often a stream that has nothing to say gives a sign of life.",
    )

    max_idea_characters: int = Field(
        10_000, ge=1, le=10_000, description="Characters of an idea, after trimming."
    )
    max_idea_sentences: int = Field(10, ge=1, le=10, description="Sentences of an idea.")
    max_document_characters: int = Field(
        200_000, ge=1, le=200_000, description="Characters of a document, and of an attachment."
    )
    max_context_characters: int = Field(
        50_000, ge=1, le=50_000, description="Characters of the extra context, serialised."
    )
    max_edited_proposal_characters: int = Field(
        100_000, ge=1, le=100_000, description="Characters of a revision's edited proposal, as JSON."
    )
    max_edit_notes_characters: int = Field(
        10_000, ge=1, le=10_000, description="Characters of a revision's edit notes, after trimming."
    )

    @field_validator("openai_api_key")
    @classmethod
    def _key_is_real(cls, value: SecretStr | None) -> SecretStr | None:
        fault = check_api_key(value.get_secret_value()) if value is not None else None
        if fault is not None:
            raise ValueError(fault)
        return value

    @property
    def default_route(self) -> Route:
        """The route that OPENAI_* make."""
        key = self.openai_api_key
        return Route(
            DEFAULT_ROUTE,
            base_url=self.openai_base_url,
            key=None if key is None else key.get_secret_value(),
            protocol=self.model_protocol,
            model=self.openai_model,
            reasoning_effort=self.model_reasoning_effort or "",
        )

    @property
    def model_for_expanding(self) -> str:
        """The model that expands, where a request names none."""
        return self.expand_model or self.openai_model

    @property
    def model_for_reviewing(self) -> str:
        """The model that reviews, where a request names none."""
        return self.review_model or self.openai_model

    @model_validator(mode="after")
    def _plain_text_stays_here(self) -> Self:
        if self.listen_tls() is None:
            check_plain_text("REVIEW_LISTEN", self.review_listen, is_allowed=self.allow_insecure)
        self.shard_map()
        return self

    def shard_map(self) -> ShardMap:
        """Where each tenant's PersistenceService is now.

        Raises:
            ValueError: that cannot be read, or would take a key off this machine in plain text.
        """
        found = read_shard_map(self.persistence_address)
        is_encrypted = self.persistence_tls() is not None
        if self.persistence_key and not (is_encrypted or all(map(stays_here, found.addresses()))):
            raise ValueError("PERSISTENCE_KEY: leaves this machine over TLS alone; see PERSISTENCE_ADDRESS_*")
        return found

    def listen_tls(self) -> ServerTls | None:
        """That of the address for callers."""
        return listener_tls(
            "REVIEW_LISTEN",
            self.review_listen_certificate_file,
            self.review_listen_key_file,
            self.review_listen_authority_file,
        )

    def persistence_tls(self) -> ChannelTls | None:
        """That of the way to persistence."""
        return channel_tls(
            "PERSISTENCE_ADDRESS",
            self.persistence_address_authority_file,
            self.persistence_address_certificate_file,
            self.persistence_address_key_file,
            self.persistence_address_name,
        )

    def fitted(self, open_files: int, panel_size: int) -> Self:
        """The same, with as many calls and runs as so many open files carry.

        More runs than their calls find connections for would wait for one another, at the cost of their
        attempts' time.
        """
        calls = connections_carried(open_files, self.model_max_calls_in_flight)
        if calls == self.model_max_calls_in_flight:
            return self
        runs = min(self.max_runs_in_flight, max(1, calls // panel_size))
        return self.model_copy(update={"model_max_calls_in_flight": calls, "max_runs_in_flight": runs})

    def persistence_bearer(self) -> Bearer | None:
        """The credential that calls to PersistenceService carry."""
        key = self.persistence_key
        return None if key is None else Bearer(key.get_secret_value())
