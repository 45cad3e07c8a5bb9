"""What a run is over, by the names that people are shown: pure."""

from consensus.v1 import document_pb2, panel_pb2, run_pb2
from consensus_report import text
from consensus_report.quotations import heading, outline, sections_of

_FORMATS = {
    document_pb2.DOCUMENT_FORMAT_MARKDOWN: "Markdown",
    document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT: "reStructuredText",
    document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT: "plain text",
}


def subject_sections(run: run_pb2.Run) -> list[tuple[str, list[str]]]:
    """Name and lines of what was given: the idea, or the document's outline; attachments. A given proposal is
    shown as the run's.
    """
    specification = run.specification
    sections = []
    if specification.HasField("document"):
        sections.append(("Document", [document_line(specification), *outline(specification)]))
    elif not specification.HasField("proposal"):
        sections.append(("Idea", text.clean_lines(specification.idea)))
    if specification.attachments:
        sections.append(("Attachments", [attachment_line(each) for each in specification.attachments]))
    return sections


def subject_title(run: run_pb2.Run) -> str:
    """The proposal's title, else the document's first heading or its name; empty where there is none."""
    specification = run.specification
    if run.proposal.title or not specification.HasField("document"):
        return text.clean(run.proposal.title or specification.proposal.title)
    first = next((heading(each) for each in sections_of(specification) if each.headings), "")
    return first or text.clean(specification.document.name)


def subject_words(specification: run_pb2.RunSpecification, characters: int) -> str:
    """What is reviewed in so many characters, for a list, which has no texts of documents."""
    if specification.HasField("document"):
        return text.shorten(specification.document.name or "(a document)", characters)
    if specification.HasField("proposal"):
        return text.shorten(
            specification.proposal.title or specification.proposal.problem_statement, characters
        )
    return text.shorten(specification.idea, characters)


def document_line(specification: run_pb2.RunSpecification) -> str:
    """`rfc.md, Markdown, 12,345 characters, 9 sections`, without what is not known."""
    document = specification.document
    count = len(sections_of(specification))
    parts = [
        text.clean(document.name),
        _FORMATS.get(document.format, ""),
        f"{len(document.text):,} characters" if document.text else "",
        text.count(count, "section") if count else "",
        "summarised" if specification.document_expansion == document_pb2.DOCUMENT_EXPANSION_SUMMARISE else "",
    ]
    return ", ".join(filter(None, parts))


def attachment_line(attachment: document_pb2.Attachment) -> str:
    """`latency.csv, text/csv, 345 characters, sha256 0123456789ab`."""
    size = f"{len(attachment.text):,} characters" if attachment.text else ""
    digest = f"sha256 {attachment.sha256.hex()[:12]}" if attachment.sha256 else ""
    parts = [text.clean(attachment.name), text.clean(attachment.media_type), size, digest]
    return "- " + ", ".join(filter(None, parts))


def shown_words(review: panel_pb2.PersonaReview) -> str:
    """`read: document (345 characters), attachments/a.csv (3 characters)`; empty for the proposal alone."""
    texts = [f"{text.clean(each.name)} ({each.character_count:,} characters)" for each in review.shown_texts]
    return f"read: {', '.join(texts)}" if texts else ""
