"""Callers' keys and denied calls, as persistence is asked about them and told of them."""

from collections.abc import Sequence

from consensus.internal.v1 import persistence_service_pb2
from consensus_rpc.access.denials import Denial
from consensus_rpc.access.keys import KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.access.who_am_i import bound_of
from review_service.record.gateway import PersistenceGateway


class KeysOfPersistence:
    """The directory of keys that the persistence service keeps."""

    def __init__(self, gateway: PersistenceGateway) -> None:
        self._gateway = gateway

    async def find(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        """What a key comes to; raises PersistenceUnavailable."""
        answer = await self._gateway.authenticate_key(key.key_id, key.secret_digest)
        if not answer.HasField("key"):
            return KeyRefusal(answer.tenant, answer.ended)
        found = answer.key
        expires = found.expire_time
        return KeyGrant(
            key_id=found.key_id,
            tenant=found.tenant,
            subject=found.subject,
            roles=tuple(found.roles),
            users=bound_of(found.users),
            expires_at=expires.seconds + expires.nanos / 1e9 if found.HasField("expire_time") else None,
        )


async def enter_denials(gateway: PersistenceGateway, denials: Sequence[Denial]) -> None:
    """Returns once they are durable; raises PersistenceUnavailable."""
    await gateway.record_denials(
        [
            persistence_service_pb2.Denial(
                tenant=each.tenant,
                caller=each.caller,
                method=each.method,
                reason=each.reason,
                credential_id=each.credential_id,
                request_id=each.request_id,
                suppressed_count=each.suppressed,
            )
            for each in denials
        ]
    )
