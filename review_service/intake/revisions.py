"""What the contract's rules cannot say about a revision's request. Pure; see `intake` for the rest."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from consensus.v1 import document_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_contract.sentences import has_letter_or_digit
from consensus_rpc.errors import InvalidField
from review_service.intake.documents import (
    attachment_violations,
    document_violations,
    input_violations,
    with_digests,
)
from review_service.intake.proposals import blank_violations, size_violations, trimmed_proposal
from review_service.intake.requests import IntakeLimits, check_options
from review_service.steps.prompts import proposal_text

_NOTHING_GIVEN = (
    "edited_proposal or edit_notes must be given; for a run over a document edited_document, whole"
)


@dataclass(frozen=True, slots=True)
class CleanEdits:
    """What a revision is to fold in, trimmed: a proposal, or notes (empty: none), or both; or the document
    that it is over, as it came, and perhaps notes. The attachments are its own.
    """

    edited_proposal: proposal_pb2.Proposal | None
    edit_notes: str
    edited_document: document_pb2.Document | None = None
    attachments: tuple[document_pb2.Attachment, ...] = ()


def check_revise_request(request: review_service_pb2.ReviseRunRequest, limits: IntakeLimits) -> CleanEdits:
    """The edits of a revision; whether its personas are on the panel `check_personas` says.

    Raises:
        InvalidField: with every rule that the request breaks.
    """
    edited = trimmed_proposal(request.edited_proposal) if request.HasField("edited_proposal") else None
    violations = [
        *_given(request),
        *([] if edited is None else _edited(edited, limits)),
        *_document(request, limits),
        *_notes(request.edit_notes, limits),
        *_either_personas(request),
        *check_options(request.options, "options"),
    ]
    if violations:
        raise InvalidField(violations=violations)
    return CleanEdits(
        edited,
        request.edit_notes.strip(),
        request.edited_document if request.HasField("edited_document") else None,
        with_digests(request.attachments),
    )


def check_subject(edits: CleanEdits, parent: run_pb2.RunSpecification) -> None:
    """Checks that the edits are of what the parent is over, once that is known.

    Raises:
        InvalidField: for a document without its edited text, and for an edited text of anything else.
    """
    subject = parent.WhichOneof("subject")
    if subject == "document" and edits.edited_document is None:
        said = "must be given, whole, since the run is over a document; edit_notes may go with it"
        raise InvalidField(violations=[FieldViolation("edited_document", said, "revision.document")])
    if subject not in ("document", None) and edits.edited_document is not None:
        said = f"must be absent, since the run is over a {subject}: give edited_proposal or edit_notes"
        raise InvalidField(
            violations=[
                FieldViolation("edited_document", said.replace("a idea", "an idea"), "revision.document")
            ]
        )


def _given(request: review_service_pb2.ReviseRunRequest) -> Iterator[FieldViolation]:
    has_document = request.HasField("edited_document")
    if not request.HasField("edited_proposal") and not request.edit_notes and not has_document:
        for field in ("edited_proposal", "edit_notes"):
            yield FieldViolation(field, _NOTHING_GIVEN, "revision.edits")
    if request.HasField("edited_proposal") and has_document:
        yield FieldViolation(
            "edited_document", "must be absent where edited_proposal is given", "revision.document"
        )


def _document(request: review_service_pb2.ReviseRunRequest, limits: IntakeLimits) -> Iterator[FieldViolation]:
    most = limits.max_document_characters
    if request.HasField("edited_document"):
        yield from document_violations(request.edited_document, most, "edited_document")
    yield from attachment_violations(request.attachments, most, "attachments")
    yield from input_violations(
        request, "edited_document" if request.HasField("edited_document") else "attachments"
    )


def _notes(notes: str, limits: IntakeLimits) -> Iterator[FieldViolation]:
    if not notes:
        return
    size, most = len(notes.strip()), limits.max_edit_notes_characters
    if not 1 <= size <= most:
        yield FieldViolation(
            "edit_notes",
            f"must have 1 to {most} characters after trimming; {size} were sent",
            "edit_notes.characters",
        )
    elif not has_letter_or_digit(notes):
        yield FieldViolation(
            "edit_notes",
            f"must hold a letter or a digit; {size} characters without one were sent",
            "edit_notes.content",
        )


def _edited(edited: proposal_pb2.Proposal, limits: IntakeLimits) -> Iterator[FieldViolation]:
    """Required texts and entries of lists say something; the whole has at most so many characters as JSON."""
    yield from blank_violations(edited, "edited_proposal", "edited_proposal.blank")
    size, most = len(proposal_text(edited)), limits.max_edited_proposal_characters
    if size > most:
        yield FieldViolation(
            "edited_proposal",
            f"must have at most {most} characters serialised; {size} were sent",
            "edited_proposal.characters",
        )
    else:
        yield from size_violations(edited, "edited_proposal", "edited_proposal.bytes")


def _either_personas(request: review_service_pb2.ReviseRunRequest) -> Iterator[FieldViolation]:
    if request.all_personas and request.personas:
        yield FieldViolation("personas", "must be empty where all_personas is set", "personas.all")


def check_personas(request: review_service_pb2.ReviseRunRequest, panel: Collection[str]) -> None:
    """Checks that the personas to ask are on the panel, once that is known.

    Raises:
        InvalidField: one is not.
    """
    if violations := list(_unknown_personas(request, panel)):
        raise InvalidField(violations=violations)


def _unknown_personas(
    request: review_service_pb2.ReviseRunRequest, panel: Collection[str]
) -> Iterator[FieldViolation]:
    for index, persona_id in enumerate(request.personas):
        if persona_id not in panel:
            known = ", ".join(panel)
            yield FieldViolation(f"personas[{index}]", f"must be one of {known}", "personas.known")
