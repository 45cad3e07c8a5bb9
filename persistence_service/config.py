"""The service's settings: where to listen, and how leases, keys and streams behave."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from consensus_rpc.process.settings import (
    MAX_HEARTBEAT_SECONDS,
    WORKERS,
    HostPort,
    Seconds,
    WorkerCount,
)
from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_tls import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    PemFile,
    check_plain_text,
    listener_tls,
    pem_file,
)
from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.security.files import ServerTls
from persistence_service.audit.checkpoints import signing_key
from persistence_service.database_settings import DatabaseSettings
from persistence_service.runs.caps_file import load_caps
from persistence_service.webhooks.settings import WebhookSettings


def _check_signing_key(value: SecretStr) -> SecretStr:
    signing_key(value.get_secret_value())
    return value


SigningKey = Annotated[SecretStr, AfterValidator(_check_signing_key), Allowed("32 bytes in base64")]


class PersistenceSettings(DatabaseSettings, WebhookSettings):
    """What the persistence service can be told."""

    persistence_listen: HostPort = Field(
        "127.0.0.1:50052", description="Where callers find drafts, events, metrics, audit and the like."
    )
    persistence_listen_certificate_file: PemFile | None = pem_file(CERTIFICATE, "PERSISTENCE_LISTEN")
    persistence_listen_key_file: PemFile | None = pem_file(KEY)
    persistence_listen_authority_file: PemFile | None = pem_file(AUTHORITY)
    persistence_internal_listen: HostPort = Field(
        "127.0.0.1:50053",
        description="Where review services, and nobody else, find PersistenceService.",
    )
    persistence_internal_listen_certificate_file: PemFile | None = pem_file(
        CERTIFICATE, "PERSISTENCE_INTERNAL_LISTEN"
    )
    persistence_internal_listen_key_file: PemFile | None = pem_file(KEY)
    persistence_internal_listen_authority_file: PemFile | None = pem_file(
        "Authority (PEM) of review services' certificates, which are always required."
    )
    persistence_workers: WorkerCount = Field(1, description=f"{WORKERS} More than one needs PostgreSQL.")
    lease_seconds: Seconds = Field(15.0, ge=1, le=300, description="How long a lease on a run lasts.")
    run_timeout_seconds: Seconds = Field(
        600.0, ge=1, le=86_400, description="How long a run may take where its specification does not say."
    )
    max_take_overs: int = Field(
        5, ge=1, le=100, description="A run taken over that often without progress fails: ATTEMPTS_EXHAUSTED."
    )
    max_queued_runs_per_tenant: int = Field(
        10_000, ge=1, le=10_000_000, description="StartReview beyond it: RESOURCE_EXHAUSTED."
    )
    spend_caps: Path | None = Field(
        None, description="TOML file of caps on spending, see docs/spend.md; without it nothing is capped."
    )
    idempotency_key_ttl_seconds: Seconds = Field(
        604_800.0, ge=86_400, le=31_536_000, description="How long a key is remembered at least."
    )
    watch_poll_seconds: Seconds = Field(
        0.5, ge=0.05, le=60, description="How often to look for what other processes wrote."
    )
    heartbeat_seconds: Seconds = Field(
        15.0,
        ge=0.1,
        le=MAX_HEARTBEAT_SECONDS,
        description="A watched stream says so when nothing happened for that long.",
    )
    max_streams_per_connection: int = Field(
        4096,
        ge=1,
        le=1_000_000,
        description="Calls that one connection may have open; a review service keeps one for each run.",
    )
    retention_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Deleted runs, drafts and metrics can be restored for so long, then they are purged; "
        "0: never.",
    )
    run_retention_days: int = Field(
        0, ge=0, le=36_500, description="Runs that ended longer ago are purged; 0: never."
    )
    event_retention_days: int = Field(
        0, ge=0, le=36_500, description="Events stored longer ago are deleted; 0: never."
    )
    metric_retention_days: int = Field(
        0, ge=0, le=36_500, description="Metrics stored last longer ago are deleted; 0: never."
    )

    audit_signing_key: SigningKey | None = Field(
        None,
        description="Signs audit checkpoints; `python -m persistence_service audit-key` makes one. Keep it "
        "from whoever can write to the database.",
    )
    audit_checkpoint_file: Path | None = Field(
        None,
        description="Where audit checkpoints are kept, a file for each process; without it none is taken.",
    )
    audit_checkpoint_seconds: Seconds = Field(
        60.0, ge=1, le=86_400, description="How often an audit checkpoint is taken."
    )

    content_keys_file: Path | None = Field(
        None,
        description="Keys that content is encrypted with in the database, a line `id:key` each, the newest "
        "first; `python -m persistence_service content-key` makes one. Without it content is stored plainly.",
    )
    audit_reads: bool = Field(
        False,
        description="Whether reading runs and drafts is entered into the audit trail too, as stream "
        "reads/TENANT.",
    )

    @model_validator(mode="after")
    def _key_and_file(self) -> Self:
        if (self.audit_signing_key is None) != (self.audit_checkpoint_file is None):
            raise ValueError("AUDIT_SIGNING_KEY: set with AUDIT_CHECKPOINT_FILE, or neither of them")
        return self

    @model_validator(mode="after")
    def _caps_are_read(self) -> Self:
        if self.spend_caps is not None:
            load_caps(self.spend_caps)  # a fault in it stops the start, and is named like any other
        return self

    @model_validator(mode="after")
    def _plain_text_stays_here(self) -> Self:
        for name, listen, tls in (
            ("PERSISTENCE_LISTEN", self.persistence_listen, self.callers_tls()),
            ("PERSISTENCE_INTERNAL_LISTEN", self.persistence_internal_listen, self.internal_tls()),
        ):
            if tls is None:
                check_plain_text(name, listen, is_allowed=self.allow_insecure)
        return self

    @model_validator(mode="after")
    def _two_addresses(self) -> Self:
        here = self.persistence_internal_listen
        # Workers share their ports, so that two servers on one would be called at random.
        if here == self.persistence_listen and split_host_port(here)[1] != 0:
            raise ValueError(f"PERSISTENCE_INTERNAL_LISTEN: given {here}, which is PERSISTENCE_LISTEN")
        return self

    @model_validator(mode="after")
    def _one_process_per_file(self) -> Self:
        if self.persistence_workers > 1 and self.url().get_backend_name() == "sqlite":
            raise ValueError(
                f"PERSISTENCE_WORKERS: given {self.persistence_workers}, but a SQLite database takes one "
                "process; use PostgreSQL for more"
            )
        return self

    def callers_tls(self) -> ServerTls | None:
        """That of the address for callers."""
        return listener_tls(
            "PERSISTENCE_LISTEN",
            self.persistence_listen_certificate_file,
            self.persistence_listen_key_file,
            self.persistence_listen_authority_file,
        )

    def internal_tls(self) -> ServerTls | None:
        """That of the address for review services, who always show a certificate."""
        found = listener_tls(
            "PERSISTENCE_INTERNAL_LISTEN",
            self.persistence_internal_listen_certificate_file,
            self.persistence_internal_listen_key_file,
            self.persistence_internal_listen_authority_file,
        )
        if found is not None and not found.requires_certificates:
            raise ValueError(
                "PERSISTENCE_INTERNAL_LISTEN_AUTHORITY_FILE: not set, beside others of"
                " PERSISTENCE_INTERNAL_LISTEN"
            )
        return found
