"""What a revision is to do: whom it asks again, whose reviews it takes over, what it works on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from consensus.v1 import panel_pb2, review_service_pb2, run_pb2
from consensus_decision.decimals import score_from_double
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
    panel = [persona.persona_id for persona in personas]
    asked = personas_to_ask(request, panel, reviews)
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
    carried = [_carried(reviews[each], parent.run_id) for each in panel if each not in asked]
    return Revision(specification, carried)


def personas_to_ask(
    request: review_service_pb2.ReviseRunRequest,
    panel: Sequence[str],
    reviews: dict[str, panel_pb2.PersonaReview],
) -> list[str]:
    """Those that are named, or all, or those that were not content; and those that have no review yet."""
    return [
        persona_id
        for persona_id in panel
        if (review := reviews.get(persona_id)) is None
        or request.all_personas
        or (persona_id in request.personas if request.personas else not is_content(review))
    ]


def is_content(review: panel_pb2.PersonaReview) -> bool:
    """Whether the review asks for nothing to be changed: a score of 0.70 or more, and no blocking issue."""
    return score_from_double(review.confidence_score) >= CONTENT_FROM and not review.blocking_issues


def _carried(review: panel_pb2.PersonaReview, parent_run_id: str) -> panel_pb2.PersonaReview:
    """The same review, with the run in which the persona was asked, over any number of revisions."""
    carried = panel_pb2.PersonaReview()
    carried.CopyFrom(review)
    carried.reused_from_run_id = review.reused_from_run_id or parent_run_id
    return carried
