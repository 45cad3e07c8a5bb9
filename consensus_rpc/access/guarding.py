"""The guard of a server: who calls, whether they may, and a word to the audit trail where not."""

from collections.abc import Collection
from typing import Any, Protocol

from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import PermissionDenied, Unauthenticated, UserNotAllowed
from consensus_rpc.server.context import Context
from consensus_rpc.server.guard import Authenticator, Authorizer
from consensus_rpc.server.identity import EVERYONE, Identity


class Denied(Protocol):
    """Is told of each call that was refused; never waits, never raises."""

    def __call__(self, method: str, identity: Identity | None, error: ConsensusError) -> None:
        """`identity` is None where nobody is known to have called."""


class AccessGuard:
    """Asks who calls, then whether they may."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, denied: Denied) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._denied = denied

    def check_methods(self, registered: Collection[str]) -> None:
        """Raises PolicyError where the policy does not fit what a server answers."""
        self._authorizer.check_methods(registered)

    def of(self, method: str) -> "GuardedMethod":
        """What guards one method."""
        return GuardedMethod(method, self._authenticator, self._authorizer, self._denied)

    async def check_again(self, identity: Identity) -> None:
        """Raises CredentialEnded where the credential is valid no more."""
        await self._authenticator.check_again(identity)


class GuardedMethod:
    """Guards one method."""

    __slots__ = ("_authenticator", "_authorizer", "_denied", "_is_open", "_method")

    def __init__(
        self, method: str, authenticator: Authenticator, authorizer: Authorizer, denied: Denied
    ) -> None:
        self._method = method
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._denied = denied
        self._is_open = authorizer.is_open(method)

    async def enter(self, context: Context) -> Identity:
        """Who calls; raises as `MethodGuard` says."""
        if self._is_open:
            return EVERYONE
        identity = None
        try:
            identity = await self._authenticator.authenticate(context)
            self._authorizer.allow(self._method, identity)
        except ConsensusError as error:
            if error.status_code in {Unauthenticated.code, PermissionDenied.code}:
                self._denied(self._method, identity, error)
            raise
        return identity

    def check(self, identity: Identity, request: Any) -> None:
        """Raises PermissionDenied or UserNotAllowed where it names whom the caller may not act for."""
        if self._is_open:
            return
        try:
            self._authorizer.check_request(self._method, identity, request)
        except (PermissionDenied, UserNotAllowed) as error:
            self._denied(self._method, identity, error)
            raise

    def refused(self, identity: Identity, error: ConsensusError) -> None:
        """A handler has refused a call: that is a denial like any other."""
        self._denied(self._method, identity, error)
