"""The commands of docker-compose.yml, run as they stand, with the hosts of its network moved to loopback."""

import os
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import postgres
from tests.support.deployed import KEY, ROOT, Described, Loopback
from tests.support.ports import HeldPorts

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]


class Compose(Loopback):
    """What compose gives its containers: secrets, a volume of certificates, a prepared database."""

    def prepare(self) -> None:
        for name in ("db_admin_password", "db_owner_password", "db_service_password", "openai_api_key"):
            (self.folder / name).write_text("not-a-real-secret-but-long-enough", encoding="utf-8")
        self._prepare_volume()
        for _ in range(2):  # whenever compose comes up
            certified = self.once(SERVICES["certs"]["command"], self.service("certs"))
            assert certified.returncode == 0, certified.stderr

    def service(self, name: str) -> Described:
        given: dict[str, str] = SERVICES[name].get("environment", {})
        environment = {each: value.replace("${OPENAI_BASE_URL:-}", "") for each, value in given.items()}
        mounts = {"/srv/certs": self.folder / "certs", "/run/secrets": self.folder}
        return Described(name, SERVICES[name]["command"], environment, mounts)

    def _prepare_volume(self) -> None:
        """As PostgreSQL's image does with an empty volume: it runs the scripts that are mounted for it."""
        mounted = [each for each in SERVICES["postgres"]["volumes"] if "initdb.d" in each]
        for script in mounted:
            text = (ROOT / script.partition(":")[0]).read_text(encoding="utf-8")
            text = text.replace("/run/secrets/", f"{self.folder}/")
            text = text.replace("/srv/roles.sql", str(ROOT / "deploy/postgresql/roles.sql"))
            subprocess.run(
                ["/bin/sh", "-c", text], check=True,
                env={
                    "PATH": f"{postgres.binaries()}:{os.environ['PATH']}", "PGHOST": "127.0.0.1",
                    "PGPORT": str(self.cluster.port),
                    "POSTGRES_USER": SERVICES["postgres"]["environment"]["POSTGRES_USER"],
                },
            )  # fmt: skip
        assert mounted

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.once(SERVICES[name]["healthcheck"]["test"][1:], self.service(name))

    def is_healthy(self, name: str) -> bool:
        return self.check(name).returncode == 0

    def started(self, name: str, stack: ExitStack) -> subprocess.Popen[str]:
        """One that is healthy, and runs until the stack ends."""
        process = stack.enter_context(self.running(self.service(name)))
        self.wait_until(lambda: self.is_healthy(name), self.service(name), process)
        return process

    def page(self) -> str:
        """The door's page, over TLS, by whoever believes the authority in the volume."""
        context = ssl.create_default_context(cafile=self.folder / "certs" / "authority.pem")
        address = f"https://localhost:{self.port('8080')}/runs"
        with urllib.request.urlopen(address, timeout=30, context=context) as answer:
            return str(answer.read(), "utf-8")


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    with HeldPorts() as ports, postgres.Cluster() as cluster:
        made = Compose(tmp_path, cluster, ports)
        made.prepare()
        yield made


def test_the_commands_bring_all_up_over_tls_and_drain_it(compose: Compose) -> None:
    migrated = compose.once(SERVICES["migrate"]["command"], compose.service("migrate"))
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    with ExitStack() as stack:
        persistence = compose.started("persistence", stack)
        there = compose.service("persistence")
        key = compose.once([*KEY, "create", "--subject", "me", "--role", "admin"], there)
        assert key.returncode == 0, key.stderr
        ended = compose.once([*KEY, "revoke", key.stdout.split("_")[1]], there)
        assert ended.returncode == 0, ended.stderr
        review, door = compose.started("review", stack), compose.started("door", stack)
        assert "<html" in compose.page()
        for process in (door, review, persistence):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=90) == 0


def test_persistence_is_not_healthy_before_the_migration(compose: Compose) -> None:
    with compose.running(compose.service("persistence")) as process:
        assert process.wait(timeout=90) != 0
        assert not compose.is_healthy("persistence")
    assert "migrate" in compose.said(compose.service("persistence"))


def test_review_is_not_healthy_without_persistence(compose: Compose) -> None:
    review = compose.service("review")
    with compose.running(review) as process:
        compose.wait_until(lambda: "NOT_SERVING" in compose.check("review").stdout, review, process)
        assert not compose.is_healthy("review")
