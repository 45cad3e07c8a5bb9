"""How large what a run holds may be, in bytes of the serialised messages, and how long a page; pure.

Whatever keeps within these is read back in one answer and sent between the services in one message: the
parts of a run together stay below GetRun's answer, which stays below the 4 MiB that gRPC takes.
"""

INPUT_BYTES = 1_048_576
"""What a caller gives a run to work on, attachments included."""

IDEA_CHARACTERS = 10_000
IDEA_SENTENCES = 10

DOCUMENT_CHARACTERS = 200_000
"""Of a document, and of an attachment."""

MAX_ATTACHMENTS = 20

PROPOSAL_BYTES = 262_144

REVIEWS_BYTES = 1_048_576
"""All reviews of a run together."""

DECISION_BYTES = 1_048_576

HUMAN_REVIEW_BYTES = 32_768
"""What one person says of a run."""

MAX_HUMAN_REVIEWERS = 50
"""People who may review one run: as many as a panel may have personas."""

RUN_ANSWER_BYTES = 3_670_016
"""GetRun's answer: what a run is given, its proposal, reviews and decision, and what it says of itself beside
them. What people say is left out where it has no room.
"""


MAX_PAGE_SIZE = 100
"""Entries of a page of any list."""


def review_bytes(panel_size: int) -> int:
    """The share of one review in a panel of so many personas; whoever is asked, all may answer.

    Raises:
        ValueError: nobody is asked.
    """
    if panel_size < 1:
        raise ValueError("a panel has at least one persona")
    return REVIEWS_BYTES // panel_size
