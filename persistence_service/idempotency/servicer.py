"""IdempotencyService: a first time told from every later one."""
# ruff: noqa: N802 - names are those of the generated base

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from consensus.v1 import idempotency_service_pb2, idempotency_service_pb2_grpc
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from persistence_service.database import Database
from persistence_service.idempotency import repository
from persistence_service.idempotency.keys import BareKey, Sighting
from persistence_service.schema.scalars import to_timestamp


class IdempotencyServicer(idempotency_service_pb2_grpc.IdempotencyServiceServicer):
    """Answers from the database or not at all: with it away the answer is UNAVAILABLE, never "not seen"."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def CheckAndSet(
        self, request: idempotency_service_pb2.CheckAndSetRequest, context: Context
    ) -> idempotency_service_pb2.CheckAndSetResponse:
        key = BareKey(identity_of(context).tenant, request.scope, request.key)
        ttl = _span(request.ttl) if request.HasField("ttl") else None
        seen, sighting = await self._database.run(
            lambda connection: repository.check_and_set(connection, key, ttl, self._database.now(connection)),
            tenant=key.tenant,
            isolation="READ COMMITTED",
            resource="idempotency key",
        )
        response = idempotency_service_pb2.CheckAndSetResponse(
            seen=seen, create_time=to_timestamp(sighting.create_time)
        )
        _set_expiry(response, sighting)
        return response

    async def CheckKey(
        self, request: idempotency_service_pb2.CheckKeyRequest, context: Context
    ) -> idempotency_service_pb2.CheckKeyResponse:
        key = BareKey(identity_of(context).tenant, request.scope, request.key)
        sighting = await self._database.run(
            lambda connection: repository.find_bare(connection, key, self._database.now(connection)),
            tenant=key.tenant,
            read_only=True,
            resource="idempotency key",
        )
        if sighting is None:
            return idempotency_service_pb2.CheckKeyResponse(seen=False)
        response = idempotency_service_pb2.CheckKeyResponse(
            seen=True, create_time=to_timestamp(sighting.create_time)
        )
        _set_expiry(response, sighting)
        return response


def _span(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


def _set_expiry(
    response: idempotency_service_pb2.CheckAndSetResponse | idempotency_service_pb2.CheckKeyResponse,
    sighting: Sighting,
) -> None:
    if sighting.expire_time is not None:
        response.expire_time.CopyFrom(to_timestamp(sighting.expire_time))
