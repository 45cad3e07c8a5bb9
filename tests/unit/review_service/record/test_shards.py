"""Several persistence services behind one gateway: each tenant at its own, and none in another's way."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import access_service_pb2, run_pb2
from consensus_contract.errors import PersistenceUnavailable
from consensus_rpc.access.denials import Denial, PartlyEntered
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.shard_map import ShardMap
from consensus_rpc.security.material import BadMaterial
from consensus_rpc.server.server import Server, ServerOptions
from review_service.record.access import enter_denials
from review_service.record.gateway import Caller, PersistenceGateway
from review_service.record.ledger import Ledger
from review_service.record.shards import SHARD_UP, Shard, Shards, follow_map, follow_shards
from review_service.record.stream import read
from tests.support.ports import HeldPorts

KEY_ONE, KEY_TWO = "1" * 16, "2" * 16
SERVICE = "consensus.internal.v1.PersistenceService"


@dataclass
class Recorder(persistence_service_pb2_grpc.PersistenceServiceServicer):
    """Answers with its own name, and knows one key."""

    name: str
    key_id: str = ""
    asked: list[str] = field(default_factory=list)

    async def GetRun(self, request: Any, context: Any) -> Any:
        return persistence_service_pb2.GetRunResponse(run=run_pb2.Run(run_id=self.name))

    async def ClaimRuns(self, request: Any, context: Any) -> Any:
        run = persistence_service_pb2.ClaimedRun(run_id=self.name)
        return persistence_service_pb2.ClaimRunsResponse(runs=[run])

    async def AuthenticateKey(self, request: Any, context: Any) -> Any:
        if request.key_id != self.key_id:
            return persistence_service_pb2.AuthenticateKeyResponse()
        key = access_service_pb2.AccessKey(key_id=self.key_id, tenant=self.name)
        return persistence_service_pb2.AuthenticateKeyResponse(key=key)

    async def RecordDenials(self, request: Any, context: Any) -> Any:
        self.asked += [each.tenant for each in request.denials]
        return persistence_service_pb2.RecordDenialsResponse()

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield persistence_service_pb2.WatchRunResponse()
        await asyncio.Event().wait()


def recorder(name: str, key_id: str) -> Recorder:
    return Recorder(name, key_id)  # type: ignore[abstract]  # answers to what is asked here


@asynccontextmanager
async def serving(recorder: Recorder) -> AsyncIterator[str]:
    server = Server(ServerOptions(listen="127.0.0.1:0", tune_gc=False), service_names=[SERVICE])
    persistence_service_pb2_grpc.add_PersistenceServiceServicer_to_server(recorder, server.grpc)
    await server.start()
    yield server.address
    await server.grpc.stop(None)


def shard(address: str) -> Shard:
    channel = open_channel(address)
    return Shard(address, channel, persistence_service_pb2_grpc.PersistenceServiceStub(channel))


def caller(tenant: str) -> Caller:
    return Caller(persistence_service_pb2.CallScope(tenant=tenant, caller="me", request_id="q-1"), 20.0)


@dataclass
class Both:
    """Two persistence services: `one` has all tenants but `acme`, which `two` has."""

    one: Recorder
    two: Recorder
    one_address: str
    two_address: str
    shards: Shards

    @property
    def gateway(self) -> PersistenceGateway:
        return PersistenceGateway(self.shards)


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    one, two = recorder("one", KEY_ONE), recorder("two", KEY_TWO)
    async with serving(one) as at_one, serving(two) as at_two:
        shards = Shards(ShardMap(at_one, {"acme": at_two}), shard)
        yield Both(one, two, at_one, at_two, shards)
        await shards.close()


@pytest.fixture
async def one_away() -> AsyncIterator[tuple[Shards, str]]:
    """`acme`'s is there, that of all others is not; and its address."""
    ports = HeldPorts()
    nowhere = ports.listen()
    async with serving(recorder("two", KEY_TWO)) as address:
        shards = Shards(ShardMap(nowhere, {"acme": address}), shard)
        for each in shards.all():
            each.is_serving = each.address == address
        yield shards, nowhere
        await shards.close()
    ports.close()


