"""Settings of webhooks: where they go, what signs them, and for how long they are tried."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from consensus_contract.webhooks import secrets_of
from consensus_rpc.access.settings import AccessSettings
from consensus_rpc.process.settings import Seconds
from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_tls import is_loopback
from consensus_rpc.process.settings_types import check_http_url

MAX_RETRY_DAYS = 30


def _check_url(value: SecretStr) -> SecretStr:
    address, _, query = value.get_secret_value().partition("?")
    check_http_url(address)
    if not query.isascii() or any(char <= " " or char == "#" for char in query):
        raise ValueError("holds what an address cannot hold")
    return value


def _check_secrets(value: SecretStr) -> SecretStr:
    secrets_of(value.get_secret_value())
    return value


def _check_door(value: str) -> str:
    return check_http_url(value).rstrip("/")


# Receivers keep what only they may know in paths and queries: the whole of it is a secret.
WebhookUrl = Annotated[
    SecretStr,
    AfterValidator(_check_url),
    Allowed("https://host:port/path?query, without user and password"),
]
WebhookSecret = Annotated[
    SecretStr, AfterValidator(_check_secrets), Allowed("whsec_ and 24 to 64 bytes in base64, or several")
]
DoorUrl = Annotated[str, AfterValidator(_check_door), Allowed("http(s)://host:port/path")]


class WebhookSettings(AccessSettings):
    """What the persistence service can be told of webhooks."""

    webhook_url: WebhookUrl | None = Field(
        None, description="What is told of each run that ends, see docs/webhooks.md; empty: nobody is."
    )
    webhook_secret: WebhookSecret | None = Field(
        None,
        description="What webhooks are signed with, each by every one of several, with blanks between them; "
        "`python -m persistence_service webhook-secret` makes one.",
    )
    webhook_timeout_seconds: Seconds = Field(
        10.0, ge=0.1, le=60, description="How long the receiver may take to answer."
    )
    webhook_retry_days: int = Field(
        3,
        ge=1,
        le=MAX_RETRY_DAYS,
        description="A webhook that nobody took for so long is given up, and entered in the audit trail.",
    )
    webhook_door_url: DoorUrl | None = Field(
        None, description="Where people reach the door: webhooks link to their runs; empty: no link."
    )

    @model_validator(mode="after")
    def _url_and_secret(self) -> Self:
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("WEBHOOK_URL: set with WEBHOOK_SECRET, or neither of them")
        return self

    @model_validator(mode="after")
    def _webhooks_are_private(self) -> Self:
        if self.webhook_url is None or self.allow_insecure:
            return self
        address = urlsplit(self.webhook_url.get_secret_value())
        if address.scheme != "https" and not is_loopback(f"{_host(address.hostname or '')}:0"):
            raise ValueError(
                "WEBHOOK_URL: given http://, but plain text stays on the loopback; use https://, or "
                "ALLOW_INSECURE=true (--insecure) where nobody else can listen"
            )
        return self

    def webhook_secrets(self) -> tuple[bytes, ...]:
        """What webhooks are signed with; none without an address."""
        return secrets_of(self.webhook_secret.get_secret_value()) if self.webhook_secret else ()


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name
