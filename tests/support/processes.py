"""Processes of a test: their own environment, found by port file, stopped by process id."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.fork_server import Child, ForkServer

ROOT = Path(__file__).resolve().parents[2]

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.02
# What a developer's shell may hold must not reach the services of a test.
_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")

# Commands that are run hundreds of times, and what serves, are forked where what they need was imported,
# each server of forks begun when it is first asked for. None but where tests run: what is measured starts
# from nothing.
_COMMANDS = ("consensus_cli", "offline_model", "persistence_service", "review_service")
LIBRARIES = (  # neither gRPC nor what imports it
    "aiohttp", "alembic.command", "alembic.context", "cryptography.x509", "google.protobuf.descriptor_pool",
    "jiter", "jwt", "openai.types.responses", "opentelemetry.sdk.trace", "orjson", "prometheus_client",
    "protovalidate", "psycopg2", "pydantic", "pydantic_settings", "rfc8785", "rich.console", "sqlalchemy.orm",
    "structlog", "tenacity", "uvloop",
)  # fmt: skip
_fork_servers: dict[str, ForkServer] | None = None


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment of a service: nothing but what every process needs, and these settings.

    A persistence service that is not told otherwise takes a free port for review services.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {"PYTHONUNBUFFERED": "1", "PERSISTENCE_INTERNAL_LISTEN": "127.0.0.1:0"}
    return kept | _paths(ROOT) | own | settings


def python_of(checkout: Path | None) -> str:
    """The interpreter of a checkout's own environment; without one, of this."""
    return sys.executable if checkout is None else str(checkout / ".venv" / "bin" / "python")


def _paths(checkout: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join((str(checkout), str(checkout / "gen")))}


@dataclass(slots=True)
class Process:
    """A running module, `python -m <module>`; its output goes to `log`.

    `internal_address` is where a persistence service listens for review services.
    """

    name: str
    log: Path
    popen: subprocess.Popen[bytes] | Child
    address: str = ""
    internal_address: str = ""

    @property
    def pid(self) -> int:
        return self.popen.pid

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def stop(self) -> int:
        """End it as an operator would, or by force if it does not go; return its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
        try:
            return self.popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it as a crash would."""
        self.popen.kill()
        return self.popen.wait(_STOP_SECONDS)


@contextmanager
def forking() -> Iterator[None]:
    """Meanwhile, commands are forked from processes that have imported them."""
    global _fork_servers
    _fork_servers = {}
    try:
        yield
    finally:
        for server in _fork_servers.values():
            server.close()
        _fork_servers = None


def _fork_server(name: str, *imported: str) -> ForkServer | None:
    """The one of this name, which has imported that; none where nothing is forked."""
    if _fork_servers is None:
        return None
    if name not in _fork_servers:
        _fork_servers[name] = ForkServer(*imported)
    return _fork_servers[name]


def start_process(
    module: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    name: str = "",
    arguments: Sequence[str] = (),
    checkout: Path | None = None,
) -> Process:
    """Start `python -m module`; `wait_started` then says where it listens.

    With a `checkout`, the code that stands there, in the environment that was made for it.
    """
    name = name or module
    port_file = _port_file(folder, name)
    port_file.unlink(missing_ok=True)
    log = folder / f"{name}.log"
    arguments = [*arguments, "--port-file", str(port_file)]
    if checkout is None and (server := _fork_server("libraries", *LIBRARIES)):
        child = server.start(module, folder, environment, arguments, output=log)
        return Process(name, log, child)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [python_of(checkout), "-m", module, *arguments],
            cwd=folder,
            env={**environment, **(_paths(checkout) if checkout else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Process(name, log, popen)


def run_command(
    *arguments: str,
    environment: Mapping[str, str],
    package: str = "consensus_cli",
    folder: Path = ROOT,
    typed: str = "",
    timeout_seconds: float = 60.0,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, by default `consensus …`, with what it reads and writes in files."""
    server = _fork_server(package, package) if package in _COMMANDS else None
    if server is None:
        return subprocess.run(
            [sys.executable, "-m", package, *arguments], cwd=folder, env=dict(environment), input=typed,
            check=False, capture_output=True, text=True, timeout=timeout_seconds,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        stdin, out, err = (Path(name) / each for each in ("in", "out", "err"))
        stdin.write_text(typed, encoding="utf-8")
        child = server.start(package, folder, environment, arguments, output=out, errors=err, typed=stdin)
        try:
            status = child.wait(timeout_seconds)
        finally:
            child.kill()
        said, complained = (each.read_text(encoding="utf-8") for each in (out, err))
    return subprocess.CompletedProcess([package, *arguments], status, said, complained)


def wait_started(process: Process) -> str:
    """Wait until a process has written its port file, and return its address for callers.

    Raises:
        RuntimeError: if it ends, or takes too long; carries what it said.
    """
    port_file = _port_file(process.log.parent, process.name)
    ends = time.monotonic() + _START_SECONDS
    while not port_file.exists():
        if process.popen.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"{process.name} did not start:\n{process.logged()[-4000:]}")
        time.sleep(_LOOK_SECONDS)
    process.address, *further = port_file.read_text(encoding="utf-8").split()
    process.internal_address = further[0] if further else ""
    return process.address


def _port_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.port"
