"""Webhooks as both ends know them: the headers, secrets and signatures of Standard Webhooks 1.0. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
_NEW_SECRET_BYTES = 32
_VERSION = "v1"


def new_secret() -> str:
    """A secret of 32 random bytes, as receivers and settings spell it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET_BYTES)).decode()


def secrets_of(text: str) -> tuple[bytes, ...]:
    """The secrets of a list with blanks, commas or line ends between them, each `whsec_…`.

    Raises:
        ValueError: there is none, or one is none; the text is not repeated.
    """
    found = tuple(_secret(each) for each in text.replace(",", " ").split())
    if not found:
        raise ValueError("holds no secret")
    return found


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message that is sent at `timestamp`, in seconds since 1970."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def _secret(text: str) -> bytes:
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(f"does not begin with {SECRET_PREFIX}")
    try:
        raw = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if not LEAST_SECRET_BYTES <= len(raw) <= MOST_SECRET_BYTES:
        raise ValueError(f"has not {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes")
    return raw
