"""Credentials as they come with a call: `authorization: Bearer …`, over a connection of two."""

from urllib.parse import unquote

from consensus_rpc.errors import CredentialExposed, Unauthenticated
from consensus_rpc.server.context import Context

AUTHORIZATION = "authorization"
_SCHEME = "bearer "
_MAX_CHARACTERS = 8192
_LOOPBACK = ("ipv4:127.", "ipv6:[::1]", "unix:")


def bearer_of(context: Context, *, loopback_suffices: bool) -> str | None:
    """The credential that a call brings; None where it brings none.

    Raises:
        Unauthenticated: several, one of another kind, or one that is too long.
        CredentialExposed: it came in the clear.
    """
    found = [value for key, value in context.invocation_metadata() or () if key == AUTHORIZATION]
    if not found:
        return None
    if not (_is_encrypted(context) or (loopback_suffices and _is_loopback(context))):
        raise CredentialExposed
    given = found[0]
    if len(found) > 1 or not isinstance(given, str) or len(given) > _MAX_CHARACTERS:
        raise Unauthenticated
    if given[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated
    return given[len(_SCHEME) :].strip()


def _is_encrypted(context: Context) -> bool:
    return b"ssl" in context.auth_context().get("transport_security_type", ())


def _is_loopback(context: Context) -> bool:
    return unquote(context.peer()).startswith(_LOOPBACK)
