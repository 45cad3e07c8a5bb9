"""Callers' keys and denied calls, as persistence is asked about them and told of them."""

from collections import defaultdict
from collections.abc import Sequence

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.access.denials import Denial, PartlyEntered
from consensus_rpc.access.keys import KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.access.who_am_i import bound_of
from consensus_rpc.errors import InvalidField
from consensus_rpc.telemetry.log import get_logger
from review_service.record.gateway import PersistenceGateway

_log = get_logger()


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
    """Returns once they are durable, each where its tenant is.

    Raises:
        PersistenceUnavailable, InvalidField: what is there is one place, and refuses them.
        PartlyEntered: not where some of the tenants are.
    """
    by_address: defaultdict[str, list[Denial]] = defaultdict(list)
    for each in denials:
        by_address[gateway.address_of(each.tenant)].append(each)
    left: list[Denial] = []
    reason = ""
    for some in by_address.values():
        try:
            await gateway.record_denials([_message(each) for each in some])
        except ConsensusError as error:
            if len(by_address) == 1:
                raise
            if isinstance(error, InvalidField):  # they would be refused for ever
                _log.error("denials_lost", count=len(some), reason=error.reason_name)
                continue
            left, reason = [*left, *some], error.reason_name
    if left:
        raise PartlyEntered(left, reason)


def _message(denial: Denial) -> persistence_service_pb2.Denial:
    return persistence_service_pb2.Denial(
        tenant=denial.tenant,
        caller=denial.caller,
        method=denial.method,
        reason=denial.reason,
        credential_id=denial.credential_id,
        request_id=denial.request_id,
        suppressed_count=denial.suppressed,
    )
