"""Where each tenant's service is, by a setting or a file."""

from pathlib import Path

import pytest

from consensus_rpc.channel.shard_map import MAX_FILE_BYTES, ShardMap, read_shard_map
from tests.support.page_commands import Page


def test_one_address_is_every_tenants() -> None:
    found = read_shard_map("dns:///persistence:50053")
    assert found.address_of("acme") == found.address_of("") == "dns:///persistence:50053"
    assert found.addresses() == ["dns:///persistence:50053"]


def test_a_tenant_that_is_named_has_its_own_address_and_others_that_of_the_rest() -> None:
    found = read_shard_map("*=one:1, acme=two:2,globex=two:2")
    assert [found.address_of(each) for each in ("acme", "globex", "initech", "")] == [
        "two:2",
        "two:2",
        "one:1",
        "one:1",
    ]
    assert found.addresses() == ["one:1", "two:2"]


def test_a_file_holds_an_entry_a_line(tmp_path: Path) -> None:
    file = tmp_path / "shards"
    file.write_text("# since November\n*=one:1\n\nacme=two:2\n", encoding="utf-8")
    assert read_shard_map(f"@{file}") == ShardMap("one:1", {"acme": "two:2"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("acme=two:2", "names no address for all others"),
        ("*=one:1,acme=two:2,acme=three:3", "names acme twice"),
        ("*=one:1,acme", "is no tenant=address"),
        ("*=one:1,a b=two:2", "is no tenant=address"),
        ("*=one:1,acme=two", "host:port"),
        ("*=one:0", "port 0"),
        ("", "names no address for all others"),
        ("@/nowhere/at/all", "No such file"),
    ],
)
def test_what_leads_nowhere_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_shard_map(text)


def test_a_fault_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "shards"
    file.write_text("acme=two:2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"shards: names no address for all others"):
        read_shard_map(f"@{file}")


def test_a_file_beyond_its_bound_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shards"
    file.write_text("*=one:1\n" + "#" * MAX_FILE_BYTES, encoding="utf-8")
    with pytest.raises(ValueError, match="is larger than"):
        read_shard_map(f"@{file}")


def test_the_command_of_the_page_leads_one_tenant_and_leaves_those_that_are_named_like_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "shards"
    file.write_text("# a.b was first\n*=one:1\n a.b = two:2\naxb=three:3\nab=four:4", encoding="utf-8")
    Page("operations.md").succeed(
        "lead tenant", tmp_path, TENANT="a.b", SHARDS=str(file), THERE_ADDRESS="five:5"
    )
    assert read_shard_map(f"@{file}") == ShardMap(
        "one:1", {"axb": "three:3", "ab": "four:4", "a.b": "five:5"}
    )
