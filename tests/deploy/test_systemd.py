"""The units: as systemd reads them, and what they run, as processes of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from consensus_rpc.security.make_certificates import make_certificates
from tests.support import postgres
from tests.support.deployed import Described, Loopback
from tests.support.leaving_out import leave_out
from tests.support.ports import HeldPorts
from tests.support.units import CREDENTIALS, SYSTEMD, units

UNITS = units()
PROGRAM = "/opt/consensus/bin/python"
# Of ten; what is left are the network, the host's files and a socket to its name service.
MOST_EXPOSURE = 1.5
SECRETS = ("db_owner_password", "db_service_password", "openai_api_key", "door_cookie_secret")
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of units as systemd has them, whose program is there."""
    if shutil.which("systemd-analyze") is None:
        leave_out("systemd: systemd-analyze not found")
    folder = tmp_path / "system"
    shutil.copytree(SYSTEMD, folder)
    for path in folder.glob("*.service"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], check=False, capture_output=True, text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"},
    )  # fmt: skip


def test_systemd_understands_the_units(installed: Path) -> None:
    paths = [str(path) for path in installed.glob("consensus*.*") if path.is_file()]
    verified = analyze(installed, "verify", "--man=no", *paths)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert len(paths) == len(UNITS) + 1


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardly_exposed(installed: Path, name: str) -> None:
    judged = analyze(
        installed, "security", "--offline=yes", f"--threshold={round(MOST_EXPOSURE * 10)}",
        str(installed / f"consensus-{name}.service"),
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout


class Machine(Loopback):
    """A machine on which the pages were followed: files in /etc/consensus, and a prepared database."""

    def install(self) -> None:
        (self.folder / "secrets").mkdir()
        for name in SECRETS:
            secret = f"not-a-secret-but-32-characters-long-{name}"
            (self.folder / "secrets" / name).write_text(secret, encoding="utf-8")
        make_certificates(self.folder / "certs")
        self.prepare_database(*(f"not-a-secret-but-32-characters-long-{name}" for name in SECRETS[:2]))

    def unit(self, name: str) -> Described:
        """What it runs, with copies of its credentials in a folder of its own, as systemd hands them over."""
        unit, handed = UNITS[name], self.folder / f"{name}.credentials"
        handed.mkdir(exist_ok=True)
        for credential, path in unit.credentials().items():
            shutil.copy(path.replace("/etc/consensus", str(self.folder)), handed / credential)
        words = unit.one("ExecStart").replace(PROGRAM, "python").split()
        return Described(name, words, unit.settings(), {CREDENTIALS: handed})

    def serves(self, port: str) -> bool:
        """Whether a health check, over TLS, says so."""
        words = ["python", "-m", "consensus_rpc.process.healthcheck", "--tls-ca=%d/authority"]
        return self.once([*words, f"127.0.0.1:{port}"], self.unit("review")).returncode == 0

    def opens(self) -> bool:
        """Whether the door's health check says so."""
        words = ["python", "-m", "consensus_door.healthcheck", "--tls-ca=%d/authority"]
        return self.once([*words, "https://127.0.0.1:8080"], self.unit("door")).returncode == 0


def test_what_units_run_comes_up_and_drains(tmp_path: Path) -> None:
    with HeldPorts() as ports, postgres.Cluster() as cluster, ExitStack() as stack:
        machine = Machine(tmp_path, cluster, ports)
        machine.install()
        migration = machine.unit("migrate")
        migrated = machine.once(migration.command, migration)
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        processes = {}
        for name, holds in {
            "persistence": lambda: machine.serves("50052"),
            "review": lambda: machine.serves("50051"),
            "door": machine.opens,
        }.items():
            processes[name] = stack.enter_context(machine.running(machine.unit(name)))
            machine.wait_until(holds, machine.unit(name), processes[name])
        for name, process in processes.items():
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=90) == 0, machine.said(machine.unit(name))
