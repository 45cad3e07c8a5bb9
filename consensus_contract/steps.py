"""The names of a run's steps."""

from collections.abc import Iterable

EXPAND = "expand"
AGGREGATE = "aggregate_decision"

_REVIEW = "review_"


def review_step(persona_id: str) -> str:
    """The step in which this persona reviews."""
    return _REVIEW + persona_id


def persona_of_step(step: str) -> str | None:
    """The persona that reviews in this step, None in the steps of no persona."""
    return step.removeprefix(_REVIEW) if step.startswith(_REVIEW) else None


def step_names(persona_ids: Iterable[str]) -> list[str]:
    """All steps of a run in their order; the personas in persona order."""
    return [EXPAND, *map(review_step, persona_ids), AGGREGATE]
