"""What the contract's rules cannot say about a request: what depends on trimming, sentences, serialised size.

Pure. Runs after the contract's own rules; answers with one violation per broken rule, which names the field,
the limit and the size that was sent, and never the text.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from consensus.v1 import document_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_contract.sentences import count_sentences, has_letter_or_digit
from consensus_rpc.errors import InvalidField
from review_service.intake.documents import (
    attachment_violations,
    document_violations,
    expansion_violations,
    input_violations,
    with_digests,
    with_format,
)
from review_service.intake.proposals import given_proposal_violations, trimmed_proposal
from review_service.intake.screening import strings_of
from review_service.steps.prompts import context_text


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Limits in force; settings may lower the contract's, never raise them."""

    max_idea_characters: int
    max_idea_sentences: int
    max_context_characters: int
    max_document_characters: int
    max_edited_proposal_characters: int
    max_edit_notes_characters: int


@dataclass(frozen=True, slots=True)
class CleanInput:
    """What a run or an expansion works on: an idea, trimmed, a document or a proposal; what was added."""

    idea: str
    context: run_pb2.ExtraContext | None
    document: document_pb2.Document | None = None
    proposal: proposal_pb2.Proposal | None = None
    attachments: tuple[document_pb2.Attachment, ...] = ()
    document_expansion: document_pb2.DocumentExpansion.ValueType = document_pb2.DOCUMENT_EXPANSION_UNSPECIFIED


def check_review_input(review: review_service_pb2.ReviewInput, limits: IntakeLimits) -> CleanInput:
    """The input of a run.

    Raises:
        InvalidField: with every rule that it breaks.
    """
    violations = [
        *_subject(review, limits),
        *_context(review.context, limits, "review.context"),
        *attachment_violations(review.attachments, limits.max_document_characters, "review.attachments"),
        *expansion_violations(review),
        *input_violations(review),
        *check_options(review.options, "review.options"),
    ]
    if violations:
        raise InvalidField(violations=violations)
    is_document = review.HasField("document")
    return CleanInput(
        review.idea.strip(),
        review.context if review.HasField("context") else None,
        document=with_format(review.document) if is_document else None,
        proposal=trimmed_proposal(review.proposal) if review.HasField("proposal") else None,
        attachments=with_digests(review.attachments),
        document_expansion=(review.document_expansion or document_pb2.DOCUMENT_EXPANSION_SKIP)
        if is_document
        else document_pb2.DOCUMENT_EXPANSION_UNSPECIFIED,
    )


def _subject(review: review_service_pb2.ReviewInput, limits: IntakeLimits) -> Iterator[FieldViolation]:
    """What is reviewed keeps the rules of its kind."""
    match review.WhichOneof("subject"):
        case "document":
            yield from document_violations(review.document, limits.max_document_characters, "review.document")
        case "proposal":
            yield from given_proposal_violations(trimmed_proposal(review.proposal), "review.proposal")
        case _:
            yield from _idea(review.idea, limits, "review.idea", has_way_out=True)


def check_submit_request(request: review_service_pb2.SubmitDraftRequest, limits: IntakeLimits) -> None:
    """What can be told of the request alone, before the draft is read.

    Raises:
        InvalidField: with every rule that it breaks.
    """
    violations = [
        *_context(request.context, limits, "context"),
        *check_options(request.options, "options"),
    ]
    if violations:
        raise InvalidField(violations=violations)


def draft_input(
    text: str, request: review_service_pb2.SubmitDraftRequest, limits: IntakeLimits
) -> CleanInput:
    """The input of a run whose idea is a draft, which may have any number of sentences.

    Raises:
        InvalidField: what the text breaks, under `draft_id`.
    """
    without_sentences = replace(limits, max_idea_sentences=sys.maxsize)
    context = request.context if request.HasField("context") else None
    return _clean(text, context, list(_idea(text, without_sentences, "draft_id", has_way_out=True)))


def check_options(options: review_service_pb2.ReviewOptions, field: str) -> Iterator[FieldViolation]:
    """What a request does otherwise than the settings say keeps its bounds."""
    yield from _temperature(options, "expand_temperature", field)
    yield from _temperature(options, "review_temperature", field)
    yield from _either(options, "expand_temperature", field)
    yield from _either(options, "review_temperature", field)


