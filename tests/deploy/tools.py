"""What builds manifests and knows schemas: tools of this machine, or packages of Go and Python."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "deploy"
PYTHON = BUILD / ".venv" / "bin" / "python"
GO_KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
CERT_MANAGER = "github.com/cert-manager/cert-manager@v1.19.1"
_INSTALL_SECONDS = 900.0


def kustomize() -> Callable[[Path], str] | None:
    """What builds a folder, by whichever tool is here; None where there is none."""
    command = _kustomize_command()
    if command is None:
        return None

    def build(folder: Path) -> str:
        done = subprocess.run([*command, str(folder)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return build


def _kustomize_command() -> list[str] | None:
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    installed = BUILD / "bin" / "kustomize"
    if not installed.exists():
        if shutil.which("go") is None:
            return None
        subprocess.run(
            ["go", "install", GO_KUSTOMIZE], check=True, timeout=_INSTALL_SECONDS,
            env=os.environ | {"GOBIN": str(installed.parent)},
        )  # fmt: skip
    return [str(installed), "build"]


def custom_resources() -> list[Path] | None:
    """The definitions of cert-manager's objects, from its Go module; None without Go."""
    if shutil.which("go") is None:
        return None
    done = subprocess.run(
        ["go", "mod", "download", "-json", CERT_MANAGER],
        cwd=BUILD, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS,
    )  # fmt: skip
    return sorted((Path(json.loads(done.stdout)["Dir"]) / "deploy" / "crds").glob("*.yaml"))
