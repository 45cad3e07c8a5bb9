"""AccessService: the keys of the caller's tenant."""
# ruff: noqa: N802 - names are those of the generated base

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from consensus.v1 import access_service_pb2, access_service_pb2_grpc
from consensus_contract.errors import BeyondOwnRights
from consensus_rpc.access.keys import new_key
from consensus_rpc.access.policy import AccessPolicy
from consensus_rpc.access.who_am_i import bound_of
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import CredentialKind, Identity, UserBound, identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.access import changing, convert, repository
from persistence_service.access.denied import security_stream
from persistence_service.access.repository import NewKey, Row
from persistence_service.database import Database
from persistence_service.idempotency.keys import key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.entries import Actor
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import from_microseconds, microseconds, storable

OP_CREATE, OP_ROTATE, OP_REVOKE = "key.create", "key.rotate", "key.revoke"
"""The operations under which idempotency keys stand."""
DEFAULT_OVERLAP = timedelta(days=1)


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """Makes, lists and ends keys; what a stored answer holds is without any secret."""

    def __init__(self, database: Database, signing: Signing, once: OncePerKey, policy: AccessPolicy) -> None:
        self._database = database
        self._signing = signing
        self._once = once
        self._policy = policy

    async def CreateKey(
        self, request: access_service_pb2.CreateKeyRequest, context: Context
    ) -> access_service_pb2.CreateKeyResponse:
        identity, users = identity_of(context), bound_of(request.users)
        self._check_rights(identity, request.roles, users)
        shown, made = new_key()

        def create(connection: Connection, now: datetime) -> access_service_pb2.CreateKeyResponse:
            ttl = request.ttl.ToTimedelta() if request.HasField("ttl") else None
            key = NewKey(
                tenant=identity.tenant,
                key_id=made.key_id,
                secret_digest=made.secret_digest,
                subject=request.subject,
                roles=request.roles,
                users=users,
                note=storable(request.note, "note"),
                creator=identity.caller,
                expire_time=_no_later(identity, now, ttl),
            )
            row = changing.create(self._database.now, connection, key, _actor(identity), now)
            return access_service_pb2.CreateKeyResponse(key=convert.key_message(row))

        use = key_use(identity, OP_CREATE, "", request, request.idempotency_key)
        answer = access_service_pb2.CreateKeyResponse
        response = await self._once.change(
            identity.tenant, use, create, answer, security_stream(identity.tenant)
        )
        if response.key.key_id == made.key_id:  # else it was made before, and shown then
            response.secret = shown
        return response

    async def RotateKey(
        self, request: access_service_pb2.RotateKeyRequest, context: Context
    ) -> access_service_pb2.RotateKeyResponse:
        identity = identity_of(context)
        shown, made = new_key()
        overlap = request.overlap.ToTimedelta() if request.HasField("overlap") else DEFAULT_OVERLAP

        def rotate(connection: Connection, now: datetime) -> access_service_pb2.RotateKeyResponse:
            old = repository.lock(connection, identity.tenant, request.key_id)
            self._check_rights_over(identity, old)
            ttl = request.ttl.ToTimedelta() if request.HasField("ttl") else None
            key = NewKey(
                tenant=identity.tenant,
                key_id=made.key_id,
                secret_digest=made.secret_digest,
                subject=old["subject"],
                roles=old["roles"].split(),
                users=convert.users_of(old),
                note=old["note"],
                creator=identity.caller,
                expire_time=_no_later(identity, now, ttl),
            )
            rows = changing.rotate(self._database.now, connection, old, key, overlap, _actor(identity), now)
            new_message, old_message = map(convert.key_message, rows)
            return access_service_pb2.RotateKeyResponse(key=new_message, replaced_key=old_message)

        use = key_use(identity, OP_ROTATE, request.key_id, request, request.idempotency_key)
        answer = access_service_pb2.RotateKeyResponse
        response = await self._once.change(
            identity.tenant, use, rotate, answer, security_stream(identity.tenant)
        )
        if response.key.key_id == made.key_id:
            response.secret = shown
        return response

    async def RevokeKey(
        self, request: access_service_pb2.RevokeKeyRequest, context: Context
    ) -> access_service_pb2.RevokeKeyResponse:
        identity, clock = identity_of(context), self._database.now

        def revoke(connection: Connection, now: datetime) -> access_service_pb2.RevokeKeyResponse:
            row = changing.revoke(clock, connection, identity.tenant, request.key_id, _actor(identity), now)
            return access_service_pb2.RevokeKeyResponse(key=convert.key_message(row))

        use = key_use(identity, OP_REVOKE, request.key_id, request, request.idempotency_key)
        answer = access_service_pb2.RevokeKeyResponse
        return await self._once.change(identity.tenant, use, revoke, answer, security_stream(identity.tenant))

    async def ListKeys(
        self, request: access_service_pb2.ListKeysRequest, context: Context
    ) -> access_service_pb2.ListKeysResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["access_keys", tenant]
        after = None
        if request.page_token:
            micros, key_id = signer.position(binding, request.page_token)
            after = (from_microseconds(micros), key_id)
        rows = await self._database.run(
            lambda connection: repository.page(connection, tenant, after, size + 1),
            tenant=tenant,
            read_only=True,
            resource="access_keys",
        )
        keys = fitting(map(convert.key_message, rows), size)
        response = access_service_pb2.ListKeysResponse(keys=keys)
        if len(keys) < len(rows):
            last = rows[len(keys) - 1]
            position = [microseconds(last["create_time"]), last["key_id"]]
            response.next_page_token = signer.token(binding, position)
        return response

    def _check_rights(self, identity: Identity, roles: Sequence[str], users: UserBound) -> None:
        """Raises InvalidField for a role that is none, BeyondOwnRights for more than its maker has."""
        for index, role in enumerate(roles):
            if role not in self._policy.roles:
                raise InvalidField(field=f"roles[{index}]", description="is a role of the access policy")
        for scope in sorted(self._policy.scopes_of(roles)):
            if not identity.may(scope):
                raise BeyondOwnRights(scope=scope)
        if not identity.users.covers(users):
            raise BeyondOwnRights

    def _check_rights_over(self, identity: Identity, row: Row) -> None:
        """As `_check_rights`, for a key that is there: its successor would do what it does."""
        for scope in sorted(self._policy.scopes_of(row["roles"].split())):
            if not identity.may(scope):
                raise BeyondOwnRights(scope=scope)
        if not identity.users.covers(convert.users_of(row)):
            raise BeyondOwnRights


def _actor(identity: Identity) -> Actor:
    return Actor(identity.caller, "", current_request_id() or "")


def _no_later(identity: Identity, now: datetime, ttl: timedelta | None) -> datetime | None:
    """When a new key ends: after the time that was asked for, and never after the key that makes it.

    An issuer's tokens are all short: what a person makes who came with one may outlast it.
    """
    asked = None if ttl is None else now + ttl
    if identity.kind is not CredentialKind.KEY or identity.expires_at is None:
        return asked
    own = datetime.fromtimestamp(identity.expires_at, UTC)
    return own if asked is None else min(asked, own)
