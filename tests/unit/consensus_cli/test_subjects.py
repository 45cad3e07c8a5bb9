"""What a user gives to be reviewed, and what comes with it."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from consensus.v1 import document_pb2, proposal_pb2
from consensus_cli.arguments.subjects import attachments, edited_document, review_subject

RFC = "# Cache\n\n" + "We warm the cache. " * 20


def subject(given: str | None, proposal_file: str = "", **how: bool) -> Any:
    flags = dict.fromkeys(("as_idea", "as_document", "summarise"), False) | how
    return review_subject(given, proposal_file, **flags)


@pytest.fixture
def rfc(tmp_path: Path) -> Path:
    path = tmp_path / "rfc.md"
    path.write_text(RFC, encoding="utf-8")
    return path


def test_a_file_that_is_longer_than_an_idea_is_a_document_and_it_is_said(rfc: Path) -> None:
    given = subject(str(rfc))

    assert given.subject == document_pb2.Document(text=RFC, name="rfc.md")
    assert given.remark == (
        "rfc.md has 389 characters and 20 sentences, an idea at most 10,000 and 10: "
        "it is reviewed as a document"
    )


@pytest.mark.parametrize("mark", ["", "@"])
def test_a_short_file_is_an_idea(tmp_path: Path, mark: str) -> None:
    (tmp_path / "idea.txt").write_bytes(b"\xef\xbb\xbfA rota.")

    assert subject(f"{mark}{tmp_path / 'idea.txt'}").subject == "A rota."


def test_options_say_what_a_file_is(rfc: Path, tmp_path: Path) -> None:
    (tmp_path / "short.md").write_text("A rota.", encoding="utf-8")

    assert subject(str(rfc), as_idea=True).subject == RFC
    short = subject(str(tmp_path / "short.md"), as_document=True)
    assert (short.subject.text, short.remark) == ("A rota.", "")
    assert subject(str(tmp_path / "short.md"), summarise=True).subject.name == "short.md"


def test_what_was_typed_stays_an_idea_however_long() -> None:
    assert subject("Yes. " * 30).subject == "Yes. " * 30
    assert subject("Yes. " * 30, as_document=True).subject.text == "Yes. " * 30


def test_standard_input_is_taken_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RFC.encode())))

    given = subject("-")

    assert given.subject == document_pb2.Document(text=RFC)
    assert given.remark.startswith("standard input has 389 characters")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\x89PNG\r\n\0\0", "is no text but a binary file"),
        (b"%PDF-1.7\n", "is no text but a binary file"),
        ("A rota.".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("Für alle".encode("latin-1"), "is not UTF-8 text (byte 2 begins no character); save it as UTF-8"),
        (
            b"x" * 200_001,
            "a document has at most 200,000 characters, this has 200,001 characters; send its parts as",
        ),
        (b"x" * 900_000, "this has more; send its parts as documents of their own"),
    ],
    ids=["picture", "PDF", "UTF-16", "Latin 1", "too long", "far too long"],
)
def test_a_file_that_is_no_document_is_refused_in_words(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "rfc"
    path.write_bytes(raw)

    with pytest.raises(typer.BadParameter) as caught:
        subject(str(path))

    assert said in caught.value.message
    assert repr(str(path)) in caught.value.message


def test_a_proposal_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"problemStatement": "Slow.", "proposed_solution": "A cache."}', encoding="utf-8")

    whole = proposal_pb2.Proposal(problem_statement="Slow.", proposed_solution="A cache.")
    assert subject(None, str(path)).subject == whole
    assert subject(None, f"@{path}").subject == whole


@pytest.mark.parametrize("words", ["{", '{"solution": "x"}', "[" * 5_000])
def test_what_is_no_proposal_is_refused(tmp_path: Path, words: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(words, encoding="utf-8")

    with pytest.raises(typer.BadParameter, match="no proposal in JSON"):
        subject(None, str(path))


def test_attachments_have_names_types_and_digests(tmp_path: Path) -> None:
    for name in ("latency.csv", "notes.md", "LICENSE"):
        (tmp_path / name).write_text("p99,40 ms", encoding="utf-8")

    found = attachments([str(tmp_path / name) for name in ("latency.csv", "notes.md", "LICENSE")])

    assert [(each.name, each.media_type) for each in found] == [
        ("latency.csv", "text/csv"), ("notes.md", "text/markdown"), ("LICENSE", "text/plain"),
    ]  # fmt: skip
    assert all(len(each.sha256) == 32 and each.text == "p99,40 ms" for each in found)


def test_an_edited_document_is_a_file(rfc: Path) -> None:
    assert edited_document(str(rfc)) == document_pb2.Document(text=RFC, name="rfc.md")
    with pytest.raises(typer.BadParameter, match="there is no file"):
        edited_document("what I meant")
