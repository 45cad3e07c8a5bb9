"""IdentityService, which every server here has for its own callers."""
# ruff: noqa: N802 - names are those of the generated base

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import access_service_pb2, identity_service_pb2, identity_service_pb2_grpc
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import CredentialKind, UserBound, identity_of

IDENTITY_SERVICE = "consensus.v1.IdentityService"
_KINDS = {
    CredentialKind.NONE: identity_service_pb2.CREDENTIAL_KIND_NONE,
    CredentialKind.KEY: identity_service_pb2.CREDENTIAL_KIND_KEY,
    CredentialKind.TOKEN: identity_service_pb2.CREDENTIAL_KIND_TOKEN,
    CredentialKind.CERTIFICATE: identity_service_pb2.CREDENTIAL_KIND_CERTIFICATE,
}


class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """Says what a credential comes to."""

    async def WhoAmI(
        self,
        request: identity_service_pb2.WhoAmIRequest,  # noqa: ARG002 - has no fields
        context: Context,
    ) -> identity_service_pb2.WhoAmIResponse:
        identity = identity_of(context)
        expires_at = identity.expires_at
        return identity_service_pb2.WhoAmIResponse(
            tenant=identity.tenant,
            caller=identity.caller,
            scopes=sorted(identity.scopes or ()),
            users=bound_message(identity.users),
            kind=_KINDS[identity.kind],
            credential_id=identity.credential_id,
            expire_time=None if expires_at is None else Timestamp(seconds=int(expires_at)),
        )


def bound_message(users: UserBound) -> access_service_pb2.UserBound | None:
    """The bound on the wire; None for anybody."""
    if users.is_anybody:
        return None
    if users.user:
        return access_service_pb2.UserBound(user=users.user)
    return access_service_pb2.UserBound(prefix=users.prefix)


def bound_of(message: access_service_pb2.UserBound) -> UserBound:
    """The bound that a message says; an empty one for anybody."""
    return UserBound(user=message.user, prefix=message.prefix)
