"""A small real model behind llama.cpp's HTTP server, started once for all tests here."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / "build" / "model" / ".venv" / "bin" / "python"
SERVER = Path(__file__).parent / "llama_server.py"


@pytest.fixture(scope="session")
def llama_url() -> Iterator[str]:
    """The server's address, ending in `/v1`."""
    if not PYTHON.exists():
        pytest.fail("`make test-model` makes the environment that this needs")
    command = [str(PYTHON), "-P", str(SERVER)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address, "the server did not start"
        yield f"{address}/v1"
        server.terminate()
