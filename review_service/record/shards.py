"""The persistence services that this process speaks to: one for all tenants, or each tenant's by a map."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from prometheus_client import Gauge

from consensus_rpc.channel.shard_map import ShardMap
from consensus_rpc.security.material import BadMaterial
from consensus_rpc.server.background import in_background
from consensus_rpc.telemetry.log import get_logger

if TYPE_CHECKING:
    from consensus.internal.v1 import persistence_service_pb2_grpc

# In the stubs for type checkers only.
Stub: TypeAlias = "persistence_service_pb2_grpc.PersistenceServiceAsyncStub"

SHARD_UP = Gauge(
    "consensus_persistence_up", "Whether a persistence service serves, by its address.", ("address",)
)

_log = get_logger()
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Shard:
    """One persistence service, with what is open for as long as a tenant is there."""

    address: str
    channel: grpc.aio.Channel
    stub: Stub
    is_serving: bool = False
    watches: dict[str, set[Any]] = field(default_factory=dict)

    def keep(self, tenant: str, watch: Any) -> None:
        """Ends this call once the tenant is elsewhere: where it was, nothing happens any more."""
        watches = self.watches.setdefault(tenant, set())
        watches.add(watch)
        watch.add_done_callback(lambda _: self._dropped(tenant, watch))

    def cut(self, tenant: str) -> None:
        """Ends what is kept for a tenant."""
        for watch in tuple(self.watches.get(tenant, ())):
            watch.cancel()

    def _dropped(self, tenant: str, watch: Any) -> None:
        watches = self.watches.get(tenant, set())
        watches.discard(watch)
        if not watches:
            self.watches.pop(tenant, None)


class Shards:
    """Leads each tenant to its persistence service. Lives on the event loop.

    A service that no tenant is at any more keeps its connection: what was begun there may still be under way.
    """

    def __init__(self, first: ShardMap, open_shard: Callable[[str], Shard]) -> None:
        """`open_shard` opens the one at an address, which connects when it is used."""
        self._open_shard = open_shard
        self._shards: dict[str, Shard] = {}
        self._map = first
        self._take(first)

    @property
    def map(self) -> ShardMap:
        """By which tenants are led now."""
        return self._map

    def of(self, tenant: str) -> Shard:
        """The one at which a tenant is."""
        return self._shards[self._map.address_of(tenant)]

    def all(self) -> Sequence[Shard]:
        """Those at which tenants are; that of all others first."""
        return [self._shards[address] for address in self._map.addresses()]

    def by_tenant(self, tenants: Sequence[str]) -> Mapping[str, Shard]:
        """The one of each."""
        return {tenant: self.of(tenant) for tenant in tenants}

    def lead(self, new: ShardMap) -> None:
        """Leads tenants by another map from now on, and ends what watches them where they are no more."""
        self._take(new)  # where it cannot open one, all stays as it is
        old, self._map = self._map, new
        for address, shard in self._shards.items():
            for tenant in tuple(shard.watches):
                if new.address_of(tenant) != address:
                    shard.cut(tenant)
        if new != old:
            moved = sorted(
                tenant
                for tenant in old.by_tenant.keys() | new.by_tenant.keys()
                if old.address_of(tenant) != new.address_of(tenant)
            )
            _log.info("shards_changed", addresses=new.addresses(), tenants=moved)

    async def close(self) -> None:
        """Closes all channels."""
        for shard in self._shards.values():
            await shard.channel.close()

    def _take(self, new: ShardMap) -> None:
        for address in new.addresses():
            if address not in self._shards:
                self._shards[address] = self._open_shard(address)


async def follow_map(shards: Shards, read: Callable[[], ShardMap], on_change: Callable[[], None]) -> None:
    """Takes up what the map says whenever it has changed, until it is cancelled; a bad one is left aside."""
    told = ""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            found = await asyncio.to_thread(read)
            if found != shards.map:
                shards.lead(found)
                on_change()
        except (ValueError, BadMaterial) as error:
            if str(error) != told:
                _log.error("shards_not_read", cause=str(error))
            told = str(error)
        else:
            told = ""


async def follow_shards(
    shards: Shards,
    changed: asyncio.Event,
    follow: Callable[[Shard, Callable[[bool], Awaitable[None]]], Awaitable[None]],
    report: Callable[[Shard | None, bool], Awaitable[None]],
) -> None:
    """Reports of each, and of None whether any serves, at every change, until it is cancelled.

    One that no tenant is at any more is not followed, and has no series: it may be taken away.
    """
    following: dict[str, tuple[Shard, asyncio.Task[None]]] = {}

    async def heard(shard: Shard, serving: bool) -> None:
        if shard.is_serving != serving:
            _log.info("persistence_serves" if serving else "persistence_away", address=shard.address)
        shard.is_serving = serving
        SHARD_UP.labels(shard.address).set(serving)
        await report(shard, serving)
        await report(None, any(each.is_serving for each in shards.all()))

    def begin(shard: Shard) -> asyncio.Task[None]:
        async def run() -> None:
            await follow(shard, lambda serving: heard(shard, serving))

        return in_background(run())

    async def leave(address: str) -> None:
        shard, task = following.pop(address)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # it may be about to say something
        shard.is_serving = False
        with suppress(KeyError):  # it has never said anything
            SHARD_UP.remove(address)
        await report(shard, False)
        await report(None, any(each.is_serving for each in shards.all()))

    try:
        while True:
            changed.clear()
            now = {shard.address: shard for shard in shards.all()}
            for address in following.keys() - now.keys():
                await leave(address)
            for address in now.keys() - following.keys():
                following[address] = (now[address], begin(now[address]))
            await changed.wait()
    finally:
        tasks = [task for _, task in following.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
