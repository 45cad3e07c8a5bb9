"""Which commit a file names as a release; tags do not travel with every clone.

Lines that begin with `#` are comments.
"""

import re
import subprocess
from pathlib import Path


def commit_in(file: Path) -> str | None:
    """The commit that stands in a file, None where none does.

    Raises:
        SystemExit: the file holds something else.
    """
    if not file.exists():
        return None
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    commits = [line for line in lines if line and not line.startswith("#")]
    if not commits:
        return None
    if len(commits) > 1 or not re.fullmatch(r"[0-9a-f]{40}", commits[0]):
        name = f"{file.parent.name}/{file.name}"
        raise SystemExit(f"{name} must hold one full commit hash, or none before the first release")
    return commits[0]


def is_here(tree: Path, commit: str, path: str) -> bool:
    """Whether the clone that `tree` is has what stood at `path` in that commit."""
    command = ["git", "cat-file", "-e", f"{commit}:{path}"]
    return subprocess.run(command, cwd=tree, check=False, stderr=subprocess.DEVNULL).returncode == 0