async def test_each_tenant_is_asked_for_at_its_own(both: Both) -> None:
    assert (await both.gateway.get_run(caller("acme"), "r")).run_id == "two"
    assert (await both.gateway.get_run(caller("globex"), "r")).run_id == "one"


async def test_work_is_asked_for_at_each(both: Both) -> None:
    for each in both.shards.all():
        each.is_serving = True
    granted = await Ledger(both.gateway, "me").claim(10)
    assert {(each.run.run_id, each.shard.address) for each in granted} == {
        ("one", both.one_address),
        ("two", both.two_address),
    }


async def test_no_more_work_is_asked_for_than_there_is_room_and_each_has_its_turn(both: Both) -> None:
    for each in both.shards.all():
        each.is_serving = True
    ledger = Ledger(both.gateway, "me")
    turns = [[each.run.run_id for each in await ledger.claim(1)] for _ in range(2)]
    assert sorted(turns) == [["one"], ["two"]]


async def test_one_that_is_away_keeps_nobody_from_the_work_of_others(one_away: tuple[Shards, str]) -> None:
    shards, _ = one_away
    granted = await Ledger(PersistenceGateway(shards), "me").claim(10)
    assert [each.run.run_id for each in granted] == ["two"]
    assert (await PersistenceGateway(shards).get_run(caller("acme"), "r")).run_id == "two"


async def test_a_key_is_known_wherever_it_was_made(both: Both) -> None:
    assert (await both.gateway.authenticate_key(KEY_TWO, bytes(32))).key.tenant == "two"
    assert (await both.gateway.authenticate_key(KEY_ONE, bytes(32))).key.tenant == "one"
    assert not (await both.gateway.authenticate_key("0" * 16, bytes(32))).HasField("key")


async def test_a_key_that_nobody_there_knows_is_not_refused_while_one_is_away(
    one_away: tuple[Shards, str],
) -> None:
    gateway = PersistenceGateway(one_away[0])
    assert (await gateway.authenticate_key(KEY_TWO, bytes(32))).key.tenant == "two"
    with pytest.raises(PersistenceUnavailable):
        await gateway.authenticate_key(KEY_ONE, bytes(32))


def denials(*tenants: str) -> list[Denial]:
    return [Denial(each, "me", "GetRun", "PERMISSION_DENIED", "c-1", "q-1") for each in tenants]


async def test_denials_are_entered_where_their_tenants_are(both: Both) -> None:
    await enter_denials(both.gateway, denials("acme", "initech", "globex", "acme"))
    assert (both.one.asked, both.two.asked) == (["initech", "globex"], ["acme", "acme"])


async def test_denials_of_one_that_is_away_are_left_and_those_of_others_entered_once(
    one_away: tuple[Shards, str],
) -> None:
    given = denials("globex", "acme", "initech")
    with pytest.raises(PartlyEntered) as partly:
        await enter_denials(PersistenceGateway(one_away[0]), given)
    assert partly.value.left == [given[0], given[2]]


async def test_what_watches_a_tenant_ends_where_it_is_no_more_and_others_go_on(both: Both) -> None:
    watches = [both.gateway.watch_run(caller(each), "r", 0) for each in ("globex", "initech")]
    for each in watches:
        assert await each.read() is not grpc.aio.EOF
    both.shards.lead(ShardMap(both.one_address, {"acme": both.two_address, "globex": both.two_address}))
    reading = read(watches[0])
    with pytest.raises(PersistenceUnavailable):  # and not as if who reads it were cancelled
        await asyncio.create_task(reading)
    assert not watches[1].done()
    assert (await both.gateway.get_run(caller("globex"), "r")).run_id == "two"


