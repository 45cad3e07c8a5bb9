"""Reviews of documents speak of what this text says, in its words; markup is evidence of nothing."""

import gc
import time
from pathlib import Path
from typing import Any

import pytest

from consensus_documents import detect_format, find_quotation, read_sections
from offline_model.document import DocumentText
from offline_model.document_reviews import review_document
from offline_model.findings import read
from review_service.steps.documents import numbered
from tests.support.particular import particular_shares

DOCUMENTS = sorted(each for each in (Path(__file__).parents[2] / "documents").iterdir() if each.is_file())
PANEL = ("architect", "critic", "optimist", "security_guardian", "user_advocate")


def shown(text: str, name: str = "d.md") -> str:
    return numbered(read_sections(text, detect_format(text, name)))


def reviewed(text: str, *personas: str, name: str = "d.md") -> list[dict[str, Any]]:
    return [review_document(each, "", shown(text, name)) for each in personas or PANEL]


def concerns(reviews: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for review in reviews for each in review["concerns"]]


def test_at_least_half_of_the_concerns_are_particular_to_their_document() -> None:
    said = {path.name: concerns(reviewed(path.read_text("utf-8"), name=path.name)) for path in DOCUMENTS}
    assert len(said) >= 6
    assert min(particular_shares(said).values()) >= 0.5


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_what_is_quoted_stands_in_the_section_that_is_named(path: Path) -> None:
    text = path.read_text("utf-8")
    texts = {each.number: each.text for each in read_sections(text, detect_format(text, path.name))}
    reviews = reviewed(text, name=path.name)
    quotes = [quote for review in reviews for each in review["concerns"] for quote in each["quotes"]]
    assert len(quotes) >= 8
    for quote in quotes:
        assert find_quotation(texts[quote["section"]], quote["text"]), quote


def test_headings_links_and_code_are_no_evidence() -> None:
    lines = [
        f"## [{word} guide](https://example.org/{word})" for word in ("Encryption", "Testing", "Rollback")
    ]
    code = "```\nWe store passwords in plain text so that support can read them. It works for all users.\n```"
    for text in ("# Links\n\n" + "\n\n".join(lines), f"# Code\n\n{code}\n"):
        for review in reviewed(text):
            assert review["confidence_score"] < 0.2
            assert review["blocking_issues"]
            assert not review["strengths"]


DECISION = """# Record 7

## Context

Today passwords stand in plain text in the file of each service. Support reads them on the phone.

## Decision

We move all passwords into a secret store. {decision}

## Consequences

Nobody reads a password of a service any more. Changing one takes a minute instead of two days.
"""


def test_a_safeguard_that_is_chosen_is_no_danger_and_a_danger_that_is_chosen_is() -> None:
    (safe,) = reviewed(DECISION.format(decision="The store hands them to services."), "security_guardian")
    (unsafe,) = reviewed(
        DECISION.format(decision="The store keeps customers' passwords in plain text."), "security_guardian"
    )
    assert safe["blocking_issues"] == []
    assert [each["security_critical"] for each in unsafe["blocking_issues"]] == [True]
    assert unsafe["confidence_score"] < safe["confidence_score"]
    assert "keeps customers' passwords in plain text" in unsafe["blocking_issues"][0]["text"]


def test_what_is_asked_depends_on_what_the_text_is_about() -> None:
    syntax = "# Commas\n\n" + "The grammar of calls takes a comma after the last argument of each call. " * 4
    service = "# Inbox\n\n" + "A service on two servers stores the e-mail address of our customers. " * 4
    asked = {text: " ".join(concerns(reviewed(text))) for text in (syntax, service)}
    assert "misuse" not in asked[syntax]
    assert "how long what it holds of people is kept" not in asked[syntax]
    assert "misuse" in asked[service]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Das Amt ersetzt die Akten in drei Jahren und vernichtet das Papier nach der Prüfung. ", "§ 1 Plan"),
        ("市は三年以内にすべての紙の書類を電子化し、確認の後に紙を消去する。", "§ 1 Plan"),
        ("تستبدل البلدية جميع الملفات الورقية خلال ثلاث سنوات ثم تتلف الورق بعد التحقق منه. ", "§ 1 Plan"),
    ],
    ids=["de", "ja", "ar"],
)
def test_a_review_is_in_the_language_of_the_text_and_quotes_it(text: str, word: str) -> None:
    said = concerns(reviewed(f"# Plan\n\n{text * 4}\n"))
    assert said
    for each in said:
        assert word in each
        assert "Taken for granted" not in each
        assert text.strip()[:20] in each


def test_a_persona_of_ones_own_looks_for_what_its_instructions_say() -> None:
    text = (
        "# Move\n\nAll orders are migrated to the new store and the old tables are dropped in May.\n\n"
        "The new store depends on the network of one supplier for every call that it makes.\n\n"
        "Customers see the new pages from June on and are told by post about them.\n"
    )
    by_migration = review_document(
        "m", "You care for migration, archives and how a change is undone.", shown(text)
    )
    by_readers = review_document("r", "You speak for users: people, readers, their training.", shown(text))
    assert "dropped in May" in by_migration["concerns"][0]["text"]
    assert "told by post" in by_readers["concerns"][0]["text"]


def test_a_language_that_the_panel_asks_for_is_spoken() -> None:
    text = shown("# Plan\n\n" + "We replace all paper files within three years and destroy the paper. " * 4)
    said = review_document("critic", "", text, "write it in the language whose tag is de, but for quotes")
    assert "Kein Weg zurück beschrieben" in " ".join(each["text"] for each in said["concerns"])


@pytest.mark.parametrize(
    "danger",
    [
        "Die Passwörter der Kunden stehen im Klartext in der Datenbank.",
        "利用者のパスワードは平文のままデータベースに保存する。",
        "تُحفظ كلمات المرور في قاعدة البيانات نصاً دون تشفير وبغير حماية.",
    ],
    ids=["de", "ja", "ar"],
)
def test_a_danger_is_one_in_other_languages_too(danger: str) -> None:
    text = shown(f"# Plan\n\n{danger}\n\n{danger}\n\n{danger}\n")
    (issue,) = review_document("security_guardian", "", text)["blocking_issues"]
    assert issue["security_critical"]
    assert danger in issue["text"]


def test_what_a_review_says_is_bounded_whatever_the_text() -> None:
    heading, sentence = "h" * 9_000, "We replace all files and " + "very " * 9_000 + "soon. "
    text = (
        f"§ 1 {heading}\n{sentence * 4}\nCustomers' passwords are kept in plain text {'and more ' * 900}.\n"
    )
    for persona in PANEL:
        review = review_document(persona, "", text)
        issues = [each["text"] for each in (*review["concerns"], *review["blocking_issues"])]
        assert issues
        assert max(map(len, (*issues, *review["strengths"], *review["recommendations"]))) < 1_000


@pytest.mark.parametrize(
    "unit", ["word ", "§ 1 x\n", "A 1. ", "1. A ", "[a", " **a", "` a <b ", "- ", "`", "字。", "So it is. "]
)
def test_a_hostile_document_takes_time_by_its_length(unit: str) -> None:
    def seconds(size: int) -> float:
        text = f"§ 1 Head\n{unit * (size // len(unit))}"
        began = time.thread_time()
        read(DocumentText.read(text))
        return time.thread_time() - began

    gc.disable()  # what a collection takes over all that the tests have loaded is not the text's
    try:
        small = min(seconds(25_000) for _ in range(3))
        large = seconds(100_000)
    finally:
        gc.enable()
    assert large < 12 * small + 0.05
