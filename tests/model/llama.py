"""llama.cpp's server with a small model, and a gateway in front of it, started and stopped."""

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = Path(__file__).parents[2] / "build" / "model" / ".venv" / "bin" / "python"
# It serves this machine alone, and asks nobody for prices.
_GATEWAY_SETTINGS = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
}
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


@contextmanager
def running_gateway(command: str, behind: str) -> Iterator[tuple[str, str]]:
    """Lends the address of a LiteLLM proxy before that server, and its version.

    Raises:
        RuntimeError: it does not answer within two minutes.
    """
    environment = os.environ | _GATEWAY_SETTINGS
    told = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True, env=environment
    ).stdout
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        settings = Path(folder) / "gateway.yaml"
        settings.write_text(
            "model_list:\n  - model_name: smollm2\n    litellm_params:\n      model: openai/smollm2\n"
            f"      api_base: {behind}\n      api_key: stand-in-key\n",
            encoding="utf-8",
        )
        free.close()
        arguments = [command, "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
        nowhere = subprocess.DEVNULL
        with subprocess.Popen(
            arguments, cwd=folder, env=environment, stdout=nowhere, stderr=nowhere
        ) as process:
            try:
                _wait_for(f"http://127.0.0.1:{port}/health/liveliness")
                yield f"http://127.0.0.1:{port}/v1", told.strip().rpartition(" ")[2]
            finally:
                process.terminate()


def _wait_for(url: str) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError("the gateway does not answer")
