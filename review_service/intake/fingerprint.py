"""What a request means, as 32 bytes: equal for equal requests whatever their encoding."""

import hashlib

import rfc8785
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from consensus.internal.v1 import persistence_service_pb2

# They name or accompany the request, and are no part of its meaning.
_LEFT_OUT = ("idempotency_key", "on_disconnect")


def fingerprint(request: Message) -> bytes:
    """SHA-256 over the canonical JSON (RFC 8785) of the request; unset fields count as absent."""
    meaning = MessageToDict(request, preserving_proto_field_name=True)
    for name in _LEFT_OUT:
        meaning.pop(name, None)
    return hashlib.sha256(rfc8785.dumps(meaning)).digest()


def idempotency_claim(request: Message, key: str) -> persistence_service_pb2.IdempotencyClaim | None:
    """The caller's key and what it stands for; None when the caller gave none."""
    if not key:
        return None
    return persistence_service_pb2.IdempotencyClaim(key=key, fingerprint=fingerprint(request))
