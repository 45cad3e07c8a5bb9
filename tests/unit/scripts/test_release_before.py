import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "release_before.py"
SETUP = '#!/bin/sh\ncd "$(dirname "$0")/.."\necho "made with $PYTHON" >> made\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository whose first commit is the release before."""
    tree = tmp_path / "tree"
    for folder in ("scripts", "migrations"):
        (tree / folder).mkdir(parents=True)
    (tree / "scripts" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    (tree / "scripts" / "setup.sh").write_text(SETUP, encoding="utf-8")
    (tree / "scripts" / "setup.sh").chmod(0o755)
    (tree / "code").write_text("before", encoding="utf-8")
    git(tree, "init", "--quiet")
    named = commit(tree)
    (tree / "code").write_text("this one", encoding="utf-8")
    (tree / "migrations" / "RELEASE").write_text(f"# the release before\n{named}\n", encoding="utf-8")
    commit(tree)
    return tree


def git(tree: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout.strip()


def commit(tree: Path) -> str:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=state")
    return git(tree, "rev-parse", "HEAD")


def run(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"scripts/{SCRIPT.name}"], cwd=tree, check=False, capture_output=True, text=True
    )


def test_the_release_before_stands_beside_this_one_with_an_environment_that_is_made_once(tree: Path) -> None:
    folders = {run(tree).stdout.strip() for _ in range(2)}
    folder = Path(folders.pop())
    assert not folders
    assert (folder / "code").read_text(encoding="utf-8") == "before"
    assert (folder / "made").read_text(encoding="utf-8") == f"made with {sys.executable}\n"


def test_a_clone_without_its_commit_says_so(tree: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tree}", "clone")
    done = run(tmp_path / "clone")
    assert done.returncode == 1
    assert git(tree, "rev-parse", "HEAD~1") in done.stderr
    assert "git fetch --unshallow" in done.stderr


def test_before_the_second_release_there_is_none(tree: Path) -> None:
    (tree / "migrations" / "RELEASE").write_text("# none yet\n", encoding="utf-8")
    done = run(tree)
    assert done.returncode == 1
    assert "there is no release before this one" in done.stderr
