"""What a revision is to do: whom it asks again, whose reviews it takes over, what it works on. Pure.

It is planned once, when the revision is accepted, and stored. Its proposal is not known then, so that an edit
counts as a change: who would be asked if any section changed is asked whatever the model makes of the edit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from consensus.v1 import document_pb2, panel_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_decision.decimals import score_from_double
from consensus_decision.freshness import LEAST_FRESH_WEIGHT
from consensus_decision.sections import sections_read
from consensus_decision.supported import supported
from consensus_decision.weights import panel_share
from consensus_documents import section_digests
from review_service.config import ReviewSettings
from review_service.intake.documents import with_format
from review_service.intake.panels import ChosenPanel
from review_service.intake.requests import CleanInput
from review_service.intake.revisions import CleanEdits, check_personas, check_subject
from review_service.intake.specification import run_specification

CONTENT_FROM = Decimal("0.70")
"""A persona with this score and no blocking issue is not asked again."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What a revision is created with."""

    specification: run_pb2.RunSpecification
    carried_reviews: list[panel_pb2.PersonaReview]


def plan_revision(
    settings: ReviewSettings,
    panel: ChosenPanel,
    request: review_service_pb2.ReviseRunRequest,
    edits: CleanEdits,
    parent: run_pb2.Run,
) -> Revision:
    """The revision of `parent` by such a panel, and by the settings of today where the request is silent.

    Raises:
        InvalidField: when the quorum or the personas to ask do not fit the panel, or the edits what the
            parent is over.
    """
    check_personas(request, panel.ids)
    personas = panel.personas
    check_subject(edits, parent.specification)
    reviews = {review.persona_id: review for review in parent.persona_reviews}
    asked = personas_to_ask(request, personas, reviews)
    specification = run_specification(
        settings,
        panel,
        _revised_input(edits, parent.specification),
        review_service_pb2.ReviewInput(user=request.user, options=request.options),
    )
    specification.draft_id = parent.specification.draft_id
    specification.revision.CopyFrom(
        run_pb2.RevisionSpecification(
            parent_run_id=request.parent_run_id,
            parent_proposal=_parent_proposal(parent),
            edited_proposal=edits.edited_proposal,
            edit_notes=edits.edit_notes,
            asked_personas=asked,
        )
    )
    carried = [_carried(reviews[each], parent) for each in panel.ids if each not in asked]
    return Revision(specification, carried)


def _revised_input(edits: CleanEdits, parent: run_pb2.RunSpecification) -> CleanInput:
    """What the revision is over: the edited document, or what its parent was over."""
    context = parent.context if parent.HasField("context") else None
    if edits.edited_document is None:
        given = parent.proposal if parent.HasField("proposal") else None
        return CleanInput(parent.idea, context, proposal=given, attachments=edits.attachments)
    document = document_pb2.Document()
    document.CopyFrom(edits.edited_document)
    document.name = document.name or parent.document.name
    return CleanInput(
        "",
        context,
        document=with_format(document),
        attachments=edits.attachments,
        document_expansion=parent.document_expansion or document_pb2.DOCUMENT_EXPANSION_SKIP,
    )


def _parent_proposal(parent: run_pb2.Run) -> proposal_pb2.Proposal | None:
    """What is revised; None for a document, and of a run that is not done: refused when it is created."""
    is_done = parent.state == run_pb2.RUN_STATE_COMPLETED
    return parent.proposal if is_done and not parent.specification.HasField("document") else None


def personas_to_ask(
    request: review_service_pb2.ReviseRunRequest,
    personas: Sequence[panel_pb2.Persona],
    reviews: dict[str, panel_pb2.PersonaReview],
) -> list[str]:
    """Those that are named, or all, or those that were not content or hold a veto, and all where these weigh
    too little; in each case those that have no review yet.
    """
    panel = [persona.persona_id for persona in personas]
    if request.all_personas:
        return panel
    if request.personas:
        return [each for each in panel if each in request.personas or each not in reviews]
    asked = [
        persona.persona_id
        for persona in personas
        if persona.holds_veto or (review := reviews.get(persona.persona_id)) is None or not is_content(review)
    ]
    return asked if panel_share(personas, asked) >= LEAST_FRESH_WEIGHT else panel


def is_content(review: panel_pb2.PersonaReview) -> bool:
    """Whether the review asks for nothing to be changed: a score of 0.70 or more, and no blocking issue."""
    return score_from_double(review.confidence_score) >= CONTENT_FROM and not supported(
        review.blocking_issues
    )


def _carried(review: panel_pb2.PersonaReview, parent: run_pb2.Run) -> panel_pb2.PersonaReview:
    """The same review, with the run in which the persona was asked and what it was shown there, over any
    number of revisions.
    """
    carried = panel_pb2.PersonaReview()
    carried.CopyFrom(review)
    read = list(_read(review, parent))
    for name in ("section_digests", "stale_sections"):
        carried.ClearField(name)
    carried.section_digests.extend(read)
    carried.reused_from_run_id = review.reused_from_run_id or parent.run_id
    return carried


def _read(review: panel_pb2.PersonaReview, parent: run_pb2.Run) -> Iterable[panel_pb2.SectionDigest]:
    """What the persona was shown in the run in which it was asked."""
    specification = parent.specification
    if not specification.HasField("document"):
        return sections_read(review, specification.revision, parent.proposal)
    if review.reused_from_run_id:
        return review.section_digests
    return section_digests(specification.document.text, specification.document.format)
