"""Enums of the contract as the tables spell them, and how authors are shown. Pure."""

import hashlib

from consensus.v1 import draft_pb2
from persistence_service.schema.scalars import enum_number, enum_text

ACTIVE, LOCKED, COMPLETED = "ACTIVE", "LOCKED", "COMPLETED"
SUBMITTED = frozenset({ACTIVE, COMPLETED})
"""What a draft is in when somebody wants it reviewed."""

OWNER, EDITOR, VIEWER = "OWNER", "EDITOR", "VIEWER"
WRITERS = frozenset({OWNER, EDITOR})
PENDING, ACCEPTED, DECLINED, REVOKED, EXPIRED = "PENDING", "ACCEPTED", "DECLINED", "REVOKED", "EXPIRED"

_DISPLAY_DIGITS = 6


def state_text(number: draft_pb2.DraftState.ValueType) -> str:
    """Such as `ACTIVE`."""
    return enum_text(draft_pb2.DraftState, "DRAFT_STATE_", number)


def state_number(text: str) -> draft_pb2.DraftState.ValueType:
    """From such as `ACTIVE`."""
    number: draft_pb2.DraftState.ValueType = enum_number(draft_pb2.DraftState, "DRAFT_STATE_", text)
    return number


def platform_text(number: draft_pb2.DraftPlatform.ValueType) -> str:
    """Such as `x`; empty for none."""
    return enum_text(draft_pb2.DraftPlatform, "DRAFT_PLATFORM_", number).lower() if number else ""


def platform_number(text: str) -> draft_pb2.DraftPlatform.ValueType:
    """From such as `x`."""
    number: draft_pb2.DraftPlatform.ValueType = enum_number(
        draft_pb2.DraftPlatform, "DRAFT_PLATFORM_", text.upper() or "UNSPECIFIED"
    )
    return number


def role_text(number: draft_pb2.CollaboratorRole.ValueType) -> str:
    """Such as `EDITOR`."""
    return enum_text(draft_pb2.CollaboratorRole, "COLLABORATOR_ROLE_", number)


def role_number(text: str) -> draft_pb2.CollaboratorRole.ValueType:
    """From such as `EDITOR`."""
    number: draft_pb2.CollaboratorRole.ValueType = enum_number(
        draft_pb2.CollaboratorRole, "COLLABORATOR_ROLE_", text
    )
    return number


def invitation_state_number(text: str) -> draft_pb2.InvitationState.ValueType:
    """From such as `PENDING`."""
    number: draft_pb2.InvitationState.ValueType = enum_number(
        draft_pb2.InvitationState, "INVITATION_STATE_", text
    )
    return number


def author_display(user: str) -> str:
    """An author's name for showing, which does not give the id away: `@u_` and six hexadecimal digits."""
    name = hashlib.sha1(user.encode(), usedforsecurity=False).hexdigest()
    return f"@u_{name[-_DISPLAY_DIGITS:]}"
