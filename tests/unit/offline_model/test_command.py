"""`python -m offline_model` says where it listens, serves, and stops cleanly."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
Server = subprocess.Popen[str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "offline_model", "--listen", "127.0.0.1:0"]
    command += ["--port-file", str(tmp_path / "port"), "--api-key", "right"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        yield started
        started.kill()


def listening(server: Server) -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("offline model listening on http://127.0.0.1:")
    return line.split()[-1]


def test_it_prints_its_address_and_writes_its_port(server: Server, tmp_path: Path) -> None:
    address = listening(server)

    assert address == f"http://127.0.0.1:{(tmp_path / 'port').read_text().strip()}/v1"


def test_it_answers_the_required_key(server: Server) -> None:
    body = json.dumps({"model": "m", "input": "Sell tea."}).encode()
    request = urllib.request.Request(
        f"{listening(server)}/responses", data=body, headers={"authorization": "Bearer right"}
    )

    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.loads(response.read())["status"] == "completed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(server: Server, number: signal.Signals) -> None:
    listening(server)

    server.send_signal(number)

    assert server.wait(timeout=10) == 0


@pytest.mark.parametrize("wrong", [["--listen", "nowhere"], ["--latency-seconds", "-1"], ["--unknown"]])
def test_wrong_usage_exits_2(wrong: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "offline_model", *wrong], cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert ended.returncode == 2
    assert "usage:" in ended.stderr


def test_a_taken_address_exits_1_and_says_so(server: Server) -> None:
    port = listening(server).rsplit(":", 1)[1].removesuffix("/v1")

    ended = subprocess.run(
        [sys.executable, "-m", "offline_model", "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
