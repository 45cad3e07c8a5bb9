"""What tokens of an issuer are held against. Pure."""

from dataclasses import dataclass

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by keys of which only the public half is known here: no other kind is ever taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say, and in which of its claims it says what."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    leeway_seconds: float = 30.0
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"
    users_claim: str = ""
    """Names one user, or with a `*` at its end a prefix; empty: tokens act for anybody."""
