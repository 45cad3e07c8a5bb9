import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the contract, its stubs and the scripts, committed."""
    tree = tmp_path / "tree"
    for folder in ("protos", "gen", "scripts"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(tree, "init", "--quiet")
    commit(tree)
    return tree


def git(tree: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=tree, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(tree: Path) -> str:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--allow-empty", "--message=state")
    return git(tree, "rev-parse", "HEAD")


def run(tree: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"scripts/{script}.py", *arguments],
        cwd=tree, check=False, capture_output=True, text=True,
    )  # fmt: skip


def release(tree: Path) -> str:
    commit_of_release = commit(tree)
    (tree / "protos" / "RELEASE").write_text(f"# comment\n{commit_of_release}\n", encoding="utf-8")
    commit(tree)
    return commit_of_release


def break_contract(tree: Path) -> None:
    path = tree / "protos" / "consensus" / "v1" / "errors.proto"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ERROR_REASON_RUN_NOT_FOUND", "ERROR_REASON_RUN_MISSING"), encoding="utf-8")


def test_before_the_first_release_nothing_can_break(tree: Path) -> None:
    (tree / "protos" / "RELEASE").unlink()
    done = run(tree, "check_breaking")
    assert (done.returncode, done.stdout) == (0, "nothing released yet: no contract to keep\n")


def test_an_unchanged_contract_keeps_the_release(tree: Path) -> None:
    release(tree)
    assert run(tree, "check_breaking").returncode == 0


def test_a_broken_contract_is_named(tree: Path) -> None:
    release(tree)
    break_contract(tree)
    done = run(tree, "check_breaking")
    assert done.returncode != 0
    assert "errors.proto" in done.stdout
    assert "RUN_NOT_FOUND" in done.stdout


def test_a_shallow_clone_that_has_the_release_is_enough(tree: Path, tmp_path: Path) -> None:
    release(tree)
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{tree}", "clone")
    break_contract(tmp_path / "clone")
    assert "errors.proto" in run(tmp_path / "clone", "check_breaking").stdout


def test_a_clone_without_the_release_says_so(tree: Path, tmp_path: Path) -> None:
    missing = release(tree)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tree}", "clone")
    done = run(tmp_path / "clone", "check_breaking")
    assert done.returncode == 1
    assert missing in done.stdout
    assert "git fetch --unshallow" in done.stdout


def test_a_release_that_is_no_commit_is_refused(tree: Path) -> None:
    (tree / "protos" / "RELEASE").write_text("v1.0.0\n", encoding="utf-8")
    done = run(tree, "check_breaking")
    assert done.returncode == 1
    assert "one full commit hash" in done.stderr


def test_the_stubs_of_the_contract_are_in_step(tree: Path) -> None:
    done = run(tree, "make_stubs", "--check")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("fault", ["missing", "stale", "changed"])
def test_a_stub_out_of_step_is_named_and_repaired(tree: Path, fault: str) -> None:
    stubs = tree / "gen" / "consensus" / "v1"
    path = stubs / ("old_pb2.py" if fault == "stale" else "errors_pb2.py")
    if fault == "missing":
        path.unlink()
    else:
        path.write_text("# edited\n", encoding="utf-8")
    found = run(tree, "make_stubs", "--check")
    assert found.returncode == 1
    assert f"{fault:<8} consensus/v1/{path.name}" in found.stdout
    assert run(tree, "make_stubs").returncode == 0
    assert run(tree, "make_stubs", "--check").returncode == 0
    assert git(tree, "status", "--short") == ""


def test_a_service_config_that_is_not_the_reads_is_named(tree: Path) -> None:
    path = tree / "protos" / "consensus" / "v1" / "service_config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"GetRun"', '"CancelRun"'), encoding="utf-8")
    done = run(tree, "make_stubs", "--check")
    assert done.returncode == 1
    assert "CancelRun" in done.stderr
    assert "GetRun" in done.stderr


def test_a_contract_that_cannot_be_generated_is_named(tree: Path) -> None:
    done = run(tree, "check_generation", "python")
    assert (done.returncode, done.stdout.count("ok, compiled")) == (0, 2)
    plain = tree / "gen" / "plain" / "consensus" / "v1" / "run.proto"
    plain.write_text(
        plain.read_text(encoding="utf-8").replace("  Quorum quorum", "  Missing quorum"), "utf-8"
    )
    done = run(tree, "check_generation", "python")
    assert done.returncode == 1
    assert '"Missing" is not defined' in done.stdout
