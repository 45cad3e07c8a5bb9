"""What requests come to, under the settings and the panel in force. Pure."""

from consensus.v1 import review_service_pb2, run_pb2
from consensus_rpc.server.character_limits import CharacterLimit
from review_service.config import ReviewSettings
from review_service.intake.allowed import Allowed
from review_service.intake.documents import DOCUMENT_WAY_OUT
from review_service.intake.panels import ChosenPanel
from review_service.intake.requests import (
    IntakeLimits,
    check_expand_request,
    check_review_input,
    check_submit_request,
    draft_input,
    idea_way_out,
)
from review_service.intake.revision_plan import Revision, plan_revision
from review_service.intake.revisions import CleanEdits, check_revise_request
from review_service.intake.screening import screen
from review_service.intake.specification import expansion_specification, run_specification
from review_service.personas.panel import BuiltInPanel


def character_limits(settings: ReviewSettings) -> dict[str, CharacterLimit]:
    """What texts of requests may have, by field; the contract's rules are ceilings above them."""
    idea, context = settings.max_idea_characters, CharacterLimit(settings.max_context_characters)
    document = CharacterLimit(settings.max_document_characters, DOCUMENT_WAY_OUT)
    return {
        "idea": CharacterLimit(idea),
        "review.idea": CharacterLimit(idea, idea_way_out(settings.max_document_characters)),
        "review.document.text": document,
        "edited_document.text": document,
        "context.text": context,
        "review.context.text": context,
        "edit_notes": CharacterLimit(settings.max_edit_notes_characters),
    }


class Intake:
    """Turns requests into specifications; each method raises InvalidField with every rule that one breaks."""

    def __init__(self, settings: ReviewSettings, panel: BuiltInPanel) -> None:
        self._settings = settings
        self.built_in = ChosenPanel(panel.personas)
        """The panel of requests that choose none."""
        self._allowed = Allowed.of(settings)
        self._limits = IntakeLimits(
            max_idea_characters=settings.max_idea_characters,
            max_idea_sentences=settings.max_idea_sentences,
            max_context_characters=settings.max_context_characters,
            max_document_characters=settings.max_document_characters,
            max_edited_proposal_characters=settings.max_edited_proposal_characters,
            max_edit_notes_characters=settings.max_edit_notes_characters,
        )

    def review(self, review: review_service_pb2.ReviewInput, panel: ChosenPanel) -> run_pb2.RunSpecification:
        """The specification of a run that such a panel reviews."""
        clean = check_review_input(review, self._limits)
        specification = run_specification(self._settings, panel, clean, review)
        self._allowed.check(specification, self.built_in.personas, "review.options.")
        screen(specification)
        return specification

    def expansion(self, request: review_service_pb2.ExpandIdeaRequest) -> run_pb2.RunSpecification:
        """The part of a specification that expanding needs."""
        clean = check_expand_request(request, self._limits)
        specification = expansion_specification(self._settings, clean, request)
        self._allowed.check(specification, (), "")
        return specification

    def check_submission(self, request: review_service_pb2.SubmitDraftRequest) -> None:
        """Checks what can be told before the draft is read."""
        check_submit_request(request, self._limits)

    def draft(
        self, request: review_service_pb2.SubmitDraftRequest, text: str, panel: ChosenPanel
    ) -> run_pb2.RunSpecification:
        """The specification of a run whose idea is a draft's text."""
        clean = draft_input(text, request, self._limits)
        review = review_service_pb2.ReviewInput(user=request.user, options=request.options)
        specification = run_specification(self._settings, panel, clean, review)
        self._allowed.check(specification, self.built_in.personas, "options.")
        specification.draft_id = request.draft_id
        screen(specification)
        return specification

    def edits(self, request: review_service_pb2.ReviseRunRequest) -> CleanEdits:
        """What a revision is to fold in, told before its parent is read."""
        return check_revise_request(request, self._limits)

    def revision(
        self,
        request: review_service_pb2.ReviseRunRequest,
        edits: CleanEdits,
        parent: run_pb2.Run,
        panel: ChosenPanel,
    ) -> Revision:
        """What a revision of `parent` is created with."""
        revision = plan_revision(self._settings, panel, request, edits, parent)
        self._allowed.check(revision.specification, self.built_in.personas, "options.")
        screen(revision.specification, parent)
        return revision
