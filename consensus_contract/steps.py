"""The names of a run's steps."""

EXPAND = "expand"
AGGREGATE = "aggregate_decision"


def review_step(persona_id: str) -> str:
    """The step in which this persona reviews."""
    return f"review_{persona_id}"
