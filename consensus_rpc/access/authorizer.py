"""Who may what, by the policy: denied unless a row allows it."""

from collections.abc import Collection
from typing import Any

from consensus_rpc.access.acting import check_acting
from consensus_rpc.access.policy import ANYONE, KNOWN, AccessPolicy
from consensus_rpc.errors import PermissionDenied
from consensus_rpc.server.identity import Identity


class PolicyAuthorizer:
    """Holds calls against the policy's rows."""

    def __init__(self, policy: AccessPolicy) -> None:
        self._policy = policy

    def check_methods(self, registered: Collection[str]) -> None:
        """Raises PolicyError where the policy does not fit what a server answers."""
        self._policy.check_methods(registered)

    def is_open(self, method: str) -> bool:
        """Whether whoever calls it is answered, without a credential."""
        return ANYONE in self._policy.methods.get(method, frozenset())

    def allow(self, method: str, identity: Identity) -> None:
        """Raises PermissionDenied: no row allows it."""
        asked = self._policy.methods.get(method, frozenset())
        if not any(scope == KNOWN or identity.may(scope) for scope in asked):
            raise PermissionDenied(method=method)

    def check_request(self, method: str, identity: Identity, request: Any) -> None:
        """Raises UserNotAllowed for users beyond the credential's, PermissionDenied for another's tenant."""
        if not check_acting(identity, request):
            raise PermissionDenied(method=method)