async def test_a_map_that_changes_is_taken_up_and_a_bad_one_is_not(both: Both) -> None:
    new = ShardMap(both.one_address, {"globex": both.two_address})
    said: list[ShardMap | Exception] = [both.shards.map, ValueError("is no map"), new]
    changed = asyncio.Event()

    def read() -> ShardMap:
        found = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(found, Exception):
            raise found
        return found

    following = asyncio.create_task(follow_map(both.shards, read, changed.set))
    async with asyncio.timeout(60):
        await changed.wait()
    following.cancel()
    assert both.shards.of("globex").address == both.two_address


async def test_a_map_that_changed_before_it_was_followed_is_taken_up(both: Both) -> None:
    new = ShardMap(both.one_address, {"globex": both.two_address})
    changed = asyncio.Event()
    following = asyncio.create_task(follow_map(both.shards, lambda: new, changed.set))
    async with asyncio.timeout(60):
        await changed.wait()
    following.cancel()
    assert both.shards.of("globex").address == both.two_address


async def test_a_map_of_an_address_that_cannot_be_opened_is_left_aside_until_it_can() -> None:
    opened: list[str] = []
    was_refused = asyncio.Event()

    def open_one(address: str) -> Shard:
        opened.append(address)
        if opened.count("two:2") == 1:
            was_refused.set()
            raise BadMaterial("certificate and key are not of one pair")
        return shard(address)

    shards, changed = Shards(ShardMap("one:1"), open_one), asyncio.Event()
    following = asyncio.create_task(
        follow_map(shards, lambda: ShardMap("one:1", {"acme": "two:2"}), changed.set)
    )
    async with asyncio.timeout(60):
        await was_refused.wait()
        assert [each.address for each in shards.all()] == ["one:1"]
        await changed.wait()
    following.cancel()
    assert shards.of("acme").address == "two:2"
    await shards.close()


async def test_one_at_which_no_tenant_is_any_more_may_be_taken_away(both: Both) -> None:
    """What is known of it is told no more: nobody is to be called for it."""
    told: list[bool] = []
    heard_both, left, again, changed = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def follow(shard: Shard, heard: Any) -> None:
        await heard(shard.address == both.two_address)
        if shard.address == both.two_address:
            (again if left.is_set() else heard_both).set()
        await asyncio.Event().wait()

    async def report(shard: Shard | None, serving: bool) -> None:
        if shard is None:
            told.append(serving)
            if heard_both.is_set() and not serving:
                left.set()

    at_two = both.shards.of("acme")

    def series() -> set[str]:
        of_ours = {both.one_address, both.two_address}
        samples = [each for metric in SHARD_UP.collect() for each in metric.samples]
        return {each.labels["address"] for each in samples} & of_ours

    following = asyncio.create_task(follow_shards(both.shards, changed, follow, report))
    async with asyncio.timeout(60):
        await heard_both.wait()
        assert series() == {both.one_address, both.two_address}
        both.shards.lead(ShardMap(both.one_address))
        changed.set()
        await left.wait()
        assert series() == {both.one_address}
        assert not at_two.is_serving
        both.shards.lead(ShardMap(both.one_address, {"acme": both.two_address}))
        changed.set()
        await again.wait()
    following.cancel()
    assert told[-1]


async def test_health_says_of_each_whether_it_serves_and_that_any_does(both: Both) -> None:
    told: list[tuple[str, bool]] = []
    both_told = asyncio.Event()

    async def follow(shard: Shard, heard: Any) -> None:
        await heard(shard.address == both.two_address)
        await asyncio.Event().wait()

    async def report(shard: Shard | None, serving: bool) -> None:
        told.append((shard.address if shard else "any", serving))
        if len(told) == 4:
            both_told.set()

    following = asyncio.create_task(follow_shards(both.shards, asyncio.Event(), follow, report))
    async with asyncio.timeout(60):
        await both_told.wait()
    following.cancel()
    assert dict(told) == {both.one_address: False, both.two_address: True, "any": True}
