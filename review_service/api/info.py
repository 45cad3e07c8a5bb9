"""What is in force, for GetServiceInfo."""

from collections.abc import Sequence

from consensus.v1 import panel_pb2, review_service_pb2
from consensus_contract.sizes import INPUT_BYTES, MAX_ATTACHMENTS, MAX_PAGE_SIZE
from consensus_contract.spans import duration
from consensus_decision.policies import POLICY_VERSION
from consensus_panels import MAX_PERSONAS
from consensus_rpc.server.options import MAX_MESSAGE_BYTES
from review_service import VERSION
from review_service.config import ReviewSettings
from review_service.intake.specification import model_route, retry_policy

# The contract's own ceiling, which no setting lowers.
MAX_IDEMPOTENCY_KEY_CHARACTERS = 255


def service_info(
    settings: ReviewSettings, personas: Sequence[panel_pb2.Persona]
) -> review_service_pb2.GetServiceInfoResponse:
    """Versions, personas, limits, the model's route, the retry policy."""
    return review_service_pb2.GetServiceInfoResponse(
        version=VERSION,
        persona_template_version=settings.persona_template_version,
        policy_version=POLICY_VERSION,
        personas=personas,
        limits=review_service_pb2.ServiceLimits(
            max_idea_characters=settings.max_idea_characters,
            max_idea_sentences=settings.max_idea_sentences,
            max_context_characters=settings.max_context_characters,
            max_idempotency_key_characters=MAX_IDEMPOTENCY_KEY_CHARACTERS,
            max_page_size=MAX_PAGE_SIZE,
            max_runs_in_flight=settings.max_runs_in_flight,
            run_timeout=duration(settings.run_timeout_seconds),
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_edited_proposal_characters=settings.max_edited_proposal_characters,
            max_edit_notes_characters=settings.max_edit_notes_characters,
            heartbeat_interval=duration(settings.heartbeat_seconds),
            max_document_characters=settings.max_document_characters,
            max_attachments=MAX_ATTACHMENTS,
            max_input_bytes=INPUT_BYTES,
            max_panel_personas=MAX_PERSONAS,
        ),
        model_route=model_route(settings),
        retry_policy=retry_policy(settings),
    )
