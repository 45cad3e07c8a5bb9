"""Who is signed in: a credential within a cookie that only the door can read.

Browsers send no `Authorization` where a page is opened. So the page alone, no RPC and no plain HTTP, takes
the credential from a cookie: encrypted, out of reach of scripts, and sent along by nothing that another site
begins (HttpOnly, SameSite=Strict). The door keeps nothing of it.
"""

import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import Response

from consensus_door.services.calling import AUTHORIZATION, Credential

COOKIE = "consensus_door"
MOST_CREDENTIAL_CHARACTERS = 2500
"""More, encrypted, is more than browsers keep of a cookie."""

_SECONDS = 12 * 3600
_NONCE_BYTES = 12
_PURPOSE = b"consensus_door session"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser: a random name for it, and the credential that it signed in with, if it did."""

    name: str
    credential: Credential

    @classmethod
    def begun(cls, credential: Credential | None = None) -> "Session":
        """One with a name that nobody knew before, so that nobody can have planted it."""
        return cls(secrets.token_urlsafe(16), credential or Credential())


class Sessions:
    """Seals sessions into cookies, and knows the tokens of their forms."""

    def __init__(self, secret: str | None = None) -> None:
        """Without a secret one is made: cookies of another door, or of before a restart, are not read."""
        material = (secret or secrets.token_urlsafe(32)).encode()
        self._cipher = AESGCM(hashlib.sha256(b"cookie " + material).digest())
        self._token_key = hashlib.sha256(b"token " + material).digest()

    def of(self, request: Request) -> Session | None:
        """That of a request: the cookie's, but an `Authorization` goes before it; None without either.

        Raises:
            Unauthenticated: the `Authorization` can be no credential.
        """
        kept = self._opened(request.cookies.get(COOKIE, ""))
        if AUTHORIZATION in request.headers:
            name = kept.name if kept else Session.begun().name
            return Session(name, Credential.of(request.headers))
        return kept

    def keep(self, response: Response, session: Session, *, is_secure: bool) -> None:
        """Lets the browser keep it for twelve hours."""
        response.set_cookie(
            COOKIE, self.sealed(session), max_age=_SECONDS, httponly=True, samesite="strict", secure=is_secure
        )

    def forget(self, response: Response) -> None:
        """Lets the browser forget it."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    def token(self, session: Session) -> str:
        """What the session's forms carry, and nobody else's can (CSRF)."""
        return hmac.new(self._token_key, session.name.encode(), hashlib.sha256).hexdigest()

    def is_token(self, session: Session | None, given: str) -> bool:
        """Whether a form is one of the session's, compared in constant time."""
        return session is not None and hmac.compare_digest(self.token(session).encode(), given.encode())

    def sealed(self, session: Session) -> str:
        """The cookie's value."""
        told = {"name": session.name, "credential": session.credential.text, "until": time.time() + _SECONDS}
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(told).encode(), _PURPOSE)
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def _opened(self, value: str) -> Session | None:
        """None for what this door did not seal, or longer than twelve hours ago."""
        try:
            raw = urlsafe_b64decode(value.encode() + b"==")
            told = json.loads(self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _PURPOSE))
        except (InvalidTag, ValueError):
            return None
        if told["until"] < time.time():
            return None
        return Session(told["name"], Credential(told["credential"]))
