"""Who holds a lease: the process, as its certificate names it and as it names itself."""

import hashlib

from consensus_rpc.security.peer import peer_identity
from consensus_rpc.server.context import Context

_LONGEST_IDENTITY = 120
_COLUMN = 255


def lease_holder(context: Context, token: str) -> str:
    """What a lease is bound to: the peer's identity, where it has one, and the token that it gave itself.

    Only the token is the peer's own word. An identity has no space in it, so that none can be another with
    part of a token. Long ones stand as digests: the column has 255 characters.
    """
    identity = peer_identity(context.auth_context())
    if identity is None:
        return token
    holder = f"{_within(identity.name, _LONGEST_IDENTITY)} {token}"
    return holder if len(holder) <= _COLUMN else f"{_digest(identity.name)} {_digest(token)}"


def _within(text: str, longest: int) -> str:
    return text if len(text) <= longest else _digest(text)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
