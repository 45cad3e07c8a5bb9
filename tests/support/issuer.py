"""An issuer of tokens (JWT): its keys in a file, and what it signs."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER, AUDIENCE = "https://issuer.example", "consensus"


class Issuer:
    """One key of 2048 bits; the tokens say what is asked, signed as they should be unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [public | {"kid": "one", "alg": "RS256"}]}))

    def settings(self) -> dict[str, str]:
        """How a service is told of it; AUTHENTICATION is not among them."""
        return {
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "JWT_JWKS": str(self.jwks),
            "JWT_LEEWAY_SECONDS": "0",
        }

    def token(self, *, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """A viewer's of the tenant `default`, for ten minutes; None leaves a claim out."""
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "bearer",
            "exp": int(time.time()) + 600,
            "tenant": "default",
            "roles": ["viewer"],
        } | changes
        claims = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(
            claims, self.key if key is None else key, algorithm=algorithm, headers={"kid": "one"}
        )
