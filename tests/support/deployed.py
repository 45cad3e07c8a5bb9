"""What a deployment's files describe, run here: hosts, ports and paths moved, the rest as it stands."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import postgres
from tests.support.ports import HeldPorts

ROOT = Path(__file__).resolve().parents[2]
KEY = ("python", "-m", "persistence_service", "key")
_SECONDS = 120.0
_ROLES = ROOT / "deploy" / "postgresql" / "roles.sql"
_METRICS = ("9464", "9465", "9466")
_PORT = re.compile(r":(5005[123]|8080|946[456])\b")
_HOSTS = {"0.0.0.0:": "127.0.0.1:", "persistence:": "localhost:", "review:": "localhost:"}


@dataclass(frozen=True, slots=True)
class Described:
    """A process as a deployment has it: what it runs, what it is told, and where it finds its files."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    """Folders there, and which folders of this machine are in their place."""


class Loopback:
    """A machine for what is described: a database, free ports, and processes one after the other."""

    def __init__(self, folder: Path, cluster: postgres.Cluster, ports: HeldPorts) -> None:
        self.folder = folder
        self.cluster = cluster
        self._ports = ports
        self._moved: dict[tuple[str, str], str] = {}

    def port(self, port: str, process: str = "") -> str:
        """The free port in the place of one: the same for all, but each has that of its metrics."""
        place = (process if port in _METRICS else "", port)
        if place not in self._moved:
            self._moved[place] = self._ports.listen().rpartition(":")[2]
        return self._moved[place]

    def move(self, value: str, described: Described) -> str:
        """A word of a command, or a setting, as it is on this machine."""
        value = _PORT.sub(lambda found: f":{self.port(found[1], described.name)}", value)
        for name, here in _HOSTS.items():
            value = value.replace(name, here)
        for there, folder in described.mounts.items():
            value = value.replace(there, str(folder))
        return value

    def command(self, words: Sequence[str], described: Described) -> list[str]:
        """The command, with this machine's Python."""
        assert words[0] == "python"
        return [sys.executable, *(self.move(word, described) for word in words[1:])]

    def environment(self, described: Described) -> dict[str, str]:
        """Nothing but what the deployment gives, and where commands are; the database is this machine's."""
        given = {name: self.move(value, described) for name, value in described.environment.items()}
        if "DB_HOST" in given:
            given |= {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.cluster.port)}
        if "PGSSLMODE" in given:
            given["PGSSLMODE"] = "prefer"  # the tests' PostgreSQL has no certificate
        return {"PATH": os.environ["PATH"], **given}

    def prepare_database(self, owner_password: str, service_password: str) -> None:
        """The three roles and their database, as a superuser makes them once."""
        subprocess.run(
            [
                str(postgres.binaries() / "psql"), "--no-psqlrc", self.cluster.admin_url, f"--file={_ROLES}",
                f"--set=owner_password={owner_password}", f"--set=service_password={service_password}",
            ],
            check=True, capture_output=True,
        )  # fmt: skip

    def once(self, words: Sequence[str], described: Described) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, as within what is described."""
        return subprocess.run(
            self.command(words, described), cwd=self.folder, check=False, capture_output=True, text=True,
            env=self.environment(described), timeout=_SECONDS,
        )  # fmt: skip

    @contextmanager
    def running(self, described: Described) -> Iterator[subprocess.Popen[str]]:
        """Runs its command meanwhile; what it says goes to a file."""
        with self._log(described).open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                self.command(described.command, described), cwd=self.folder,
                env=self.environment(described), stdout=out, stderr=out, text=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def said(self, described: Described) -> str:
        """What it has said so far."""
        return self._log(described).read_text(encoding="utf-8")

    def wait_until(
        self, holds: Callable[[], bool], described: Described, process: subprocess.Popen[str]
    ) -> None:
        """Returns once it holds of the running process."""
        limit = time.monotonic() + _SECONDS
        while not holds():
            assert process.poll() is None, f"{described.name} ended: {self.said(described)}"
            assert time.monotonic() < limit, f"{described.name} is not there: {self.said(described)}"

    def _log(self, described: Described) -> Path:
        return self.folder / f"{described.name}.log"
