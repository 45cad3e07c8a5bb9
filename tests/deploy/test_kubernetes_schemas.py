"""The built manifests against the schemas of Kubernetes, its oldest version that is served and the newest."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.tools import PYTHON, custom_resources
from tests.support.leaving_out import leave_out
from tests.support.manifests import documents

COMMAND = Path(__file__).with_name("schemas.py")
OLDEST, NEWEST = "1.30", "1.37"
OTHERS = "cert-manager.io/"


@pytest.fixture(scope="session")
def definitions() -> list[Path]:
    """Of cert-manager's objects."""
    found = custom_resources()
    if found is None:
        leave_out("certificates' schemas: Go not found, whose module of cert-manager has them")
    return found


def check(text: str, version: str, folder: Path, *definitions: Path) -> subprocess.CompletedProcess[str]:
    objects = folder / "objects.yaml"
    objects.write_text(text, encoding="utf-8")
    return subprocess.run(
        [str(PYTHON), str(COMMAND), version, str(objects), *map(str, definitions)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_object_and_field(example: str, version: str, tmp_path: Path) -> None:
    own = [each for each in documents(example) if not each["apiVersion"].startswith(OTHERS)]
    checked = check(yaml.safe_dump_all(own), version, tmp_path)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    assert len(own) > 20


def test_cert_manager_knows_its_objects(example: str, definitions: list[Path], tmp_path: Path) -> None:
    others = [each for each in documents(example) if each["apiVersion"].startswith(OTHERS)]
    checked = check(yaml.safe_dump_all(others), NEWEST, tmp_path, *definitions)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    assert len(others) == 6


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("terminationGracePeriodSeconds", "terminationGraceSeconds", "Deployment door"),
        ("replicas: 2", "replicas: two", "Deployment door"),
        ("dnsNames", "hostNames", "Certificate door"),
        ("isCA: true", "isCA: perhaps", "Certificate authority"),
    ],
)
def test_what_breaks_a_schema_is_found(
    example: str, definitions: list[Path], right: str, wrong: str, named: str, tmp_path: Path
) -> None:
    assert right in example
    checked = check(example.replace(right, wrong), NEWEST, tmp_path, *definitions)
    assert checked.returncode == 1
    assert f"{named}: " in checked.stdout
