"""Runs by short names: what is looked up, and what is asked of the service for it."""

import pytest

from tests.unit.consensus_cli.conftest import Command
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving


@pytest.mark.parametrize("name", ["last", "0193a0aa", "0193a0aa-0000", "0193a0aa-0000-7000-8000-000000"])
async def test_a_run_is_found_by_a_short_name(command: Command, name: str) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        ended = await command("show", name, "--json", "--server", address)
    assert ended.code == 0, ended.err
    assert service.requests[-1].run_id == samples.RUN


async def test_only_runs_of_about_that_time_are_looked_at(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        await command("cancel", "0193a0aa-0000", CONSENSUS_SERVER=address)
    asked = service.requests[0].filter
    assert asked.create_time_from.ToJsonString() == "2024-12-07T10:27:35.968Z"
    assert asked.create_time_to.ToJsonString() == "2024-12-07T10:29:35.968Z"
    assert service.requests[-1].run_id == samples.RUN


@pytest.mark.parametrize("name", ["0193a0ab", "0193a0aa-0001"])
async def test_a_beginning_of_no_run_is_wrong_usage(command: Command, name: str) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("show", name, "--server", address)
    assert ended.code == 2
    assert f"no run's id begins with '{name}'" in ended.err


async def test_a_whole_id_is_asked_for_as_it_is(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        await command("cancel", samples.RUN, "--server", address)
    assert service.names() == ["CancelRunRequest"]


@pytest.mark.parametrize(
    ("words", "last", "offered"),
    [("consensus rev", 1, ["review", "revise"]), ("consensus show last --js", 3, ["--json"])],
)
async def test_a_shell_completes_commands_and_options_and_asks_no_service_for_it(
    command: Command, words: str, last: int, offered: list[str]
) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        ended = await command(
            _CONSENSUS_COMPLETE="complete_bash",
            COMP_WORDS=words,
            COMP_CWORD=str(last),
            CONSENSUS_SERVER=address,
        )
    assert (ended.out.split(), ended.err) == (offered, "")
    assert service.requests == []
