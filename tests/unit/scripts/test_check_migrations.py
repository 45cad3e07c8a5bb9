"""A revision says what it does to those who use the database meanwhile."""

import pytest

from scripts.check_migrations import MIGRATIONS, questions, unanswered

TEMPLATE = (MIGRATIONS / "script.py.mako").read_text(encoding="utf-8")


def revision(answer: str) -> str:
    asked = "".join(f"{question}\n    {answer}\n" for question in questions(TEMPLATE))
    return f'"""What changes.\n\nRevision: 0011\n\n{asked}"""\n'


def test_a_revision_that_answers_passes() -> None:
    assert unanswered(TEMPLATE, revision("Yes.\n    No row is touched.")) == []


@pytest.mark.parametrize("source", [revision("TODO"), revision(""), '"""What changes."""', ""])
def test_a_revision_that_leaves_a_question_open_is_found(source: str) -> None:
    assert len(unanswered(TEMPLATE, source)) == len(questions(TEMPLATE)) == 4
