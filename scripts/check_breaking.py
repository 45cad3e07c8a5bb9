"""Compare the contract with the last release and name every change that breaks a client.

The release's commit stands in protos/RELEASE; without one nothing was released and nothing can break.
"""

import subprocess
import sys
from pathlib import Path

from scripts.releases import commit_in, is_here

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "protos" / "RELEASE"
BUF = Path(sys.executable).parent / "buf"


def main() -> int:
    commit = commit_in(RELEASE)
    if commit is None:
        print("nothing released yet: no contract to keep")
        return 0
    if not is_here(ROOT, commit, "protos/buf.yaml"):
        print(
            f"the released contract, commit {commit}, is not in this clone: fetch it (git fetch --unshallow)"
        )
        return 1
    command = [str(BUF), "breaking", "protos", "--against", f".git#ref={commit},subdir=protos"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
