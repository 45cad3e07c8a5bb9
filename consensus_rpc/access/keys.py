"""Keys as callers hold them: `ck_<id>_<secret>`. Only the digest of the secret goes any further."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from consensus_rpc.server.identity import ANYBODY, UserBound

PREFIX = "ck_"
_FORM = re.compile(r"ck_([0-9a-z]{16})_([0-9A-Za-z_-]{43})", re.ASCII)
_ID_BYTES = 8
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What a caller brought, without the secret itself."""

    key_id: str
    secret_digest: bytes

    def __repr__(self) -> str:
        """The id alone."""
        return f"PresentedKey({self.key_id!r})"


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a valid key comes to; `expires_at` in seconds since 1970."""

    key_id: str
    tenant: str
    subject: str
    roles: Sequence[str]
    users: UserBound = ANYBODY
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyRefusal:
    """A key that is not valid: whose it would be, where its id is known, and whether it once was."""

    tenant: str = ""
    ended: bool = False


class KeyDirectory(Protocol):
    """Knows the keys."""

    async def find(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        """What a key comes to.

        Raises:
            ConsensusError: it cannot be looked up now.
        """


def new_key() -> tuple[str, PresentedKey]:
    """A key of 256 random bits, as it is shown once, and what is kept of it."""
    key_id = secrets.token_hex(_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return f"{PREFIX}{key_id}_{secret}", PresentedKey(key_id, secret_digest(secret))


def parse_key(text: str) -> PresentedKey | None:
    """The key, or None where the text has not the form of one."""
    form = _FORM.fullmatch(text)
    return None if form is None else PresentedKey(form[1], secret_digest(form[2]))


def secret_digest(secret: str) -> bytes:
    """What is kept of a secret. It is random: nothing slower makes guessing it any harder."""
    return hashlib.sha256(secret.encode("ascii")).digest()
