import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A set-up tree whose Python prints its arguments instead of running them."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (
        "requirements.lock", "pyproject.toml", "packages/client/pyproject.toml", "scripts/setup.sh",
        ".venv/bin/python",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n', encoding="utf-8")
        path.chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def make(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=tree, check=False, capture_output=True, text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Store customers' passwords in plain text so that support can read them back",
        'Quotes " and `touch PWNED` and $(shell touch PWNED) and $(touch PWNED)',
        "It costs $5, or $$ in the shell's words; 100% # no comment \\ no escape",
        "Two\nlines",
        "--help",
    ],
    ids=["apostrophe", "commands", "signs", "lines", "option"],
)
def test_an_idea_arrives_as_it_was_typed(tree: Path, text: str) -> None:
    done = make(tree, "review", f"IDEA={text}")
    assert done.stdout == f"[-m][consensus_cli.demo][--idea={text}]"
    assert not (tree / "PWNED").exists()


def test_the_name_that_confirms_a_reset_arrives_as_it_was_typed(tree: Path) -> None:
    done = make(tree, "db-reset", "CONFIRM=$(shell touch PWNED)")
    assert done.stdout == "[-m][persistence_service][db-reset][--confirm=$(shell touch PWNED)]"


def test_help_names_every_target() -> None:
    shown = make(ROOT).stdout
    phony = [
        line.split()[1]
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if line.startswith(".PHONY:")
    ]
    assert [target for target in phony if f"\n  {target} " not in shown] == []


def test_an_old_python_is_refused_by_name(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts")
    done = subprocess.run(
        ["scripts/setup.sh"], cwd=tmp_path, check=False, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"setup: PYTHON={old} is Python 3.9.2: this project needs Python 3.11 or later\n"
