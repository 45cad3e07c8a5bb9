"""Page tokens: opaque, signed, bound to what they page through, valid on every replica."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from consensus_journal import canonical_json, digest
from consensus_rpc.errors import InvalidPageToken
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.paging.tables import SigningKeyRow

PURPOSE = "page_tokens"
SECRET_BYTES = 32
_KEYS = SigningKeyRow.__table__


def shared_secret(connection: Connection, now: datetime) -> bytes:
    """The secret that every replica signs with; the first that asks makes it."""
    row = {"purpose": PURPOSE, "secret": secrets.token_bytes(SECRET_BYTES), "create_time": now}
    connection.execute(insert(SigningKeyRow).on_conflict_do_nothing(), row)
    find = select(_KEYS.c.secret).where(_KEYS.c.purpose == PURPOSE)
    return bytes(connection.execute(find).scalar_one())


class Signer:
    """Signs positions within lists."""

    def __init__(self, secret: bytes) -> None:
        """Every replica has the same secret."""
        self._serializer = URLSafeSerializer(secret, salt=PURPOSE)

    def token(self, binding: Sequence[Any], position: Sequence[Any]) -> str:
        """A token for the page after `position`; `binding` is what it is bound to: list, tenant, filter."""
        return str(self._serializer.dumps([_binding_digest(binding), *position]))

    def position(self, binding: Sequence[Any], token: str) -> list[Any]:
        """What `token` was made of.

        Raises:
            InvalidPageToken: malformed, forged, or bound to something else.
        """
        try:
            bound, *position = self._serializer.loads(token)
        except (BadData, TypeError, ValueError) as error:
            raise InvalidPageToken from error
        if bound != _binding_digest(binding):
            raise InvalidPageToken
        return list(position)


class Signing:
    """The signer of this process, made when it is first needed: the database may come after the service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signer: Signer | None = None

    async def signer(self) -> Signer:
        """The signer with the secret that all replicas share.

        Raises:
            DatabaseUnavailable: the secret could not be read.
        """
        if self._signer is None:
            self._signer = Signer(
                await self._database.run(self._secret, tenant=EVERY_TENANT, resource="signing_keys")
            )
        return self._signer

    def _secret(self, connection: Connection) -> bytes:
        return shared_secret(connection, self._database.now(connection))


def _binding_digest(binding: Sequence[Any]) -> str:
    return digest(canonical_json(list(binding))).hex()[:32]
