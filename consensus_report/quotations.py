"""What reviews rest on, in words that a reader finds the place by: pure."""

from collections.abc import Iterator, Mapping

from consensus.v1 import document_pb2, panel_pb2, run_pb2
from consensus_documents import Section, read_sections
from consensus_report import text
from consensus_report.sections import is_field, section_name

ATTACHMENTS = "attachments/"
UNSUPPORTED = "quotes what is not there"
UNSUPPORTED_MARK = "✗"
_HEADING_CHARACTERS = 80
_BLOCKS = {
    "": "the proposal",
    "proposal": "the proposal",
    "document": "the document",
    "context": "the context",
    "edit_notes": "the edit notes",
}


class Places:
    """Names the places of one run's text. Reads the document once, when it is first asked."""

    def __init__(self, specification: run_pb2.RunSpecification) -> None:
        self._specification = specification
        self._headings: Mapping[str, str] | None = None

    def lines(self, entry: panel_pb2.Concern | panel_pb2.BlockingIssue) -> list[str]:
        """`§ 2.1 Motivation: “the words”` of each quotation; without any `about § 2.1 Motivation`."""
        if entry.section and not entry.quotations:
            return [f"about {self.name(entry.section)}"]
        return [f"{self.name(each.section)}: “{text.clean(each.text)}”" for each in entry.quotations]

    def name(self, section: str) -> str:
        """A section's number and heading, a field's name, or that of another block."""
        if section in _BLOCKS:
            return _BLOCKS[section]
        if is_field(section):
            return section_name(section)
        if section.startswith(ATTACHMENTS):
            return text.clean(section)
        if self._headings is None:
            self._headings = {each.number: heading(each) for each in sections_of(self._specification)}
        return f"§ {text.clean(section)} {self._headings.get(section, '')}".rstrip()


def sections_of(specification: run_pb2.RunSpecification) -> tuple[Section, ...]:
    """The sections of a run's document; none where it has no document, or one without its text."""
    document = specification.document
    if not document.text:
        return ()
    known = document.format in document_pb2.DocumentFormat.values()
    format_ = document.format if known else document_pb2.DOCUMENT_FORMAT_UNSPECIFIED
    return read_sections(document.text, format_ or document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT)


def heading(section: Section) -> str:
    """A section's own heading, on one line, without anything that hides or is obeyed."""
    return text.shorten(section.headings[-1], _HEADING_CHARACTERS) if section.headings else ""


def outline(specification: run_pb2.RunSpecification) -> Iterator[str]:
    """A document's sections, a line each, indented by their depth."""
    for each in sections_of(specification):
        yield f"{'  ' * each.number.count('.')}§ {each.number} {heading(each)}".rstrip()
