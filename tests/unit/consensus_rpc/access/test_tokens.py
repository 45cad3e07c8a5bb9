"""Tokens of an issuer: what is taken, what no trick makes valid, and an issuer that is hostile."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from consensus_rpc.access import issuer_keys
from consensus_rpc.access.issuer_keys import BadKeySetError, IssuerKeys, read_keys
from consensus_rpc.access.policy import built_in_policy
from consensus_rpc.access.token_rules import TokenRules
from consensus_rpc.access.tokens import SignedTokens
from consensus_rpc.errors import CredentialEnded, IssuerUnavailable, Unauthenticated
from consensus_rpc.server.identity import UserBound

ISSUER, AUDIENCE = "https://issuer.example", "consensus"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def key_set() -> str:
    one = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one", "alg": "RS256"}
    two = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())) | {"kid": "two", "use": "sig"}
    shared = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}
    return json.dumps({"keys": [one, two, shared]})


def claims(**changes: Any) -> dict[str, Any]:
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "billing",
        "exp": time.time() + 600,
        "tenant": "acme",
        "roles": ["submitter"],
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def signed(
    key: Any = KEY, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any
) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers or {"kid": "one"})


def by_public_key() -> str:
    """HS256 with the public key for a secret, which PyJWT itself refuses to make."""

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "typ": "JWT", "kid": "one"}) + b"." + part(claims())
    mac = hmac.new(PUBLIC_PEM, body, hashlib.sha256).digest()
    return (body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    file.write_text(key_set())
    return file


def tokens(source: object, **rules: Any) -> SignedTokens:
    given = TokenRules(issuer=ISSUER, audience=AUDIENCE, leeway_seconds=5, **rules)
    return SignedTokens(given, IssuerKeys(str(source)), built_in_policy())


async def test_a_token_says_whom_it_stands_for(path: Path) -> None:
    for token in (signed(), signed(CURVE, "ES256", {"kid": "two"}, aud=["other", AUDIENCE])):
        who = await tokens(path).verify(token)
        assert (who.tenant, who.caller) == ("acme", "billing")
        assert who.scopes == frozenset({"read", "submit"})
        assert who.users.is_anybody


@pytest.mark.parametrize(
    ("said", "bound"), [("ann", UserBound(user="ann")), ("team/*", UserBound(prefix="team/"))]
)
async def test_a_claim_bounds_the_users(path: Path, said: str, bound: UserBound) -> None:
    assert (await tokens(path, users_claim="act").verify(signed(act=said))).users == bound


REFUSED = {
    "alg none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "one"}),
    "HS256 by the public key": by_public_key,
    "HS256 by a key of the set": lambda: signed(
        b"secretsecretsecretsecretsecret!!", "HS256", {"kid": "shared"}
    ),
    "another's signature": lambda: signed(STRANGER),
    "another algorithm of the key": lambda: signed(algorithm="RS512"),
    "unknown kid": lambda: signed(headers={"kid": "three"}),
    "no kid": lambda: jwt.encode(claims(), KEY, algorithm="RS256"),
    "critical header": lambda: signed(headers={"kid": "one", "crit": ["b64"], "b64": True}),
    "wrong aud": lambda: signed(aud="other"),
    "no aud": lambda: signed(aud=None),
    "wrong iss": lambda: signed(iss="https://elsewhere.example"),
    "no iss": lambda: signed(iss=None),
    "no exp": lambda: signed(exp=None),
    "no sub": lambda: signed(sub=None),
    "not yet": lambda: signed(nbf=time.time() + 600),
    "no tenant": lambda: signed(tenant=None),
    "a tenant that is none": lambda: signed(tenant="../x"),
    "a tenant that is a list": lambda: signed(tenant=["acme"]),
    "a subject with a line's end": lambda: signed(sub="a\nb"),
    "an end beyond all calendars": lambda: signed(exp=10**12),
    "an end beyond all numbers": lambda: signed(exp=10**400),
    "roles that are none": lambda: signed(roles={"a": 1}),
    "huge": lambda: signed(padding="x" * 20_000),
    "no token": lambda: "a.b.c",
    "nothing": lambda: "",
    "not text": lambda: "\ud800.x.y",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
async def test_no_other_token_is_valid(path: Path, make: Any) -> None:
    with pytest.raises(Unauthenticated):
        await tokens(path).verify(make())


async def test_an_expired_token_is_told_so(path: Path) -> None:
    with pytest.raises(CredentialEnded):
        await tokens(path).verify(signed(exp=time.time() - 60))


async def test_a_bound_that_is_asked_for_and_missing_is_refused(path: Path) -> None:
    for said in (None, "", "*", ["ann"]):
        with pytest.raises(Unauthenticated):
            await tokens(path, users_claim="act").verify(signed(act=said))


async def test_no_issuer_lets_a_caller_assert_tenants(path: Path) -> None:
    who = await tokens(path).verify(signed(roles="service viewer"))
    assert who.scopes is not None
    assert "assert" not in who.scopes


class Hostile(BaseHTTPRequestHandler):
    """Counts who asks, and answers as its path says."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.path == "/hangs":
            time.sleep(4)
            return
        if self.path == "/trickles-headers":
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-padding: ")
                for _ in range(40):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            return
        self.send_response(302 if self.path == "/elsewhere" else 200)
        if self.path == "/elsewhere":
            self.send_header("location", "/good")
        self.end_headers()
        try:
            if self.path == "/endless":
                for _ in range(100):
                    self.wfile.write(b"x" * 1_000_000)
            elif self.path == "/trickles":
                for _ in range(40):
                    self.wfile.write(b" ")
                    time.sleep(0.1)
            else:
                self.wfile.write(key_set().encode())
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Hostile.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_keys_come_from_an_address_too(address: str) -> None:
    assert (await tokens(f"{address}/good").verify(signed())).tenant == "acme"


@pytest.mark.parametrize("path", ["hangs", "endless", "trickles", "trickles-headers", "elsewhere"])
def test_an_issuer_costs_no_more_than_it_may(
    address: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "_FETCH_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(BadKeySetError):
        read_keys(f"{address}/{path}")
    assert time.monotonic() - began < 3


async def test_an_issuer_that_is_away_is_no_fault_of_the_token(address: str) -> None:
    with pytest.raises(IssuerUnavailable):
        await tokens(f"{address}/endless").verify(signed())


async def test_unknown_keys_make_nobody_ask_the_issuer_often(address: str) -> None:
    known = tokens(f"{address}/good")
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await known.verify(signed(headers={"kid": f"none-{number}"}))
    assert Hostile.asked == 1


@pytest.mark.parametrize(
    "text", ["", "[]", '{"keys": 7}', '{"keys": []}', '{"keys": [{"kty": "oct"}]}', "[" * 90_000]
)
def test_what_is_no_key_set_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(text)
    with pytest.raises(BadKeySetError):
        read_keys(str(file))
