"""docs/operations.md, followed to the letter: from day one to an incident, on a real PostgreSQL, over TLS."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.page_commands import Page
from tests.support.ports import HeldPorts
from tests.support.postgres import Cluster
from tests.support.processes import ROOT, Process, clean_environment, run_command, start_process, wait_started

if TYPE_CHECKING:
    import subprocess

SECONDS = 90.0
MODEL_KEY = "sk-obvious-fake"
PORTS = ("50051", "50052", "50053", "9464", "9465")
RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
pytestmark = pytest.mark.timeout(900)


class Machine:
    """What an operator has: a folder, a database server, a model, and the page."""

    def __init__(self, folder: Path, cluster: Cluster, ports: HeldPorts) -> None:
        self.folder = folder
        self.cluster = cluster
        (folder / "deploy").symlink_to(ROOT / "deploy")
        free = {port: ports.listen().rpartition(":")[2] for port in PORTS}
        moved = {"0.0.0.0": "127.0.0.1", "DB_PORT=5432": f"DB_PORT={cluster.port}"}
        self.page = Page("operations.md", moved | free)
        self._free = free
        self._model_address = ports.listen()
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._model: Process | None = None

    def do(self, block: str, **variables: str) -> str:
        """Paste a block; return what it printed."""
        given: dict[str, Any] = {"ADMIN_URL": self.cluster.admin_url, "OPENAI_API_KEY": MODEL_KEY}
        given |= self.caller() | variables
        return self.page.succeed(block, self.folder, **given).stdout

    def caller(self) -> dict[str, str]:
        """What the first review has exported in the operator's shell."""
        if not (self.folder / "secrets/operator.key").exists():
            return {}
        return {
            "CONSENSUS_TLS_CA": "certs/authority.pem", "CONSENSUS_KEY_FILE": "secrets/operator.key",
            "CONSENSUS_SERVER": f"localhost:{self._free['50051']}",
            "CONSENSUS_PERSISTENCE": f"localhost:{self._free['50052']}",
        }  # fmt: skip

    def start(self, service: str) -> None:
        """Start a service; how the model is reached is the one thing that the page leaves to defaults."""
        shell = {"OPENAI_BASE_URL": f"http://{self._model_address}/v1", "OPENAI_API_KEY": MODEL_KEY}
        self._running[service] = self.page.start(service, self.folder, **shell)

    def start_model(self) -> None:
        """A provider, always at the same address."""
        self._model = start_process(
            "offline_model", self.folder, clean_environment(), arguments=["--listen", self._model_address]
        )
        wait_started(self._model)

    def stop_model(self) -> None:
        assert self._model
        self._model.kill()

    def review(self) -> "subprocess.CompletedProcess[str]":
        """A review that nobody's page describes."""
        return run_command(
            "review", "Wards share one list of beds.", folder=self.folder,
            environment=clean_environment(**self.caller()), timeout_seconds=SECONDS,
        )  # fmt: skip

    def key_id(self, name: str) -> str:
        """The id within an access key's file."""
        return (self.folder / "secrets" / f"{name}.key").read_text(encoding="utf-8").split("_")[1]

    def drain(self, service: str) -> int:
        """As an orchestrator ends it; its exit code."""
        self._running[service].send_signal(signal.SIGTERM)
        return self._running[service].wait(timeout=90)

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        if self._model:
            self._model.stop()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        ports, cluster = stack.enter_context(HeldPorts()), stack.enter_context(Cluster())
        made = Machine(tmp_path, cluster, ports)
        stack.callback(made.close)
        yield made


def test_the_page_leads_from_an_empty_folder_through_an_incident(machine: Machine) -> None:
    for block in ("secrets", "roles", "certificates", "settings", "migrate", "first key"):
        machine.do(block)
    assert {path.stat().st_mode & 0o077 for path in (machine.folder / "secrets").iterdir()} == {0}
    machine.start_model()
    machine.start("review")  # the page says: in any order
    machine.start("persistence")
    machine.do("served")
    first = machine.do("first review")
    assert "confidence" in first
    assert "all is well" in first, "what was waited for is all that there is"

    machine.stop_model()
    assert [machine.review().returncode for _ in range(2)] == [1, 1]
    run_id, other = dict.fromkeys(RUN_ID.findall(machine.do("look")))
    assert "LLM_" in machine.do("a failed run", RUN=run_id)
    machine.start_model()
    assert machine.review().returncode == 0, "callers do not wait for the end of an incident"
    assert "confidence" in machine.do("go on", RUN=run_id)
    assert other in machine.do("go on with all")
    assert machine.do("go on with all") == "no runs\n"

    machine.do("delete and restore", RUN=run_id)
    rotated = machine.do("another content key")
    newest = (machine.folder / "secrets/content-keys").read_text(encoding="utf-8").partition(":")[0]
    assert rotated.count(newest) == 2, "both content keys are wrapped with it"
    assert "billing" in machine.do("another access key", KEY_ID=machine.key_id("billing"))
    machine.do("other certificates")
    assert "whole" in machine.do("checkpoint")
    assert [machine.drain(service) for service in ("review", "persistence")] == [0, 0]


def test_every_block_of_the_page_is_run() -> None:
    elsewhere = [ROOT / "tests" / "faults" / "test_moving_tenants.py"]
    assert Page("operations.md").not_run_by([*Path(__file__).parent.glob("*.py"), *elsewhere]) == []
