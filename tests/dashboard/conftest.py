"""Everything as `make up` starts it, and a Prometheus of this machine that scrapes it, on loopback."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from consensus_cli.local.processes import reserve_port
from tests.support.processes import clean_environment, run_command
from tests.support.promql import DEPLOY

WAIT_SECONDS = 90.0
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that runs, asked over HTTP."""

    address: str

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str) -> list[Any]:
        """The series that an expression comes to now, but for those without a value."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return [each for each in found if each["value"][1] != "NaN"]


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started, and its log."""

    popen: subprocess.Popen[bytes]
    log: Path

    def has_said(self, words: str) -> bool:
        """Whether its log has these words."""
        said = self.log.read_text(encoding="utf-8")
        assert self.popen.poll() is None, said
        return words in said


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits until it holds."""
    ends = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(_LOOK_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports that are free now; the last two follow one another."""
    with ExitStack() as held:
        found = [_port(held.enter_context(reserve_port())) for _ in range(count - 2)]
        while True:
            first = _port(held.enter_context(reserve_port()))
            with suppress(OSError):  # the next one is taken
                held.enter_context(reserve_port(port=first + 1))
                return [*found, first, first + 1]


def _port(held: socket.socket) -> int:
    return int(held.getsockname()[1])


@contextmanager
def process(command: list[str], folder: Path, name: str, **environment: str) -> Iterator[Child]:
    """A process that is ended in the end."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command, cwd=folder, env=clean_environment(**environment), stdout=output, stderr=output
        )
        try:
            yield Child(popen, log)
        finally:
            popen.terminate()
            popen.wait(_STOP_SECONDS)


@contextmanager
def started(folder: Path, metrics: tuple[int, int, int], listens: list[int]) -> Iterator[str]:
    """All that `make up` starts; the address of the review service."""
    review, persistence, internal, door = (f"127.0.0.1:{port}" for port in listens)
    command = [sys.executable, "-m", "consensus_cli", "up", f"--data={folder}"]
    settings = {
        "REVIEW_LISTEN": review,
        "PERSISTENCE_LISTEN": persistence,
        "PERSISTENCE_INTERNAL_LISTEN": internal,
        "DOOR_LISTEN": door,
        "METRICS_LISTEN": f"127.0.0.1:{metrics[0]}",
        "DOOR_METRICS_LISTEN": f"127.0.0.1:{metrics[2]}",
    }
    with process(command, folder, "up", **settings) as up:
        until(lambda: up.has_said("try:"), "the services did not start")
        yield review


@contextmanager
def scraping(folder: Path, metrics: tuple[int, int, int], port: int) -> Iterator[Prometheus]:
    """A Prometheus with the example's configuration, but for addresses and a shorter interval."""
    shutil.copy(DEPLOY / "prometheus" / "alerts.yaml", folder)
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for scrape, target in zip(config["scrape_configs"], metrics, strict=True):
        scrape["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        "prometheus",
        "--config.file=prometheus.yaml",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with process(command, folder, "prometheus"):
        server = Prometheus(f"127.0.0.1:{port}")
        until(lambda: _scrapes(server), "Prometheus does not reach all processes")
        yield server


def _scrapes(server: Prometheus) -> bool:
    try:
        return len(server.series("up == 1")) == 3
    except OSError:  # it is not up itself
        return False


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """What scrapes both services and the door, after ten reviews."""
    folder = tmp_path_factory.mktemp("dashboard")
    *listens, port, third, first, second = free_ports(8)
    metrics = (first, second, third)
    with started(folder, metrics, listens) as review, scraping(folder, metrics, port) as server:
        for number in range(10):
            idea = f"Idea {number}: nurses hand over a shift on one page, in under five minutes."
            environment = clean_environment(CONSENSUS_SERVER=review)
            done = run_command("review", "--", idea, environment=environment, folder=folder)
            assert done.returncode == 0, done.stderr
        yield server
