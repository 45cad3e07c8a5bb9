"""What other concepts have to do with runs, handed in where the service is built."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sqlalchemy import Connection

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import panel_service_pb2, policy_pb2

SubmittedText: TypeAlias = Callable[[Connection, tuple[str, str], str], str]
"""What the draft with this tenant and id says, for this user."""

FindPanel: TypeAlias = Callable[[str, str, str], Awaitable[panel_service_pb2.Panel]]
"""The panel of this tenant with this id, in its current revision or in the one that begins so."""

FindPolicy: TypeAlias = Callable[[str, str, str], Awaitable[policy_pb2.Policy]]
"""The policy, likewise."""


class UserDataDeletion(Protocol):
    """Who deletes and restores all that belongs to a user, whichever concept it belongs to."""

    async def delete(
        self, request: persistence_service_pb2.DeleteUserDataRequest
    ) -> persistence_service_pb2.DeleteUserDataResponse:
        """All or nothing."""
        ...

    async def undelete(
        self, request: persistence_service_pb2.UndeleteUserDataRequest
    ) -> persistence_service_pb2.UndeleteUserDataResponse:
        """What went with one deletion."""
        ...


class Access(Protocol):
    """Who knows the keys of callers, and enters what was refused to them."""

    async def authenticate(
        self, request: persistence_service_pb2.AuthenticateKeyRequest
    ) -> persistence_service_pb2.AuthenticateKeyResponse:
        """What a key comes to."""
        ...

    async def record_denials(
        self, request: persistence_service_pb2.RecordDenialsRequest
    ) -> persistence_service_pb2.RecordDenialsResponse:
        """Enters denials."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """One of each."""

    submitted_text: SubmittedText
    user_data: UserDataDeletion
    find_panel: FindPanel
    find_policy: FindPolicy
    access: Access
