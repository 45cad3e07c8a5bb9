"""The commands of docker-compose.yml, run as they stand, with the hosts of its network moved to loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import postgres
from tests.support.ports import HeldPorts

ROOT = Path(__file__).resolve().parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]
KEY = ["python", "-m", "persistence_service", "key"]
PORTS = ("50051", "50052", "50053", "8080")


class Loopback:
    """What compose gives its containers, on this machine: a database, secrets, ports."""

    def __init__(self, folder: Path, cluster: postgres.Cluster, ports: HeldPorts) -> None:
        self.folder = folder
        self.cluster = cluster
        self.moved = {port: ports.listen().rpartition(":")[2] for port in PORTS}
        for name in ("db_admin_password", "db_owner_password", "db_service_password", "openai_api_key"):
            (folder / name).write_text("not-a-real-secret-but-long-enough", encoding="utf-8")

    def command(self, words: list[str]) -> list[str]:
        assert words[0] == "python"
        return [sys.executable, *(self.move(word) for word in words[1:])]

    def environment(self, service: str) -> dict[str, str]:
        given = {name: self.move(value) for name, value in SERVICES[service].get("environment", {}).items()}
        if "DB_HOST" in given:
            given |= {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.cluster.port)}
        return {"PATH": os.environ["PATH"], **given}

    def move(self, value: str) -> str:
        for port, free in self.moved.items():
            value = value.replace(f":{port}", f":{free}")
        for name, here in {
            "0.0.0.0:": "127.0.0.1:",
            "persistence:": "localhost:",
            "review:": "localhost:",
        }.items():
            value = value.replace(name, here)
        value = value.replace("/srv/certs", f"{self.folder}/certs")
        return value.replace("/run/secrets/", f"{self.folder}/").replace("${OPENAI_BASE_URL:-}", "")

    def prepare_database(self) -> None:
        """As PostgreSQL's image does with an empty volume: it runs the scripts that are mounted for it."""
        mounted = [each for each in SERVICES["postgres"]["volumes"] if "initdb.d" in each]
        for script in mounted:
            text = (ROOT / script.partition(":")[0]).read_text(encoding="utf-8")
            text = self.move(text).replace("/srv/roles.sql", str(ROOT / "deploy/postgresql/roles.sql"))
            subprocess.run(
                ["/bin/sh", "-c", text], check=True,
                env={
                    "PATH": f"{postgres.binaries()}:{os.environ['PATH']}", "PGHOST": "127.0.0.1",
                    "PGPORT": str(self.cluster.port),
                    "POSTGRES_USER": SERVICES["postgres"]["environment"]["POSTGRES_USER"],
                },
            )  # fmt: skip
        assert mounted

    def once(self, words: list[str], service: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(words), cwd=self.folder, check=False, capture_output=True, text=True,
            env=self.environment(service), timeout=60,
        )  # fmt: skip

    @contextmanager
    def running(self, service: str) -> Iterator[subprocess.Popen[str]]:
        log = self.folder / f"{service}.log"
        with log.open("w", encoding="utf-8") as out:
            command = self.command(SERVICES[service]["command"])
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(service), stdout=out, stderr=out, text=True
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def is_healthy(self, service: str) -> bool:
        return self.once(SERVICES[service]["healthcheck"]["test"][1:], service).returncode == 0

    def wait_until_healthy(self, service: str, process: subprocess.Popen[str]) -> None:
        limit = time.monotonic() + 90
        while not self.is_healthy(service):
            said = (self.folder / f"{service}.log").read_text(encoding="utf-8")
            assert process.poll() is None, f"{service} ended: {said}"
            assert time.monotonic() < limit, f"{service} is not healthy: {said}"


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Loopback]:
    with HeldPorts() as ports, postgres.Cluster() as cluster:
        made = Loopback(tmp_path, cluster, ports)
        made.prepare_database()
        for _ in range(2):  # whenever compose comes up
            certified = made.once(SERVICES["certs"]["command"], "certs")
            assert certified.returncode == 0, certified.stderr
        yield made


def test_the_commands_bring_the_pair_up_and_drain_it(loopback: Loopback) -> None:
    migrated = loopback.once(SERVICES["migrate"]["command"], "migrate")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    with ExitStack() as stack:
        persistence = stack.enter_context(loopback.running("persistence"))
        loopback.wait_until_healthy("persistence", persistence)
        key = loopback.once([*KEY, "create", "--subject", "me", "--role", "admin"], "persistence")
        assert key.returncode == 0, key.stderr
        ended = loopback.once([*KEY, "revoke", key.stdout.split("_")[1]], "persistence")
        assert ended.returncode == 0, ended.stderr
        review = stack.enter_context(loopback.running("review"))
        loopback.wait_until_healthy("review", review)
        door = stack.enter_context(loopback.running("door"))
        loopback.wait_until_healthy("door", door)
        for process in (door, review, persistence):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=90) == 0


def test_persistence_is_not_healthy_before_the_migration(loopback: Loopback) -> None:
    with loopback.running("persistence") as process:
        assert process.wait(timeout=90) != 0
        assert not loopback.is_healthy("persistence")
    assert "migrate" in (loopback.folder / "persistence.log").read_text(encoding="utf-8")


def test_review_is_not_healthy_without_persistence(loopback: Loopback) -> None:
    with loopback.running("review") as process:
        limit = time.monotonic() + 90
        while (
            "NOT_SERVING" not in loopback.once(SERVICES["review"]["healthcheck"]["test"][1:], "review").stdout
        ):
            assert process.poll() is None
            assert time.monotonic() < limit
        assert not loopback.is_healthy("review")
