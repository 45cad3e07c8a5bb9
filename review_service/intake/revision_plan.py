"""What a revision is to do: whom it asks again, whose reviews it takes over, what it works on. Pure.

It is planned once, when the revision is accepted, and stored. Its proposal is not known then, so that an edit
counts as a change: who would be asked if any section changed is asked whatever the model makes of the edit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from consensus.v1 import panel_pb2, review_service_pb2, run_pb2
from consensus_decision.decimals import score_from_double
from consensus_decision.freshness import LEAST_FRESH_WEIGHT
from consensus_decision.sections import sections_read
from consensus_decision.weights import panel_share
from review_service.config import ReviewSettings
from review_service.intake.requests import CleanInput
from review_service.intake.revisions import CleanEdits
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
    personas: Sequence[panel_pb2.Persona],
    request: review_service_pb2.ReviseRunRequest,
    edits: CleanEdits,
    parent: run_pb2.Run,
) -> Revision:
    """The revision of `parent`, by the panel and the settings of today where the request is silent.

    Raises:
        InvalidField: when the quorum does not fit the panel.
    """
    reviews = {review.persona_id: review for review in parent.persona_reviews}
    asked = personas_to_ask(request, personas, reviews)
    specification = run_specification(
        settings,
        personas,
        CleanInput(
            parent.specification.idea,
            parent.specification.context if parent.specification.HasField("context") else None,
        ),
        review_service_pb2.ReviewInput(user=request.user, options=request.options),
    )
    specification.draft_id = parent.specification.draft_id
    specification.revision.CopyFrom(
        run_pb2.RevisionSpecification(
            parent_run_id=request.parent_run_id,
            # Of a run that is not done there is no proposal to revise: it is refused when it is created.
            parent_proposal=parent.proposal if parent.state == run_pb2.RUN_STATE_COMPLETED else None,
            edited_proposal=edits.edited_proposal,
            edit_notes=edits.edit_notes,
            asked_personas=asked,
        )
    )
    panel = [persona.persona_id for persona in personas]
    carried = [_carried(reviews[each], parent) for each in panel if each not in asked]
    return Revision(specification, carried)


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
    return score_from_double(review.confidence_score) >= CONTENT_FROM and not review.blocking_issues


def _carried(review: panel_pb2.PersonaReview, parent: run_pb2.Run) -> panel_pb2.PersonaReview:
    """The same review, with the run in which the persona was asked and what it was shown there, over any
    number of revisions.
    """
    carried = panel_pb2.PersonaReview()
    carried.CopyFrom(review)
    read = list(sections_read(review, parent.specification.revision, parent.proposal))
    for name in ("section_digests", "stale_sections"):
        carried.ClearField(name)
    carried.section_digests.extend(read)
    carried.reused_from_run_id = review.reused_from_run_id or parent.run_id
    return carried
