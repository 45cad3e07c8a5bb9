# Made by `make sync` from consensus_client/_async/access_client.py; never edited.
"""The synchronous clients of AccessService and IdentityService."""

from collections.abc import Sequence
from datetime import timedelta

from consensus.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
)
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.requests import duration, new_key
from consensus_client.sync_transport import Channel


class SyncAccessClient(SyncServiceClient):
    """Makes, lists and ends access keys; raises the errors of the contract.

    `target` is the persistence service. A key is in the answer that makes it, and nowhere else: where that
    was lost on the way, revoke the key and make another.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = access_service_pb2_grpc.AccessServiceStub(channel)

    def create(
        self,
        subject: str,
        roles: Sequence[str],
        *,
        user: str = "",
        user_prefix: str = "",
        ttl: timedelta | None = None,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> access_service_pb2.CreateKeyResponse:
        """A new key of the caller's tenant; with `user` or `user_prefix` it acts for those alone."""
        users = access_service_pb2.UserBound()
        if user:
            users.user = user
        elif user_prefix:
            users.prefix = user_prefix
        request = access_service_pb2.CreateKeyRequest(
            subject=subject,
            roles=roles,
            users=users if user or user_prefix else None,
            ttl=duration(ttl),
            note=note,
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.CreateKey, request)

    def list_page(self, *, page_size: int = 0, page_token: str = "") -> access_service_pb2.ListKeysResponse:
        """A page of keys, newest first."""
        request = access_service_pb2.ListKeysRequest(page_size=page_size, page_token=page_token)
        return self._connection.call(self._stub.ListKeys, request)

    def rotate(
        self,
        key_id: str,
        *,
        overlap: timedelta | None = None,
        ttl: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> access_service_pb2.RotateKeyResponse:
        """A key in the place of another, which stays valid for `overlap`, a day unless given."""
        request = access_service_pb2.RotateKeyRequest(
            key_id=key_id,
            overlap=duration(overlap),
            ttl=duration(ttl),
            idempotency_key=new_key(idempotency_key),
        )
        return self._connection.call(self._stub.RotateKey, request)

    def revoke(self, key_id: str, *, idempotency_key: str | None = None) -> access_service_pb2.AccessKey:
        """The key, ended for good."""
        request = access_service_pb2.RevokeKeyRequest(key_id=key_id, idempotency_key=new_key(idempotency_key))
        return self._connection.call(self._stub.RevokeKey, request).key


class SyncIdentityClient(SyncServiceClient):
    """Asks either service who calls; raises the errors of the contract."""

    def _attach(self, channel: Channel) -> None:
        self._stub = identity_service_pb2_grpc.IdentityServiceStub(channel)

    def who_am_i(self) -> identity_service_pb2.WhoAmIResponse:
        """What the credential comes to at the service that is asked."""
        request = identity_service_pb2.WhoAmIRequest()
        return self._connection.call(self._stub.WhoAmI, request)
