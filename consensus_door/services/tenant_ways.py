"""The way to the persistence service at which a caller's tenant is."""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import grpc

from consensus_door.services.calling import Credential
from consensus_rpc.channel.shard_map import ShardMap
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()
_LOOK_SECONDS = 1.0
_MOST_CREDENTIALS = 10_000


class TenantWays:
    """Channels by the map of tenants, which is looked at again while calls come; opened when first used.

    Whose a credential is, the review service is asked once, and only where the map tells tenants apart: that
    never changes.
    """

    def __init__(
        self,
        read: Callable[[], ShardMap],
        open_one: Callable[[str], grpc.aio.Channel],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read = read
        self._open = open_one
        self._clock = clock
        self._map = read()
        self._looked_at = clock()
        self._told = ""
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._tenants: OrderedDict[bytes, str] = OrderedDict()

    async def of(
        self, credential: Credential, whose: Callable[[Credential], Awaitable[str]]
    ) -> grpc.aio.Channel:
        """The caller's; raises what `whose` raises."""
        found = self._current()
        if not found.by_tenant:
            return self._at(found.others)
        key = hashlib.sha256(credential.text.encode()).digest()
        if key not in self._tenants:
            self._tenants[key] = await whose(credential)
            if len(self._tenants) > _MOST_CREDENTIALS:
                self._tenants.popitem(last=False)
        return self._at(found.address_of(self._tenants[key]))

    def all(self) -> Sequence[grpc.aio.Channel]:
        """Those of all tenants; that of all others first."""
        return [self._at(address) for address in self._current().addresses()]

    async def close(self) -> None:
        """Ends what is under way."""
        for channel in self._channels.values():
            await channel.close()

    def _at(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = self._open(address)
        return self._channels[address]

    def _current(self) -> ShardMap:
        """The map, at most a second old; a bad one is left aside."""
        if self._clock() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._clock()
            try:
                self._map = self._read()
            except ValueError as error:
                if str(error) != self._told:
                    _log.error("shards_not_read", cause=str(error))
                self._told = str(error)
        return self._map
