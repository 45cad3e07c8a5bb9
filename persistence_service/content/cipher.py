"""Sealing with one key: AES-256 in GCM, each value under a key of its own that is derived from it."""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12


class NotSealedWithThisKeyError(ValueError):
    """The value was sealed with another key, for another place, or has been changed."""


def new_key() -> bytes:
    """A key of 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plain: bytes, place: str) -> bytes:
    """Salt, nonce and ciphertext; it opens only with the key and for the same place.

    A nonce of 96 random bits may be used some 2^32 times with one key (NIST SP 800-38D, 8.3), which a busy
    service reaches in days: so each value has its own key, HMAC-SHA256 of a random salt.
    """
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    return salt + nonce + AESGCM(_derived(key, salt)).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """What was sealed.

    Raises:
        NotSealedWithThisKeyError: it does not open.
    """
    salt, rest = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    try:
        return AESGCM(_derived(key, salt)).decrypt(nonce, ciphertext, place.encode())
    except (InvalidTag, ValueError) as error:
        raise NotSealedWithThisKeyError from error


def _derived(key: bytes, salt: bytes) -> bytes:
    return hmac.digest(key, salt, "sha256")
