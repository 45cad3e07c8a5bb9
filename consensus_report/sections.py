"""The sections of a proposal by the names that people are shown: pure."""

from collections.abc import Iterable

from consensus_report import text

_NAMES = {
    "title": "Title",
    "summary": "Summary",
    "problem_statement": "Problem",
    "proposed_solution": "Solution",
    "assumptions": "Assumptions",
    "scope_non_goals": "Not in scope",
    "raw_expanded_proposal": "In prose",
}


def is_field(section: str) -> bool:
    """Whether it is one of a proposal's."""
    return section in _NAMES


def section_name(section: str) -> str:
    """A section's name, also of one that a newer server has."""
    return _NAMES.get(section, text.clean(section))


def stale_words(sections: Iterable[str]) -> str:
    """`stale: Title, Solution` for what a review did not read; empty when it read all."""
    names = ", ".join(map(section_name, sections))
    return f"stale: {names}" if names else ""
