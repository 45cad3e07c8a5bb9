import asyncio
import socket
import sys
from pathlib import Path

import pytest

from consensus_rpc.process.healthcheck import main
from tests.support.tls import Pki
from tests.unit.consensus_rpc.conftest import SERVICE, Probe, Running, serving

ROOT = Path(__file__).resolve().parents[4]


async def exit_code(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


async def test_serving_is_zero_and_anything_else_is_one(running: Running) -> None:
    assert await exit_code(running.server.address, SERVICE) == 1

    await running.server.set_serving(SERVICE, True)

    assert await exit_code(running.server.address, SERVICE) == 0
    assert await exit_code(running.server.address) == 0


async def test_whoever_asks_only_whether_it_is_alive_takes_any_answer(running: Running) -> None:
    assert await exit_code("--alive", running.server.address) == 0
    assert await exit_code("--alive", "127.0.0.1:1") == 1


async def test_an_unknown_service_is_one(running: Running) -> None:
    assert await exit_code(running.server.address, "no.such.Service") == 1


async def test_over_tls_it_needs_the_authority_and_what_the_server_requires(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    client = pki.client()
    trust, shown = f"--tls-ca={pki.trusted}", f"--tls-cert={client}"
    key = f"--tls-key={client.with_suffix('.key')}"
    async with serving(Probe(), tls=pki.server_tls(pki.server(), clients=True)) as running:
        await running.server.set_serving(SERVICE, True)
        address = running.server.address
        assert await exit_code(address, trust, shown, key) == 0
        assert await exit_code(address, trust) == 1
        assert await exit_code(address) == 1
        assert await exit_code(address, trust, shown) == 1


async def test_no_server_is_one() -> None:
    assert await exit_code("127.0.0.1:1") == 1


async def test_a_server_that_never_answers_is_one_within_three_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(3):
            assert await exit_code(f"127.0.0.1:{silent.getsockname()[1]}") == 1


@pytest.mark.parametrize("arguments", [(), ("a:1", "b", "c")])
async def test_wrong_usage_is_two(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert await exit_code(*arguments) == 2
    assert "usage:" in capsys.readouterr().err


async def test_the_command_says_what_it_found(running: Running) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consensus_rpc.process.healthcheck", running.server.address),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
    )

    out, _ = await process.communicate()

    assert (process.returncode, out.decode()) == (1, "NOT_SERVING\n")
