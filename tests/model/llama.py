"""llama.cpp's server with a small model, started and stopped."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = Path(__file__).parents[2] / "build" / "model" / ".venv" / "bin" / "python"
SERVER = Path(__file__).parent / "llama_server.py"


@contextmanager
def running_llama() -> Iterator[tuple[str, str]]:
    """Lends the address, ending in `/v1`, and what is running.

    Raises:
        RuntimeError: it does not start, or nobody has made its environment.
    """
    if not PYTHON.exists():
        raise RuntimeError("`make test-model` makes the environment that this needs")
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    command = [str(PYTHON), "-P", str(SERVER)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True) as server:
        assert server.stdout is not None
        address, _, version = server.stdout.readline().strip().partition(" ")
        if not address:
            raise RuntimeError("llama.cpp's server did not start")
        try:
            yield f"{address}/v1", version
        finally:
            server.terminate()
