"""Processes of a test: their own environment, found by port file, stopped by process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.fork_server import ForkServer, Running

ROOT = Path(__file__).resolve().parents[2]

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.02
# What a developer's shell may hold must not reach the services of a test.
_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")

# What is started hundreds of times, and the servers that fork it, each begun when it is first asked for. None
# but where tests run: what is measured starts from nothing.
_FORKED = ("offline_model", "persistence_service", "review_service")
_fork_servers: dict[str, ForkServer] | None = None


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment of a service: nothing but what every process needs, and these settings.

    A persistence service that is not told otherwise takes a free port for review services.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = os.pathsep.join((str(ROOT), str(ROOT / "gen")))
    own = {
        "PYTHONPATH": paths,
        "PYTHONUNBUFFERED": "1",
        "PERSISTENCE_INTERNAL_LISTEN": "127.0.0.1:0",
    }
    return kept | own | settings


@dataclass(slots=True)
class Process:
    """A running module, `python -m <module>`; its output goes to `log`.

    `internal_address` is where a persistence service listens for review services.
    """

    name: str
    log: Path
    popen: Running
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
    """Meanwhile, services are forked from processes that have imported them."""
    global _fork_servers
    _fork_servers = {}
    try:
        yield
    finally:
        for server in _fork_servers.values():
            server.close()
        _fork_servers = None


def _fork_server(module: str) -> ForkServer | None:
    if _fork_servers is None or module not in _FORKED:
        return None
    if module not in _fork_servers:
        _fork_servers[module] = ForkServer(module, ROOT)
    return _fork_servers[module]


def start_process(
    module: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    name: str = "",
    arguments: Sequence[str] = (),
) -> Process:
    """Start `python -m module`; `wait_started` then says where it listens."""
    name = name or module
    port_file = _port_file(folder, name)
    port_file.unlink(missing_ok=True)
    log = folder / f"{name}.log"
    arguments = [*arguments, "--port-file", str(port_file)]
    if server := _fork_server(module):
        return Process(name, log, server.start(folder, log, environment, arguments))
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Process(name, log, popen)


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
