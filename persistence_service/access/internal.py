"""What review services ask of access: what a key comes to, and that denials be entered."""

from consensus.internal.v1 import persistence_service_pb2
from consensus_rpc.access.denials import Denial
from consensus_rpc.access.keys import KeyRefusal, PresentedKey
from persistence_service.access import convert
from persistence_service.access.denied import enter_denials
from persistence_service.access.directory import StoredKeys
from persistence_service.database import Database


class AccessForServices:
    """Answers the two calls of PersistenceService that are about access."""

    def __init__(self, database: Database, keys: StoredKeys) -> None:
        self._database = database
        self._keys = keys

    async def authenticate(
        self, request: persistence_service_pb2.AuthenticateKeyRequest
    ) -> persistence_service_pb2.AuthenticateKeyResponse:
        """What a key comes to."""
        found, row = await self._keys.look_up(PresentedKey(request.key_id, request.secret_digest))
        if isinstance(found, KeyRefusal) or row is None:
            refusal = found if isinstance(found, KeyRefusal) else KeyRefusal()
            return persistence_service_pb2.AuthenticateKeyResponse(tenant=refusal.tenant, ended=refusal.ended)
        return persistence_service_pb2.AuthenticateKeyResponse(key=convert.key_message(row))

    async def record_denials(
        self, request: persistence_service_pb2.RecordDenialsRequest
    ) -> persistence_service_pb2.RecordDenialsResponse:
        """Enters denials."""
        await enter_denials(
            self._database,
            [
                Denial(
                    each.tenant,
                    each.caller,
                    each.method,
                    each.reason,
                    each.credential_id,
                    each.request_id,
                    each.suppressed_count,
                )
                for each in request.denials
            ],
        )
        return persistence_service_pb2.RecordDenialsResponse()