def _either(
    options: review_service_pb2.ReviewOptions | review_service_pb2.ExpandIdeaRequest, name: str, field: str
) -> Iterator[FieldViolation]:
    """A temperature is given, or none is to be sent."""
    is_given = options.HasField(name)  # type: ignore[arg-type]  # they have the fields that are asked for
    if is_given and getattr(options, f"omit_{name}"):
        at = f"{field}.omit_{name}".lstrip(".")
        yield FieldViolation(at, f"must not stand together with {name}", "temperature.omitted")


def check_expand_request(request: review_service_pb2.ExpandIdeaRequest, limits: IntakeLimits) -> CleanInput:
    """The input of an expansion.

    Raises:
        InvalidField: with every rule that it breaks.
    """
    violations = [
        *_idea(request.idea, limits, "idea"),
        *_context(request.context, limits, "context"),
        *_temperature(request, "expand_temperature", ""),
        *_either(request, "expand_temperature", ""),
    ]
    return _clean(request.idea, request.context if request.HasField("context") else None, violations)


def _clean(idea: str, context: run_pb2.ExtraContext | None, violations: list[FieldViolation]) -> CleanInput:
    if violations:
        raise InvalidField(violations=violations)
    return CleanInput(idea.strip(), context)


def idea_way_out(most_characters: int) -> str:
    """What becomes of an idea that is longer than one may be."""
    return f"send it as a document: at most {most_characters:,} characters, any number of sentences"


def _idea(
    idea: str, limits: IntakeLimits, field: str, *, has_way_out: bool = False
) -> Iterator[FieldViolation]:
    """An idea has 1 to so many characters after trimming, so many sentences, and says something."""
    idea = idea.strip()
    size, most = len(idea), limits.max_idea_characters
    ends_well = has_way_out and size <= limits.max_document_characters
    advice = f"; {idea_way_out(limits.max_document_characters)}" if ends_well else ""
    if not 1 <= size <= most:
        said = f"must have 1 to {most} characters after trimming; {size} were sent"
        yield FieldViolation(field, said + (advice if size else ""), "idea.characters")
    if size and not has_letter_or_digit(idea):
        yield FieldViolation(
            field, f"must hold a letter or a digit; {size} characters without one were sent", "idea.content"
        )
        return
    sentences = count_sentences(idea)
    if sentences > limits.max_idea_sentences:
        said = f"must have 1 to {limits.max_idea_sentences} sentences; {sentences} were sent"
        yield FieldViolation(field, said + advice, "idea.sentences")


def _context(context: run_pb2.ExtraContext, limits: IntakeLimits, field: str) -> Iterator[FieldViolation]:
    """Extra context says something, is JSON, and has at most so many characters when serialised."""
    form = context.WhichOneof("form")
    if form is None:
        return
    field = f"{field}.{form}"
    if form == "object" and any("\0" in text for text in strings_of(context.object)):
        yield FieldViolation(field, "must not hold a NUL character", "context.nul")
    try:
        text = context_text(context)
    except ValueError:
        yield FieldViolation(field, "must be JSON, which knows no NaN and no infinite number", "context.json")
        return
    if form == "text" and not has_letter_or_digit(text):
        yield FieldViolation(
            field,
            f"must hold a letter or a digit; {len(text)} characters without one were sent",
            "context.content",
        )
    most = limits.max_context_characters
    if len(text) > most:
        yield FieldViolation(
            field,
            f"must have at most {most} characters serialised; {len(text)} were sent",
            "context.characters",
        )


def _temperature(
    message: review_service_pb2.ReviewOptions | review_service_pb2.ExpandIdeaRequest, name: str, prefix: str
) -> Iterator[FieldViolation]:
    """A temperature is 0 to 2 in hundredths."""
    if not message.HasField(name):  # type: ignore[arg-type]  # both messages have the fields that are asked for
        return
    value: float = getattr(message, name)
    field = f"{prefix}.{name}" if prefix else name
    if not 0 <= value <= 2:
        yield FieldViolation(field, f"must be 0 to 2; {value!r} was sent", "temperature.range")
    elif Decimal(repr(value)) % Decimal("0.01"):
        yield FieldViolation(
            field, f"must have at most two decimals; {value!r} was sent", "temperature.hundredths"
        )
