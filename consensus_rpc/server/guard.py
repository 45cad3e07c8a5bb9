"""Who may call what: asked of every call before its request is parsed, and of every request after that.

What a credential is, and who has which rights, the room `consensus_rpc.security` knows.
"""

from collections.abc import Collection
from typing import Any, Protocol

from consensus_contract.errors import ConsensusError
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import EVERYONE, Identity


class PolicyError(Exception):
    """The policy of access cannot be used; the message says why."""


class MethodGuard(Protocol):
    """Guards one method."""

    async def enter(self, context: Context) -> Identity:
        """Who calls.

        Raises:
            ConsensusError: nobody is known to call, or who calls may not.
        """

    def check(self, identity: Identity, request: Any) -> None:
        """Raises PermissionDenied or UserNotAllowed where it names whom the caller may not act for."""

    def refused(self, identity: Identity, error: ConsensusError) -> None:
        """Is told that a handler has refused a call which `check` had let through."""


class Guard(Protocol):
    """Guards a server."""

    def of(self, method: str) -> MethodGuard:
        """What guards a method, given as `package.Service/Method`."""

    def check_methods(self, registered: Collection[str]) -> None:
        """Raises PolicyError where it does not know all methods of a server, or others too."""

    async def check_again(self, identity: Identity) -> None:
        """Raises CredentialEnded where a credential that was valid is so no more."""


class Authenticator(Protocol):
    """Knows who calls."""

    async def authenticate(self, context: Context) -> Identity:
        """Who calls.

        Raises:
            Unauthenticated: there is no credential, or none that was ever valid.
            CredentialEnded: it was valid.
            CredentialExposed: it came in the clear.
        """

    async def check_again(self, identity: Identity) -> None:
        """Raises CredentialEnded where the credential is valid no more."""


class Authorizer(Protocol):
    """Knows who may what."""

    def check_methods(self, registered: Collection[str]) -> None:
        """Raises PolicyError where it does not know all methods of a server, or others too."""

    def is_open(self, method: str) -> bool:
        """Whether whoever calls it is answered, without a credential."""

    def allow(self, method: str, identity: Identity) -> None:
        """Raises PermissionDenied where the caller may not use the method."""

    def check_request(self, method: str, identity: Identity, request: Any) -> None:
        """Raises PermissionDenied or UserNotAllowed where it names whom the caller may not act for."""


class OpenGuard:
    """Lets everybody do everything: authentication is off. What the policy says is held all the same."""

    def __init__(self, authorizer: Authorizer | None = None) -> None:
        self._authorizer = authorizer

    def check_methods(self, registered: Collection[str]) -> None:
        """Raises PolicyError: the policy that would hold were authentication on is not fit for it."""
        if self._authorizer is not None:
            self._authorizer.check_methods(registered)

    def of(self, method: str) -> "OpenGuard":  # noqa: ARG002 - all alike
        return self

    async def enter(self, context: Context) -> Identity:  # noqa: ARG002 - all alike
        return EVERYONE

    def check(self, identity: Identity, request: Any) -> None:
        """Refuses nothing."""

    def refused(self, identity: Identity, error: ConsensusError) -> None:
        """Keeps no denials."""

    async def check_again(self, identity: Identity) -> None:
        """Refuses nobody."""
