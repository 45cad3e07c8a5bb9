"""What the contract's rules cannot say about documents and attachments. Pure."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from consensus.v1 import document_pb2, review_service_pb2
from consensus_contract.errors import FieldViolation
from consensus_contract.sentences import has_letter_or_digit
from consensus_contract.sizes import INPUT_BYTES
from consensus_documents import detect_format

DOCUMENT_WAY_OUT = "send its parts as documents of their own"

_RESERVED = frozenset({"idea", "document", "proposal", "context"})
# They would end the mark within which the model is shown the name.
_MARKS = frozenset('"<>')
_TEXT_TYPES = re.compile(
    r"text/.+|application/(?:(?:.+\+)?(?:json|xml|yaml)|x-yaml|toml|x-toml|jsonl|x-ndjson|ndjson|csv|sql"
    r"|graphql|javascript|ecmascript|typescript|x-sh|rtf|tex|x-tex|x-latex)"
)
_TYPES_IN_WORDS = (
    "text/*, application/json, yaml, toml, xml, csv, sql, x-ndjson and other types of text such as "
    "application/openapi+json"
)


def document_violations(document: document_pb2.Document, most: int, field: str) -> Iterator[FieldViolation]:
    """A document has 1 to so many characters, and says something."""
    size = len(document.text)
    if not 1 <= size <= most:
        said = f"must have 1 to {most} characters; {size} were sent"
        advice = f"; {DOCUMENT_WAY_OUT}" if size else ""
        yield FieldViolation(f"{field}.text", said + advice, "document.characters")
    elif not has_letter_or_digit(document.text):
        yield FieldViolation(
            f"{field}.text",
            f"must hold a letter or a digit; {size} characters without one were sent",
            "document.content",
        )


def attachment_violations(
    attachments: Iterable[document_pb2.Attachment], most: int, field: str
) -> Iterator[FieldViolation]:
    """Attachments have names of their own, are text that says something, and are what their digests say."""
    taken: set[str] = set()
    for index, each in enumerate(attachments):
        place = f"{field}[{index}]"
        yield from _name(each.name, taken, f"{place}.name")
        taken.add(each.name)
        if each.media_type and not _TEXT_TYPES.fullmatch(each.media_type):
            yield FieldViolation(
                f"{place}.media_type",
                f"must be a type of text: {_TYPES_IN_WORDS}",
                "attachment.media_type",
            )
        size = len(each.text)
        if size > most:
            said = f"must have at most {most} characters; {size} were sent"
            yield FieldViolation(f"{place}.text", said, "attachment.characters")
        elif not has_letter_or_digit(each.text):
            said = f"must hold a letter or a digit; {size} characters without one were sent"
            yield FieldViolation(f"{place}.text", said, "attachment.content")
        if each.sha256 and each.sha256 != _digest(each.text):
            yield FieldViolation(
                f"{place}.sha256",
                "must be the SHA-256 of the text in UTF-8, or empty; the text has another",
                "attachment.sha256",
            )


def expansion_violations(review: review_service_pb2.ReviewInput) -> Iterator[FieldViolation]:
    """Only a document may be expanded or not."""
    if review.document_expansion and not review.HasField("document"):
        yield FieldViolation(
            "review.document_expansion",
            "must be unspecified where there is no document",
            "document_expansion.subject",
        )


def input_violations(
    input_: review_service_pb2.ReviewInput | review_service_pb2.ReviseRunRequest, field: str = "review"
) -> Iterator[FieldViolation]:
    """All that a caller gives a run to work on takes no more than so many bytes."""
    names = ("idea", "document", "proposal", "context", "attachments", "edited_document")
    given = [value for each, value in input_.ListFields() if each.name in names]
    size = sum(map(_bytes_of, given))
    if size > INPUT_BYTES:
        yield FieldViolation(
            field,
            f"must have at most {INPUT_BYTES} bytes in all, attachments included; {size} were sent",
            "input.bytes",
        )


def with_format(document: document_pb2.Document) -> document_pb2.Document:
    """The document with its format, told from the text where the caller did not say it."""
    whole = document_pb2.Document()
    whole.CopyFrom(document)
    whole.format = whole.format or detect_format(whole.text, whole.name)
    return whole


def with_digests(attachments: Iterable[document_pb2.Attachment]) -> tuple[document_pb2.Attachment, ...]:
    """The attachments, each with its media type and digest."""
    return tuple(
        document_pb2.Attachment(
            name=each.name,
            media_type=each.media_type or "text/plain",
            text=each.text,
            sha256=_digest(each.text),
        )
        for each in attachments
    )


def _name(name: str, taken: set[str], field: str) -> Iterator[FieldViolation]:
    if name != name.strip() or not has_letter_or_digit(name) or not _MARKS.isdisjoint(name):
        yield FieldViolation(
            field,
            "must hold a letter or a digit, no quotation marks and no angle brackets, and no space around it",
            "attachment.name",
        )
    elif name.lower() in _RESERVED:
        reserved = ", ".join(sorted(_RESERVED))
        yield FieldViolation(field, f"must be none of {reserved}", "attachment.reserved")
    elif name in taken:
        yield FieldViolation(field, "must differ from the names before it", "attachment.unique")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _bytes_of(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if hasattr(value, "ByteSize"):
        return int(value.ByteSize())
    assert isinstance(value, Iterable), "a list of messages"
    return sum(map(_bytes_of, value))
