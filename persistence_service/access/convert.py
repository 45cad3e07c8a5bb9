"""Access keys between their rows, the wire and what authenticates. Pure."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from consensus.v1 import access_service_pb2
from consensus_rpc.access.keys import KeyGrant, KeyRefusal
from consensus_rpc.server.identity import UserBound
from persistence_service.schema.scalars import to_timestamp

Row = Mapping[Any, Any]
_TIMES = ("create_time", "expire_time", "revoke_time", "last_use_time")


def key_message(row: Row) -> access_service_pb2.AccessKey:
    """What is known of a key."""
    message = access_service_pb2.AccessKey(
        key_id=row["key_id"],
        tenant=row["tenant"],
        subject=row["subject"],
        roles=row["roles"].split(),
        note=row["note"],
        creator=row["creator"],
    )
    if row["bound_user"]:
        message.users.user = row["bound_user"]
    elif row["bound_prefix"]:
        message.users.prefix = row["bound_prefix"]
    for name in _TIMES:
        if row[name] is not None:
            getattr(message, name).CopyFrom(to_timestamp(row[name]))
    return message


def is_ended(row: Row, now: datetime) -> bool:
    """Whether the key is refused."""
    return row["revoke_time"] is not None or (row["expire_time"] is not None and row["expire_time"] <= now)


def users_of(row: Row) -> UserBound:
    """For whom the key may act."""
    return UserBound(user=row["bound_user"], prefix=row["bound_prefix"])


def verdict(row: Row | None, secret_digest: bytes, now: datetime) -> KeyGrant | KeyRefusal:
    """What a key comes to whose secret has this digest; compared in a time that says nothing."""
    if row is None:
        return KeyRefusal()
    if not hmac.compare_digest(bytes(row["secret_digest"]), secret_digest):
        return KeyRefusal(row["tenant"])
    if is_ended(row, now):
        return KeyRefusal(row["tenant"], ended=True)
    expires = row["expire_time"]
    return KeyGrant(
        key_id=row["key_id"],
        tenant=row["tenant"],
        subject=row["subject"],
        roles=tuple(row["roles"].split()),
        users=users_of(row),
        expires_at=None if expires is None else expires.timestamp(),
    )
