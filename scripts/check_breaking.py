"""Compare the contract with the last release and name every change that breaks a client.

The release's commit stands in protos/RELEASE (tags do not travel with every clone). Lines that
begin with `#` are comments; without a commit nothing was released and nothing can break.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "protos" / "RELEASE"
BUF = Path(sys.executable).parent / "buf"


def released_commit() -> str | None:
    """Return the commit of the last release, None before the first.

    Raises:
        SystemExit: if the file holds something else.
    """
    if not RELEASE.exists():
        return None
    lines = [line.strip() for line in RELEASE.read_text(encoding="utf-8").splitlines()]
    commits = [line for line in lines if line and not line.startswith("#")]
    if not commits:
        return None
    if len(commits) > 1 or not re.fullmatch(r"[0-9a-f]{40}", commits[0]):
        raise SystemExit("protos/RELEASE must hold one full commit hash, or none before the first release")
    return commits[0]


def is_here(commit: str) -> bool:
    command = ["git", "cat-file", "-e", f"{commit}:protos/buf.yaml"]
    return subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode == 0


def main() -> int:
    commit = released_commit()
    if commit is None:
        print("nothing released yet: no contract to keep")
        return 0
    if not is_here(commit):
        print(
            f"the released contract, commit {commit}, is not in this clone: fetch it (git fetch --unshallow)"
        )
        return 1
    command = [str(BUF), "breaking", "protos", "--against", f".git#ref={commit},subdir=protos"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
