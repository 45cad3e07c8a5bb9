"""Which persistence service a caller of the door reaches: that of the tenant whose credential it is."""

from pathlib import Path
from typing import Any

import pytest

from consensus_door.services.calling import Credential
from consensus_door.services.tenant_ways import TenantWays
from consensus_rpc.channel.shard_map import ShardMap, read_shard_map
from consensus_rpc.errors import Unauthenticated

ACME, GLOBEX = Credential("Bearer acme"), Credential("Bearer globex")


class Asked:
    """Says whose a credential is, and counts how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    async def whose(self, credential: Credential) -> str:
        self.count += 1
        if not credential.text:
            raise Unauthenticated
        return credential.text.removeprefix("Bearer ")


def open_one(address: str) -> Any:
    """What stands for a channel."""
    return f"channel to {address}"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_each_credential_leads_to_its_tenants_and_is_asked_about_once() -> None:
    asked = Asked()
    ways = TenantWays(lambda: ShardMap("one:1", {"acme": "two:2"}), open_one)
    for _ in range(3):
        assert str(await ways.of(ACME, asked.whose)) == "channel to two:2"
        assert str(await ways.of(GLOBEX, asked.whose)) == "channel to one:1"
    assert asked.count == 2


async def test_where_there_is_one_nobody_is_asked_whose_a_credential_is() -> None:
    asked = Asked()
    ways = TenantWays(lambda: ShardMap("one:1"), open_one)
    assert str(await ways.of(ACME, asked.whose)) == "channel to one:1"
    assert asked.count == 0


async def test_a_credential_that_is_refused_is_asked_about_again() -> None:
    asked = Asked()
    ways = TenantWays(lambda: ShardMap("one:1", {"acme": "two:2"}), open_one)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await ways.of(Credential(), asked.whose)
    assert asked.count == 2


async def test_a_tenant_that_was_moved_is_found_within_a_second_and_a_bad_map_is_left_aside(
    tmp_path: Path,
) -> None:
    file, clock, asked = tmp_path / "shards", Clock(), Asked()
    file.write_text("*=one:1\n", encoding="utf-8")
    ways = TenantWays(lambda: read_shard_map(f"@{file}"), open_one, clock)
    assert str(await ways.of(ACME, asked.whose)) == "channel to one:1"
    file.write_text("acme=two:2\n", encoding="utf-8")
    clock.now = 1.0
    assert str(await ways.of(ACME, asked.whose)) == "channel to one:1"
    file.write_text("*=one:1\nacme=two:2\n", encoding="utf-8")
    clock.now = 2.0
    assert str(await ways.of(ACME, asked.whose)) == "channel to two:2"
