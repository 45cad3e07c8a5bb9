import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]


def build_settings(folder: str) -> dict[str, Any]:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = project["tool"]["hatch"]["build"]
    return found


PACKAGES: list[str] = [
    *build_settings("packages/client")["hooks"]["custom"]["rooms"],
    *build_settings(".")["targets"]["wheel"]["packages"],
]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What both wheels hold, as the image's build stage makes them."""
    folder = tmp_path_factory.mktemp("dist")
    for package in (ROOT / "packages" / "client", ROOT):
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
            cwd=package, check=True, capture_output=True,
        )  # fmt: skip
    return [name for path in folder.iterdir() for name in zipfile.ZipFile(path).namelist()]


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def test_the_image_runs_as_a_user_without_rights() -> None:
    last_stage = [name for name, _ in INSTRUCTIONS][::-1].index("FROM")
    users = [value for name, value in INSTRUCTIONS[-last_stage:] if name == "USER"]
    (user,) = users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_no_registry_is_named() -> None:
    assert {value.split()[0] for value in values("FROM")} == {"${PYTHON_IMAGE}"}
    assert list(values("ARG")) == ["PYTHON_IMAGE=python:3.11-slim"]


def test_only_exact_versions_with_hashes_are_installed() -> None:
    installs = [part for value in values("RUN") for part in value.split("&&") if "pip install" in part]
    assert installs
    assert [part for part in installs if "--require-hashes" not in part and "--no-deps" not in part] == []


def test_the_command_is_a_process_and_not_a_shell() -> None:
    (command,) = values("CMD")
    assert command.startswith("[")


def test_the_builder_sees_what_the_wheel_is_made_of() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ours = {"packages", "pyproject.toml", "README.md", "LICENSE"}
    needed = ours | {package.split("/")[0] for package in PACKAGES}
    assert [name for name in sorted(needed) if f"!{name}" not in allowed] == []


def test_the_wheels_hold_every_package(names: list[str]) -> None:
    packages = {package.rpartition("/")[2] for package in PACKAGES}
    assert packages - {name.split("/")[0] for name in names} == set()


def test_the_wheels_hold_personas_migrations_and_the_service_config(names: list[str]) -> None:
    assert len([name for name in names if re.fullmatch(r"consensus_panels/default/\w+\.md", name)]) >= 5
    assert {"migrations/env.py", "consensus/v1/service_config.json"} <= set(names)
    assert [name for name in names if re.fullmatch(r"migrations/versions/\w+\.py", name)]
    assert [name for name in names if "__pycache__" in name] == []
