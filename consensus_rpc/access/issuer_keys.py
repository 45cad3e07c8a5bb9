"""The public keys of an issuer of tokens (JWKS, RFC 7517), from a file or from its address."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from consensus_rpc.errors import IssuerUnavailable
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()

Keys = Mapping[str, PyJWK]
MAX_BYTES = 256 * 1024
_MOST_KEYS = 100
_FETCH_SECONDS = 5.0
_REFRESH_SECONDS = 600.0
_LEAST_SECONDS_BETWEEN = 30.0
_MOST_AGE_SECONDS = 3600.0
_LEAST_RSA_BITS = 2048


class BadKeySetError(Exception):
    """What should be a key set is none, or cannot be read; the message says why."""


class IssuerKeys:
    """Keeps an issuer's keys; reads them anew every ten minutes, and for a key that it does not know.

    Read in a thread, at most once in 30 s whatever tokens come, so that nobody can make it ask the issuer
    more often. An issuer that is away is asked again; what it last said holds for an hour.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = monotonic) -> None:
        """`source` is a path, or an address that begins with `http`."""
        self._source = source
        self._clock = clock
        self._keys: Keys = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> PyJWK | None:
        """The key of this id; None where the issuer has none such.

        Raises:
            IssuerUnavailable: it was never reached, or not for an hour.
        """
        if self._is_due(_REFRESH_SECONDS) or (key_id not in self._keys and self._is_due(0)):
            waits = self._is_too_old() or key_id not in self._keys
            reading = self._read_soon()
            if waits:
                await asyncio.shield(reading)
        elif self._reading is not None and key_id not in self._keys:
            await asyncio.shield(self._reading)
        if self._is_too_old():
            raise IssuerUnavailable
        return self._keys.get(key_id)

    def _is_due(self, age_seconds: float) -> bool:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < _LEAST_SECONDS_BETWEEN:
            return False
        return self._read_at is None or now - self._read_at >= age_seconds

    def _is_too_old(self) -> bool:
        return self._read_at is None or self._clock() - self._read_at > _MOST_AGE_SECONDS

    def _read_soon(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            self._keys = await asyncio.to_thread(read_keys, self._source)
            self._read_at = self._clock()
        except BadKeySetError as error:
            _log.warning("issuer_keys_not_read", reason=str(error))
        finally:
            self._reading = None


def read_keys(source: str) -> Keys:
    """The keys of a file or an address; blocks, for so long at most.

    Raises:
        BadKeySetError: there are none to be read.
    """
    raw = _fetched(source) if source.startswith("http") else _from_file(Path(source))
    try:
        document = json.loads(raw)
        listed = document["keys"]
        keys = [key for each in listed[:_MOST_KEYS] if (key := _usable(each)) is not None]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadKeySetError(f"no key set ({type(error).__name__})") from None
    if not keys:
        raise BadKeySetError("holds no public key with an id")
    return {str(key.key_id): key for key in keys}


def _usable(given: Any) -> PyJWK | None:
    """A public key that signs; None for one that is secret, unnamed, weak or of an unknown kind."""
    if not isinstance(given, dict) or given.get("kty") not in {"RSA", "EC", "OKP"} or not given.get("kid"):
        return None
    if given.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK({name: value for name, value in given.items() if name != "d"})
    except PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadKeySetError(f"{path}: {error.strerror}") from None
    return _bounded(raw)


def _fetched(url: str) -> bytes:
    try:
        return asyncio.run(_answer(url))  # in a loop of its own: a thread's reads have no end in common
    except TimeoutError:
        raise BadKeySetError(f"the issuer took more than {_FETCH_SECONDS:g} s") from None
    except (httpx2.HTTPError, OSError) as error:
        raise BadKeySetError(f"the issuer cannot be reached ({type(error).__name__})") from None


async def _answer(url: str) -> bytes:
    raw = b""
    async with (
        httpx2.AsyncClient(timeout=_FETCH_SECONDS / 2, follow_redirects=False, trust_env=False) as client,
        asyncio.timeout(_FETCH_SECONDS),
        client.stream("GET", url, headers={"accept-encoding": "identity"}) as response,
    ):
        if response.status_code != httpx2.codes.OK:
            raise BadKeySetError(f"the issuer answered {response.status_code}")
        async for part in response.aiter_raw():
            raw = _bounded(raw + part)
    return raw


def _bounded(raw: bytes) -> bytes:
    if len(raw) > MAX_BYTES:
        raise BadKeySetError(f"more than {MAX_BYTES} bytes")
    return raw
