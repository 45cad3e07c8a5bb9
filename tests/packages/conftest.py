"""Both packages, built as they are published, in fresh environments; nothing comes from a registry."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 300
UV = str(Path(sys.executable).parent / "uv")


def run(*command: str | Path) -> str:
    """What it prints.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def command(self) -> str:
        """Its `consensus`."""
        return str(self.folder / "bin" / "consensus")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both wheels, each made from its sdist."""
    folder = tmp_path_factory.mktemp("dist")
    for package in (ROOT / "packages" / "client", ROOT):
        run(UV, "build", "--offline", "--no-build-isolation", package, "--out-dir", folder)
    return folder


Install = Callable[..., Environment]


@pytest.fixture
def install(wheels: Path, tmp_path: Path) -> Install:
    """Installs packages, with what they need in the locked versions, from what `make setup` left in uv's
    cache.
    """

    def into_fresh(*packages: str) -> Environment:
        cache = Path(run(UV, "cache", "dir").strip())
        if not cache.is_dir():
            pytest.skip(f"{cache}, which `make setup` fills, is not there")
        environment = Environment(tmp_path / "venv")
        run(UV, "venv", "--offline", "--python", sys.executable, environment.folder)
        run(
            UV, "pip", "install", "--offline", "--link-mode=symlink", "--compile-bytecode",
            "--python", environment.python, "--constraint", ROOT / "requirements.lock",
            *(wheel for package in packages for wheel in wheels.glob(f"{package}-*.whl")),
        )  # fmt: skip
        return environment

    return into_fresh
