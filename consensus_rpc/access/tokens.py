"""Tokens that an issuer signed (JWT, RFC 7519; checked as RFC 8725 advises), and whom they stand for."""

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

import jwt

from consensus_rpc.access.bounded_cache import BoundedCache
from consensus_rpc.access.issuer_keys import IssuerKeys
from consensus_rpc.access.policy import AccessPolicy
from consensus_rpc.access.token_rules import TokenRules
from consensus_rpc.errors import CredentialEnded, Unauthenticated
from consensus_rpc.server.identity import ANYBODY, ASSERT, CredentialKind, Identity, UserBound

MAX_CHARACTERS = 8000
_MOST_TOKENS = 10_000
_CACHE_SECONDS = 300.0
"""For an issuer that withdraws a key because it was stolen."""
_REQUIRED = ("exp", "aud", "iss", "sub")
_TENANT = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)
_NAME = re.compile(r"[!-~]{1,255}")
_MOST_ROLES = 20
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last that a timestamp has."""


class SignedTokens:
    """Knows whom tokens stand for; what was verified is believed until the token expires, or five minutes."""

    def __init__(self, rules: TokenRules, keys: IssuerKeys, policy: AccessPolicy) -> None:
        self._rules = rules
        self._keys = keys
        self._policy = policy
        self._verified = BoundedCache[bytes, Identity](most=_MOST_TOKENS, seconds=_CACHE_SECONDS)

    async def verify(self, token: str) -> Identity:
        """Whom a token stands for.

        Raises:
            Unauthenticated: it is none, or none for this service.
            CredentialEnded: it was valid.
            IssuerUnavailable: the issuer's keys are not known.
        """
        if len(token) > MAX_CHARACTERS or not token.isascii():
            raise Unauthenticated
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is None:
            known = await self._verify(token)
            self._verified.put(digest, known, seconds=(known.expires_at or 0) - time.time())
        elif (known.expires_at or 0) <= time.time():
            raise CredentialEnded
        return known

    async def _verify(self, token: str) -> Identity:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Unauthenticated from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in self._rules.algorithms or not isinstance(key_id, str) or "crit" in header:
            raise Unauthenticated
        key = await self._keys.find(key_id)
        if key is None or key.algorithm_name != algorithm:
            raise Unauthenticated
        return self._identity(self._claims(token, key))

    def _claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        rules = self._rules
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=rules.audience,
                issuer=rules.issuer,
                leeway=rules.leeway_seconds,
                options={"require": list(_REQUIRED), "strict_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialEnded from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated from None

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        rules = self._rules
        tenant, subject = claims.get(rules.tenant_claim), claims["sub"]
        if not (isinstance(tenant, str) and _TENANT.fullmatch(tenant)):
            raise Unauthenticated
        if not (isinstance(subject, str) and _NAME.fullmatch(subject)):
            raise Unauthenticated
        token_id = claims.get("jti")
        return Identity(
            tenant=tenant,
            caller=subject,
            # Whom a service may name no issuer of callers' tokens decides.
            scopes=self._policy.scopes_of(self._roles(claims)) - {ASSERT},
            users=self._users(claims),
            kind=CredentialKind.TOKEN,
            credential_id=token_id[:100] if isinstance(token_id, str) and _NAME.fullmatch(token_id) else "",
            expires_at=self._end(claims["exp"]),
        )

    def _end(self, said: Any) -> float:
        """From when on the token is refused, in seconds since 1970."""
        try:
            seconds = float(said) + self._rules.leeway_seconds
        except OverflowError:
            raise Unauthenticated from None
        if seconds > _LAST_SECOND:
            raise Unauthenticated
        return seconds

    def _roles(self, claims: Mapping[str, Any]) -> list[str]:
        """The names in the claim, a list or words; such as name no role give no right."""
        given = claims.get(self._rules.roles_claim, [])
        names = given.split() if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise Unauthenticated
        return names[:_MOST_ROLES]

    def _users(self, claims: Mapping[str, Any]) -> UserBound:
        claim = self._rules.users_claim
        if not claim:
            return ANYBODY
        given = claims.get(claim)
        if not isinstance(given, str) or not given or given == "*":
            raise Unauthenticated  # a bound that is asked for and missing bounds nobody
        return UserBound(prefix=given[:-1]) if given.endswith("*") else UserBound(user=given)
