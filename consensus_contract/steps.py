"""The names of a run's steps."""

EXPAND = "expand"
AGGREGATE = "aggregate_decision"


def review_step(persona_id: str) -> str:
    """The step in which this persona reviews."""
    return f"review_{persona_id}"


def persona_of_step(step: str) -> str | None:
    """The persona that reviews in this step; None where no persona does."""
    prefix = review_step("")
    return step.removeprefix(prefix) if step.startswith(prefix) else None
