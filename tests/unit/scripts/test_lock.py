import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = (
    "requirements.lock", "requirements-build.lock", "requirements-runtime.lock", "requirements-bench.lock",
)  # fmt: skip
PEERS = "requirements-peers.lock"
MODEL = "requirements-model.lock"
AUDIT = "requirements-audit.lock"
DEPLOY = "requirements-deploy.lock"
PROJECTS = ("pyproject.toml", "packages/client/pyproject.toml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (*LOCKS, PEERS, MODEL, AUDIT, DEPLOY, *PROJECTS, "scripts/make_lock.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/make_lock.py", "--check"],
        cwd=tree, check=False, capture_output=True, text=True,
    )  # fmt: skip


def versions(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_the_locks_are_in_step_with_the_dependencies(tree: Path) -> None:
    done = check(tree)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", PROJECTS)
def test_a_new_dependency_puts_every_lock_out_of_step(tree: Path, name: str) -> None:
    project = tree / name
    text = project.read_text(encoding="utf-8")
    project.write_text(
        text.replace("dependencies = [\n", 'dependencies = [\n    "left>=1",\n', 1), encoding="utf-8"
    )
    done = check(tree)
    assert done.returncode == 1
    assert [name for name in (*LOCKS, PEERS) if f"{name} is out of step" not in done.stdout] == []


def test_a_lock_that_names_an_address_is_refused(tree: Path) -> None:
    with (tree / "requirements.lock").open("a", encoding="utf-8") as file:
        file.write("--index-url https://packages.invalid/simple\n")
    assert "requirements.lock names an address" in check(tree).stdout


@pytest.mark.parametrize("part", LOCKS[1:])
def test_the_parts_hold_the_versions_of_the_whole(part: str) -> None:
    whole = versions("requirements.lock")
    shared = versions(part).keys() & whole.keys() if "bench" in part else versions(part).keys()
    assert {name: versions(part)[name] for name in shared}.items() <= whole.items()


def test_what_the_peers_share_with_us_is_the_same_version_but_for_one() -> None:
    whole, peers = versions("requirements.lock"), versions(PEERS)
    assert [name for name in peers.keys() & whole.keys() if peers[name] != whole[name]] == ["uuid-utils"]


@pytest.mark.parametrize("name", [*LOCKS, PEERS])
def test_every_version_has_its_hashes(name: str) -> None:
    entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    assert [line for line in entries if not line.startswith("#") and "--hash=sha256:" not in line] == []
