"""What the example overlay's pods run, as processes of this machine, probed as the kubelet would."""

import base64
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from consensus_rpc.security.authority import Authority
from tests.support import postgres
from tests.support.deployed import KEY, Described, Loopback
from tests.support.manifests import Manifests, secret_mounts
from tests.support.ports import HeldPorts
from tests.support.probes import succeeds
from tests.support.processes import clean_environment, run_command, start_process, wait_started

MODEL_HEALTH = "consensus.v1.ReviewService/model"
OWN_METRICS = {
    "review": "consensus_runs_in_flight",
    "persistence": "consensus_writer_operations_waiting",
    "door": "consensus_door_requests_in_flight",
}
pytestmark = pytest.mark.timeout(600)


class Cluster(Loopback):
    """A cluster with the objects applied: Secrets and certificates as files, and a prepared database."""

    def apply(self, manifests: Manifests, model_url: str) -> None:
        self.manifests = manifests
        self._model = model_url
        for name, each in manifests.named("Secret").items():
            self._put(name, {key: base64.b64decode(value) for key, value in each["data"].items()})
        self._certify()
        self.prepare_database(self._password("migrate"), self._password("persistence"))

    def pod(self, name: str) -> Described:
        """A pod's one container; what it is not told by the example is where the model is."""
        container, pod = self.manifests.containers()[name], self.manifests.pods()[name]
        mounts = {path: self.folder / secret for path, secret in secret_mounts(pod).items()}
        settings = self.manifests.settings(container)
        if name == "review":
            settings |= {"OPENAI_BASE_URL": self._model}
        return Described(name, [*container["command"], *container.get("args", ())], settings, mounts)

    def is_well(self, name: str, probe: str) -> bool:
        container = self.manifests.containers()[name]
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        return succeeds(container[probe], ports, self.pod(name), self)

    def started(self, name: str, stack: ExitStack) -> subprocess.Popen[str]:
        """One whose start-up probe succeeds."""
        process = stack.enter_context(self.running(self.pod(name)))
        self.wait_until(lambda: self.is_well(name, "startupProbe"), self.pod(name), process)
        return process

    def _password(self, name: str) -> str:
        """What a pod finds in the file of its database's password."""
        pod = self.pod(name)
        return Path(self.move(pod.environment["DB_PASSWORD_FILE"], pod)).read_text(encoding="utf-8")

    def _certify(self) -> None:
        """As cert-manager does: what each Certificate says, by one authority."""
        authority = Authority.make()
        for each in self.manifests.named("Certificate").values():
            spec = each["spec"]
            if not spec.get("isCA"):
                made = authority.issue(dns=spec["dnsNames"], addresses=spec["ipAddresses"], uris=spec["uris"])
                files = {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": authority.certificate}
                self._put(spec["secretName"], files)

    def _put(self, secret: str, files: dict[str, bytes]) -> None:
        folder = self.folder / secret
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)


@pytest.fixture
def cluster(example: str, tmp_path: Path) -> Iterator[Cluster]:
    model = start_process("offline_model", tmp_path, clean_environment())
    try:
        with HeldPorts() as ports, postgres.Cluster() as database:
            made = Cluster(tmp_path, database, ports)
            made.apply(Manifests.built(example), f"http://127.0.0.1:{port_of(wait_started(model))}/v1")
            yield made
    finally:
        model.stop()


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def model_answers(cluster: Cluster) -> bool:
    """What the command of the readiness probe says where it is asked for the model's health."""
    command = cluster.manifests.containers()["review"]["readinessProbe"]["exec"]["command"]
    return cluster.once([*command, MODEL_HEALTH], cluster.pod("review")).returncode == 0


def test_what_pods_run_comes_up_reviews_and_drains(cluster: Cluster) -> None:
    with ExitStack() as stack:
        early = stack.enter_context(cluster.running(cluster.pod("persistence")))
        assert early.wait(timeout=90) != 0, "before the migration it does not serve"
        migrated = cluster.once(cluster.pod("migrate").command, cluster.pod("migrate"))
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr

        review = cluster.started("review", stack)
        assert cluster.is_well("review", "livenessProbe"), "one that waits for another is alive"
        assert not cluster.is_well("review", "readinessProbe")
        persistence, door = cluster.started("persistence", stack), cluster.started("door", stack)
        processes = {"persistence": persistence, "review": review, "door": door}
        for name, process in processes.items():
            cluster.wait_until(partial(cluster.is_well, name, "readinessProbe"), cluster.pod(name), process)
            assert cluster.is_well(name, "livenessProbe")

        assert not model_answers(cluster), "nobody has asked it yet"
        review_once(cluster)
        cluster.wait_until(lambda: model_answers(cluster), cluster.pod("review"), review)
        for name, metric in OWN_METRICS.items():
            assert f"\n{metric} " in metrics(cluster, name)

        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in processes.items():
            assert process.wait(timeout=90) == 0, cluster.said(cluster.pod(name))


def review_once(cluster: Cluster) -> None:
    """As a caller with a key, who believes the namespace's authority."""
    key = cluster.folder / "caller.key"
    making = [*KEY, "create", "--subject", "caller", "--role", "submitter"]
    made = cluster.once(making, cluster.pod("persistence"))
    assert made.returncode == 0, made.stderr
    key.write_text(made.stdout.split()[0], encoding="utf-8")
    done = run_command(
        "review", "Nurses hand over a shift from one page.",
        environment=clean_environment(
            CONSENSUS_SERVER=f"localhost:{cluster.port('50051')}",
            CONSENSUS_PERSISTENCE=f"localhost:{cluster.port('50052')}",
            CONSENSUS_TLS_CA=str(cluster.folder / "review-tls" / "ca.crt"),
            CONSENSUS_KEY_FILE=str(key),
        ),
        timeout_seconds=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "confidence" in done.stdout


def metrics(cluster: Cluster, name: str) -> str:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{cluster.port('9464', name)}/metrics", timeout=10
    ) as answer:
        return str(answer.read(), "utf-8")
