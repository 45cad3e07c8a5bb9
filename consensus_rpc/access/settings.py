"""Settings of access: which credentials are asked for, and what they are held against."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from consensus_rpc.access.token_rules import ALGORITHMS, TokenRules
from consensus_rpc.process.settings import Seconds, ServerSettings
from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_types import check_http_url

MAX_KEY_SECONDS = 15


def _check_source(value: str) -> str:
    if not value.startswith("http"):
        return value
    address = urlsplit(check_http_url(value))
    if address.scheme != "https" and address.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError("is fetched over https")
    return value


def _check_algorithms(value: str) -> str:
    named = value.replace(",", " ").split()
    if not named or not set(named) <= set(ALGORITHMS):
        raise ValueError("names other algorithms")
    return value


KeySource = Annotated[str, AfterValidator(_check_source), Allowed("a path, or an https:// address")]
Algorithms = Annotated[str, AfterValidator(_check_algorithms), Allowed(", ".join(ALGORITHMS))]
_CLAIM = r"^[!-~]{1,100}$"


class AccessSettings(ServerSettings):
    """What both services can be told of their callers."""

    authentication: Literal["off", "keys", "jwt", "both"] = Field(
        "off", description="Which credentials callers need; `off`: everybody is `anonymous`, and may all."
    )
    access_policy: Annotated[Path, Allowed("a path")] | None = Field(
        None, description="A TOML file: which scopes each method asks for; empty: the built-in one."
    )
    credentials_over_loopback: bool = Field(
        False, description="Whether credentials are taken in plain text too, from this machine alone."
    )
    key_cache_seconds: Seconds = Field(
        15.0,
        ge=0.1,
        le=MAX_KEY_SECONDS,
        description="How long a key is believed before it is looked up anew.",
    )
    jwt_issuer: str | None = Field(None, max_length=1000, description="The `iss` that tokens must have.")
    jwt_audience: str | None = Field(
        None, max_length=1000, description="The `aud` that tokens must have, or have among others."
    )
    jwt_jwks: KeySource | None = Field(None, description="Where the issuer's public keys stand (JWKS).")
    jwt_algorithms: Algorithms = Field(
        "RS256, ES256, EdDSA", description="Signatures that are taken; none by a shared secret can be."
    )
    jwt_leeway_seconds: Seconds = Field(
        30.0, ge=0, le=120, description="How far the issuer's clock may be from this machine's."
    )
    jwt_tenant_claim: str = Field("tenant", pattern=_CLAIM, description="The claim that names the tenant.")
    jwt_roles_claim: str = Field(
        "roles", pattern=_CLAIM, description="The claim that names roles, as a list or as words."
    )
    jwt_users_claim: str | None = Field(
        None,
        pattern=_CLAIM,
        description="The claim that names the user for whom a token acts, or users by a prefix and `*`; "
        "empty: anybody.",
    )

    @model_validator(mode="after")
    def _whole_issuer(self) -> Self:
        if self.takes_tokens and None in (self.jwt_issuer, self.jwt_audience, self.jwt_jwks):
            raise ValueError("AUTHENTICATION: jwt needs JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS")
        return self

    @property
    def takes_keys(self) -> bool:
        """Whether keys are credentials."""
        return self.authentication in {"keys", "both"}

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens of an issuer are credentials."""
        return self.authentication in {"jwt", "both"}

    def token_rules(self) -> TokenRules:
        """What tokens are held against."""
        return TokenRules(
            issuer=self.jwt_issuer or "",
            audience=self.jwt_audience or "",
            algorithms=tuple(self.jwt_algorithms.replace(",", " ").split()),
            leeway_seconds=self.jwt_leeway_seconds,
            tenant_claim=self.jwt_tenant_claim,
            roles_claim=self.jwt_roles_claim,
            users_claim=self.jwt_users_claim or "",
        )
