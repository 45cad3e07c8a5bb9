"""What a model answers when all is well."""

from typing import Any

REVIEW: dict[str, Any] = {
    "confidence_score": 0.8,
    "strengths": ["  clear  "],
    "concerns": [{"text": "late", "is_blocking": False}],
    "recommendations": [],
    "blocking_issues": [{"text": "keys", "security_critical": None}],
    "estimated_effort": "a week",
    "dependency_risks": [],
}
PROPOSAL: dict[str, Any] = {
    "title": "Read later",
    "summary": None,
    "problem_statement": " lost articles ",
    "proposed_solution": "a list",
    "assumptions": ["accounts"],
    "scope_non_goals": [],
    "raw_expanded_proposal": "prose",
}
