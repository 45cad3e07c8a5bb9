"""Who calls, by whatever credential a call brings: a key, an issuer's token, or its certificate."""

import time
from typing import Protocol

from consensus_rpc.access.bearer import bearer_of
from consensus_rpc.access.keys import PREFIX, KeyGrant, PresentedKey, parse_key
from consensus_rpc.access.known_keys import KnownKeys
from consensus_rpc.access.policy import AccessPolicy
from consensus_rpc.errors import CredentialEnded, Unauthenticated
from consensus_rpc.security.peer import peer_identity
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import CredentialKind, Identity


class TokenVerifier(Protocol):
    """Knows tokens of issuers."""

    async def verify(self, token: str) -> Identity:
        """Whom a token stands for.

        Raises:
            Unauthenticated, CredentialEnded, IssuerUnavailable: it is not valid, no more, or cannot be told.
        """


class RefusedKey(Unauthenticated):
    """No valid key; the audit trail is told whose it would be, and the caller is not."""

    def __init__(self, key_id: str, tenant: str) -> None:
        super().__init__()
        self.key_id = key_id
        self.tenant = tenant


class EndedKey(CredentialEnded):
    """A key that was valid; the audit trail is told whose, since only who had its secret comes so far."""

    def __init__(self, key_id: str, tenant: str) -> None:
        super().__init__()
        self.key_id = key_id
        self.tenant = tenant


class CredentialAuthenticator:
    """Takes a bearer credential before a certificate: a service may carry another's word."""

    def __init__(
        self,
        policy: AccessPolicy,
        *,
        keys: KnownKeys | None,
        tokens: TokenVerifier | None,
        loopback_suffices: bool,
    ) -> None:
        """Without `keys`, or without `tokens`, none of that kind is valid."""
        self._policy = policy
        self._keys = keys
        self._tokens = tokens
        self._loopback_suffices = loopback_suffices

    async def authenticate(self, context: Context) -> Identity:
        """Who calls; raises as `Authenticator` says."""
        bearer = bearer_of(context, loopback_suffices=self._loopback_suffices)
        if bearer is None:
            return self._certified(context)
        if bearer.startswith(PREFIX):
            return await self._by_key(parse_key(bearer))
        if self._tokens is None:
            raise Unauthenticated
        return await self._tokens.verify(bearer)

    async def check_again(self, identity: Identity) -> None:
        """Raises CredentialEnded where the credential is valid no more."""
        if identity.expires_at is not None and identity.expires_at <= time.time():
            raise CredentialEnded
        if identity.kind is CredentialKind.KEY:
            await self._by_key(PresentedKey(identity.credential_id, identity.secret_digest))

    async def _by_key(self, key: PresentedKey | None) -> Identity:
        if key is None or self._keys is None:
            raise Unauthenticated
        found = await self._keys.find(key)
        if not isinstance(found, KeyGrant):
            raise (EndedKey if found.ended else RefusedKey)(key.key_id, found.tenant)
        return Identity(
            tenant=found.tenant,
            caller=found.subject,
            scopes=self._policy.scopes_of(found.roles),
            users=found.users,
            kind=CredentialKind.KEY,
            credential_id=found.key_id,
            expires_at=found.expires_at,
            secret_digest=key.secret_digest,
        )

    def _certified(self, context: Context) -> Identity:
        peer = peer_identity(context.auth_context())
        for name in peer.names if peer else ():
            rights = self._policy.certificates.get(name)
            if rights is not None:
                return Identity(
                    tenant=rights.tenant,
                    caller=name,
                    scopes=rights.scopes,
                    kind=CredentialKind.CERTIFICATE,
                    credential_id=name,
                )
        raise Unauthenticated
