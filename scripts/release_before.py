"""Put the code of the release before, with an environment of its own, into build/upgrade, and print where.

Its commit stands in migrations/RELEASE. Its own scripts/setup.sh makes the environment, from its own lock.
What was made is kept until the commit changes.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.releases import commit_in, is_here

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "migrations" / "RELEASE"
PLACE = ROOT / "build" / "upgrade"
_READY = ".ready"


def release_before() -> Path:
    """The folder where its code stands, with `.venv` in it.

    Raises:
        SystemExit: no release is named, or this clone does not have it.
    """
    commit = commit_in(RELEASE)
    if commit is None:
        raise SystemExit("migrations/RELEASE names no commit: there is no release before this one")
    if not is_here(ROOT, commit, "scripts/setup.sh"):
        raise SystemExit(
            f"the release before, commit {commit}, is not in this clone: fetch it (git fetch --unshallow)"
        )
    folder = PLACE / commit[:12]
    with _alone():
        if not (folder / _READY).exists():
            _make(folder, commit)
    return folder


def _make(folder: Path, commit: str) -> None:
    folder.mkdir(exist_ok=True)
    archive = folder.with_suffix(".tar")
    for command in (
        ["git", "archive", f"--output={archive}", commit],
        ["tar", "--extract", f"--file={archive}", f"--directory={folder}"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)
    archive.unlink()
    # It finds uv where this environment has it.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    settings = os.environ | {"PATH": path, "PYTHON": sys.executable}
    subprocess.run([folder / "scripts" / "setup.sh"], check=True, env=settings, stdout=sys.stderr)
    (folder / _READY).touch()


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(release_before())
