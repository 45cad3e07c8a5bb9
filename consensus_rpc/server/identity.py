"""Who calls: the one place from which tenant and caller come."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom rows belong to, and the subject of the credential; neither is ever a field of a public request."""

    tenant: str
    caller: str


UNAUTHENTICATED = Identity(tenant="default", caller="anonymous")
"""Everyone, while authentication is off."""


def identity_of(context: object) -> Identity:  # noqa: ARG001 - the credential will be read from it
    return UNAUTHENTICATED
