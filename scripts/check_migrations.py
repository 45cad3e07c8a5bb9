"""Check the revisions: each answers the template's questions, together they make what the models describe."""

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "migrations"
COMMANDS = (
    [sys.executable, "-m", "persistence_service", "migrate"],
    [str(Path(sys.executable).parent / "alembic"), "check"],
)
LAST_UNASKED = "0010"
"""The template asked nothing of the revisions up to this one."""

_QUESTION = re.compile(r"^(\S.*\?)\n((?:    .*\n?)*)", re.MULTILINE)


def questions(template: str) -> list[str]:
    """What every revision is asked."""
    return [question for question, _ in _QUESTION.findall(template)]


def unanswered(template: str, revision: str) -> list[str]:
    """The questions to which the header of a revision, given as its source, says nothing."""
    header = ast.get_docstring(ast.parse(revision), clean=True) or ""
    answers = {question: answer.strip() for question, answer in _QUESTION.findall(header)}
    return [
        each
        for each in questions(template)
        if answers.get(each, "TODO").startswith("TODO") or not answers[each]
    ]


def are_answered() -> bool:
    """Whether all revisions have answered; prints what is missing."""
    template = (MIGRATIONS / "script.py.mako").read_text(encoding="utf-8")
    missing = [
        f"{path.name}: {question}"
        for path in sorted((MIGRATIONS / "versions").glob("*.py"))
        if path.name[: len(LAST_UNASKED)] > LAST_UNASKED
        for question in unanswered(template, path.read_text(encoding="utf-8"))
    ]
    if missing:
        print("\n".join(("unanswered in migrations/versions:", *missing)))
    return not missing


def agrees(url: str) -> bool:
    """Whether the migrations make what the models of today describe; prints what was said if not."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    for command in COMMANDS:
        done = subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, text=True,
            env=environment | {"DATABASE_URL": url},
        )  # fmt: skip
        if done.returncode != 0:
            print(f"{' '.join(command[1:])} on {url.partition(':')[0]}:\n{done.stdout}{done.stderr}")
            return False
    return True


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, postgres.server() as server, server.database() as url:
        passed = [are_answered(), agrees(f"sqlite:///{folder}/check.db"), agrees(url)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
