"""Where reviews quote the text, in words that a reader finds the place by: pure."""

from collections.abc import Iterator, Mapping, Sequence

from consensus.v1 import document_pb2, run_pb2
from consensus_cli.view import text
from consensus_documents import Section, read_sections

ATTACHMENTS = "attachments/"
_HEADING_CHARACTERS = 80


class Places:
    """Names the places of one run's text. Reads the document once, when it is first asked."""

    def __init__(self, specification: run_pb2.RunSpecification) -> None:
        self._specification = specification
        self._headings: Mapping[str, str] | None = None

    def lines(self, quotations: Sequence[document_pb2.Quotation]) -> list[str]:
        """`2.1 Motivation: “the words”` of each."""
        return [f"{self.name(each.section)}: “{text.clean(each.text)}”" for each in quotations]

    def name(self, section: str) -> str:
        """A section's number and heading, or the name of an attachment."""
        if not section:
            return "the proposal"
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
