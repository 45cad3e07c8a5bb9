"""What the service says of itself."""

from review_service.api.info import service_info
from review_service.config import ReviewSettings


def test_the_limits_of_documents_are_those_in_force() -> None:
    settings = ReviewSettings.load().model_copy(update={"max_document_characters": 5_000})

    limits = service_info(settings, ()).limits

    assert limits.max_document_characters == 5_000
    assert limits.max_attachments == 20
    assert limits.max_input_bytes == 1_048_576
