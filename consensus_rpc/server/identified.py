"""Where certificates are required: nobody comes in whose certificate names nobody."""

from consensus_rpc.errors import Unauthenticated
from consensus_rpc.security.peer import peer_identity
from consensus_rpc.server.admission import Gate
from consensus_rpc.server.context import Context


class Identified:
    """The gate of one call, behind the question who calls."""

    __slots__ = ("_context", "_gate")

    def __init__(self, gate: Gate, context: Context) -> None:
        self._gate = gate
        self._context = context

    def enter(self) -> None:
        """Raises Unauthenticated for a certificate without a name, and what the gate raises."""
        if peer_identity(self._context.auth_context()) is None:
            raise Unauthenticated
        self._gate.enter()

    def leave(self) -> None:
        """Leaves the gate."""
        self._gate.leave()
