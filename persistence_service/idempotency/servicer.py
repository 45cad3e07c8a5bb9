"""IdempotencyService: a first time told from every later one."""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from consensus.v1 import idempotency_service_pb2 as pb
from consensus.v1 import idempotency_service_pb2_grpc
from consensus_rpc.server.identity import identity_of
from persistence_service.database import Database
from persistence_service.idempotency import bare_keys
from persistence_service.idempotency.bare_keys import BareKey, Sighting
from persistence_service.schema.scalars import to_timestamp


class IdempotencyServicer(idempotency_service_pb2_grpc.IdempotencyServiceServicer):
    """Answers from the database or not at all: with it away the answer is UNAVAILABLE, never "not seen"."""

    def __init__(self, database: Database) -> None:
        """Uses the pooled connections; a key is one statement."""
        self._database = database

    async def CheckAndSet(  # noqa: N802 - the contract's name
        self, request: pb.CheckAndSetRequest, context: Any
    ) -> pb.CheckAndSetResponse:
        """Marks a key as seen."""
        key = BareKey(identity_of(context).tenant, request.scope, request.key)
        ttl = _span(request.ttl) if request.HasField("ttl") else None
        seen, sighting = await self._database.run(
            lambda connection: bare_keys.check_and_set(connection, key, ttl, self._database.now(connection)),
            isolation="READ COMMITTED",
            resource="idempotency key",
        )
        response = pb.CheckAndSetResponse(seen=seen, create_time=to_timestamp(sighting.create_time))
        _set_expiry(response, sighting)
        return response

    async def CheckKey(  # noqa: N802 - the contract's name
        self, request: pb.CheckKeyRequest, context: Any
    ) -> pb.CheckKeyResponse:
        """Says whether a key was seen."""
        key = BareKey(identity_of(context).tenant, request.scope, request.key)
        sighting = await self._database.run(
            lambda connection: bare_keys.find(connection, key, self._database.now(connection)),
            read_only=True,
            resource="idempotency key",
        )
        if sighting is None:
            return pb.CheckKeyResponse(seen=False)
        response = pb.CheckKeyResponse(seen=True, create_time=to_timestamp(sighting.create_time))
        _set_expiry(response, sighting)
        return response


def _span(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


def _set_expiry(response: pb.CheckAndSetResponse | pb.CheckKeyResponse, sighting: Sighting) -> None:
    if sighting.expire_time is not None:
        response.expire_time.CopyFrom(to_timestamp(sighting.expire_time))
