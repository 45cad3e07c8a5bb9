"""What a user gives to be reviewed, and what comes with it; anything wrong is wrong usage (exit 2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from google.protobuf import json_format

from consensus.v1 import document_pb2, proposal_pb2
from consensus_cli.arguments import inputs
from consensus_client.requests import Subject, attachment, document
from consensus_contract.sentences import count_sentences
from consensus_contract.sizes import (
    DOCUMENT_CHARACTERS,
    IDEA_CHARACTERS,
    IDEA_SENTENCES,
    MAX_ATTACHMENTS,
    PROPOSAL_BYTES,
)

_STDIN = "-"
_MOST_NAME_CHARACTERS = 255
# What nobody would type as an idea: one word that ends as the name of a file of text does.
_FILE_NAME = re.compile(
    r"\S{1,1000}\.(?:md|markdown|mdown|rst|txt|text|adoc|asciidoc|org|tex|html?|docx?|odt|pdf|rtf)",
    re.IGNORECASE,
)
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".rst": "text/x-rst",
    ".sql": "application/sql",
    ".toml": "application/toml",
    ".tsv": "text/tab-separated-values",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


@dataclass(frozen=True, slots=True)
class GivenSubject:
    """What is reviewed, and what its giver is to know about how it was taken; empty for nothing."""

    subject: Subject
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """A text and where it comes from; `name` is empty for what was typed and for standard input."""

    text: str
    name: str
    is_typed: bool


def review_subject(
    given: str | None, proposal_file: str, *, as_idea: bool, as_document: bool, summarise: bool
) -> GivenSubject:
    """The subject in the argument, in the file that it names, on standard input, or in `proposal_file`.

    Raises:
        typer.BadParameter: when there is none or more than one, when it cannot be read, or cannot be what
            it is said to be.
    """
    if proposal_file:
        if given is not None:
            raise typer.BadParameter("--proposal is what is reviewed; leave the idea out")
        inputs.refuse_together(
            [
                ("--proposal", True),
                ("--idea", as_idea),
                ("--document", as_document),
                ("--summarise", summarise),
            ]
        )
        return GivenSubject(given_proposal(proposal_file))
    if given is None:
        raise typer.BadParameter("give an idea, a file, - for standard input, or --proposal")
    inputs.refuse_together([("--idea", as_idea), ("--document", as_document)])
    inputs.refuse_together([("--idea", as_idea), ("--summarise", summarise)])
    source = _source(given)
    is_told = as_document or summarise
    if not is_told and (as_idea or source.is_typed or not _is_longer_than_an_idea(source.text)):
        return GivenSubject(source.text)
    whole = document(source.text, source.name)
    return GivenSubject(whole, "" if is_told else _remark(source))


def edited_document(given: str) -> document_pb2.Document:
    """The document in a file, or on standard input, as its editor wants it.

    Raises:
        typer.BadParameter: when it cannot be read, or is too long.
    """
    source = _source(given)
    if source.is_typed:
        raise typer.BadParameter(f"there is no file {given!r}")
    return document(source.text, source.name)


def attachments(files: Sequence[str]) -> list[document_pb2.Attachment]:
    """Texts that are shown to the panel as evidence, named as their files are.

    Raises:
        typer.BadParameter: when one cannot be read or is too long, when two have one name, or there are too
            many.
    """
    if len(files) > MAX_ATTACHMENTS:
        raise typer.BadParameter(f"at most {MAX_ATTACHMENTS} files can be attached; {len(files)} were given")
    found: list[document_pb2.Attachment] = []
    for each in files:
        path = Path(each.removeprefix("@"))
        if any(path.name == other.name for other in found):
            raise typer.BadParameter(f"two attachments are named {path.name!r}")
        text = inputs.text_of_file(str(path), DOCUMENT_CHARACTERS, "an attachment")
        found.append(attachment(path.name, text, _MEDIA_TYPES.get(path.suffix.lower(), "text/plain")))
    return found


def given_proposal(name: str) -> proposal_pb2.Proposal:
    """The proposal in a file of protobuf JSON, such as what `show --json` prints as a run's.

    Raises:
        typer.BadParameter: when it cannot be read, or is no proposal.
    """
    name = name.removeprefix("@")
    # JSON may spell a character with six.
    words = inputs.text_of_file(name, 6 * PROPOSAL_BYTES, "a proposal")
    try:
        return json_format.Parse(words, proposal_pb2.Proposal())
    except (json_format.ParseError, RecursionError) as error:
        raise typer.BadParameter(f"{name!r} is no proposal in JSON: {error}") from error


def _source(given: str) -> _Source:
    if given == _STDIN:
        return _Source(inputs.text_of_stdin(DOCUMENT_CHARACTERS, "a document"), "", is_typed=False)
    if given.startswith("@"):
        return _file(given[1:])
    if "\n" not in given and inputs.is_file(given):
        return _file(given)
    if _FILE_NAME.fullmatch(given):
        raise typer.BadParameter(f"there is no file {given!r}")
    return _Source(given, "", is_typed=True)


def _file(name: str) -> _Source:
    words = inputs.text_of_file(name, DOCUMENT_CHARACTERS, "a document")
    return _Source(words, Path(name).name[-_MOST_NAME_CHARACTERS:], is_typed=False)


def _is_longer_than_an_idea(words: str) -> bool:
    return len(words.strip()) > IDEA_CHARACTERS or count_sentences(words) > IDEA_SENTENCES


def _remark(source: _Source) -> str:
    size = f"{len(source.text):,} characters and {count_sentences(source.text):,} sentences"
    return (
        f"{source.name or 'standard input'} has {size}, an idea at most {IDEA_CHARACTERS:,} and "
        f"{IDEA_SENTENCES}: it is reviewed as a document"
    )
