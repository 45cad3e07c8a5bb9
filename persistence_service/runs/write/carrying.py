"""The reviews that a revision takes over from its parent, held against the parent's record. Pure."""

from collections.abc import Iterator, Sequence

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import panel_pb2, proposal_pb2, run_event_pb2
from consensus_contract.sizes import REVIEWS_BYTES
from consensus_contract.steps import review_step
from consensus_decision.sections import section_digests, sections_read
from consensus_documents import section_digests as document_digests
from consensus_rpc.errors import InvalidField
from persistence_service.runs.form.entries import NewRunEntry, item_entry
from persistence_service.runs.form.panel import panel_of
from persistence_service.runs.form.payloads import proposal_message, verdict_message
from persistence_service.runs.form.revisions import revision_message
from persistence_service.runs.write.operations import Create
from persistence_service.runs.write.recomputing import Recorded, check_claims

CARRIED = "carried_reviews"

_NO_PROPOSAL = proposal_pb2.Proposal()


def carried_entries(request: persistence_service_pb2.CreateRunRequest) -> tuple[NewRunEntry, ...]:
    """The reviews that a revision takes over: each is recorded, and completes its step without an attempt.

    Raises:
        InvalidField: too large together, of a run that is no revision, without the run that it comes from,
            twice for a persona, of a persona that is asked again, or of none of the run's.
    """
    revision = request.specification.revision
    if request.carried_reviews and not revision.parent_run_id:
        raise InvalidField(field=CARRIED, description="is empty unless the run is a revision")
    taken = set(revision.asked_personas)
    for review in request.carried_reviews:
        if not review.reused_from_run_id:
            raise InvalidField(field=CARRIED, description="names the run that each review comes from")
        if review.persona_id in taken:
            raise InvalidField(
                field=CARRIED, description=f"{review.persona_id} is asked, or stands in it twice"
            )
        taken.add(review.persona_id)
    carried = tuple(item_entry(item) for item in _carried_items(request))
    check_claims(request.run_id, panel_of(request.specification), carried)
    if sum(new.payload_bytes for new in carried) > REVIEWS_BYTES:
        raise InvalidField(field=CARRIED, description=f"is at most {REVIEWS_BYTES} bytes")
    return carried


def check_carried(operation: Create, parent: Recorded) -> None:
    """A review is carried over as the parent's record has it, with what its persona read: nobody's word is
    taken for a vote, nor for the text that it is about.

    Raises:
        InvalidField: the parent has no such review, or another one, or its persona read something else.
    """
    read_there = _sections_of(parent)
    recorded = {row["persona_id"]: verdict_message(row) for row in parent.reviews}
    for new in operation.carried:
        if new.payload is None:
            continue
        claimed = verdict_message(new.payload)
        stored = recorded.get(claimed.persona_id)
        if stored is None or _as_counted(claimed, operation) != _as_carried(stored, operation, read_there):
            raise InvalidField(
                field=CARRIED,
                description=f"are as the parent run has them; that of {claimed.persona_id} is not",
            )


def _as_counted(claimed: panel_pb2.PersonaReview, operation: Create) -> panel_pb2.PersonaReview:
    """The review with what the decision will take its persona to have read."""
    specification = operation.specification
    assert specification.revision is not None
    assert specification.parent_run_id is not None
    revision = revision_message(specification.parent_run_id, specification.revision)
    return _having_read(claimed, sections_read(claimed, revision, _NO_PROPOSAL))


def _as_carried(
    stored: panel_pb2.PersonaReview, operation: Create, read_there: Sequence[panel_pb2.SectionDigest]
) -> panel_pb2.PersonaReview:
    """The parent's review as it is taken over; one that was made there read the parent's whole text."""
    if not stored.reused_from_run_id:
        stored.reused_from_run_id = operation.specification.parent_run_id or ""
        return _having_read(stored, read_there)
    return stored


def _having_read(
    review: panel_pb2.PersonaReview, sections: Sequence[panel_pb2.SectionDigest]
) -> panel_pb2.PersonaReview:
    read = list(sections)
    review.ClearField("section_digests")
    review.section_digests.extend(read)
    return review


def _sections_of(run: Recorded) -> Sequence[panel_pb2.SectionDigest]:
    """The sections of a run's text: of its document, or else of its proposal."""
    if run.specification is not None and run.specification.HasField("document"):
        return document_digests(run.specification.document.text, run.specification.document.format)
    return () if run.proposal is None else section_digests(proposal_message(run.proposal))


def _carried_items(
    request: persistence_service_pb2.CreateRunRequest,
) -> Iterator[persistence_service_pb2.RecordItem]:
    for review in request.carried_reviews:
        yield persistence_service_pb2.RecordItem(
            persona_review_ready=run_event_pb2.PersonaReviewReady(persona_review=review)
        )
        yield persistence_service_pb2.RecordItem(
            step_completed=run_event_pb2.StepCompleted(step=review_step(review.persona_id))
        )
