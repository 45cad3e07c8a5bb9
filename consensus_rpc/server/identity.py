"""Who calls: the one place from which tenant and caller come."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum

ASSERT = "assert"
"""The scope of services that name in fields for whom they call."""


class CredentialKind(Enum):
    """How a caller proved who it is."""

    NONE = "none"
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - a kind, no secret
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class UserBound:
    """For which users a credential acts: one, those whose id begins so, or with neither all."""

    user: str = ""
    prefix: str = ""

    @property
    def is_anybody(self) -> bool:
        """Whether no user is refused."""
        return not (self.user or self.prefix)

    def allows(self, user: str) -> bool:
        """Whether requests may name this user, or with an empty one nobody.

        Who is bound must say for whom it acts: else it would act for the tenant as a whole, which is more.
        """
        if self.user:
            return user == self.user
        return user.startswith(self.prefix) and (bool(user) or not self.prefix)

    def covers(self, other: "UserBound") -> bool:
        """Whether all whom the other allows are allowed here."""
        if self.is_anybody:
            return True
        if self.user:
            return other.user == self.user
        return (other.user or other.prefix).startswith(self.prefix)


ANYBODY = UserBound()


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom rows belong to, and the subject of the credential; neither is ever a field of a public request."""

    tenant: str
    caller: str
    scopes: frozenset[str] | None = frozenset()
    """What it may do; None: everything."""
    users: UserBound = ANYBODY
    kind: CredentialKind = CredentialKind.NONE
    credential_id: str = ""
    expires_at: float | None = None
    """Seconds since 1970."""
    secret_digest: bytes = b""
    """Of a key, so that it can be looked up again."""

    def may(self, scope: str) -> bool:
        """Whether the credential has this scope."""
        return self.scopes is None or scope in self.scopes

    def __repr__(self) -> str:
        """Whom it stands for; a digest is nobody's business."""
        return f"Identity(tenant={self.tenant!r}, caller={self.caller!r}, kind={self.kind.value})"


EVERYONE = Identity(tenant="default", caller="anonymous", scopes=None)
"""Everyone, while authentication is off."""

_identity: ContextVar[Identity] = ContextVar("identity", default=EVERYONE)


def bind_identity(identity: Identity) -> None:
    """Says who makes the call that the current task answers; gRPC runs each call in a task of its own."""
    _identity.set(identity)


def identity_of(context: object) -> Identity:  # noqa: ARG001 - the call's; its task has only one
    """Who makes a call: what the interceptor has found before any handler ran."""
    return _identity.get()
