"""Proposals, persona reviews and decisions, between the wire, their rows and their digests. Pure.

Each payload has one canonical form, made of the same parts as its row; an auditor recomputes the digest
in the journal from the row alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.v1 import document_pb2, panel_pb2, proposal_pb2
from consensus_journal import canonical_json, digest
from persistence_service.journal.entries import Columns
from persistence_service.runs.form.suspicions import KEY, suspicion_columns, suspicion_messages
from persistence_service.schema.scalars import (
    from_duration,
    hundredths,
    storable_json,
    ten_thousandths,
    to_duration,
)

PROPOSAL_COLUMNS = (
    "title",
    "summary",
    "problem_statement",
    "proposed_solution",
    "assumptions",
    "scope_non_goals",
    "raw_expanded_proposal",
)
USAGE_FIELDS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
NO_USAGE: dict[str, int | None] = dict.fromkeys(USAGE_FIELDS)
_TEXT_LISTS = ("strengths", "recommendations", "dependency_risks")
_PROVENANCE = "persona_review.provenance"
_PROVENANCE_SCALARS = (
    "requested_model",
    "answered_model",
    "persona_template_version",
    "prompt_digest",
    "attempt_count",
    "provider_request_id",
)
PROVENANCE_COLUMNS = (
    *_PROVENANCE_SCALARS,
    "temperature",
    "latency_nanoseconds",
    "truncated_fields",
    *USAGE_FIELDS,
)
VERDICT_COLUMNS = (
    "persona_id",
    "persona_name",
    "confidence",
    "blocking_issues_present",
    "security_concerns_present",
    "reused_from_run_id",
    "content",
)
_NO_PROVENANCE: Columns = dict.fromkeys(PROVENANCE_COLUMNS)
# Columns that rows of earlier releases do not have: they count in the canonical form only where they say
# something, so that the digests of those rows stand.
_ADDED_LATER = frozenset({"diff", "reused_from_run_id"})


@dataclass(frozen=True, slots=True)
class Payload:
    """The columns of a payload, without its keys; its digest and the size of its canonical form."""

    columns: Columns
    digest: bytes
    size: int


def payload_of(columns: Columns, field: str) -> Payload:
    """The payload with these columns.

    Raises:
        InvalidField: for the character NUL.
    """
    canonical = canonical_payload(columns)
    storable_json(columns, canonical, field)
    return Payload(columns, digest(canonical), len(canonical))


def canonical_payload(columns: Columns) -> bytes:
    """What the digest in the journal is made of."""
    return canonical_json(
        {name: value for name, value in columns.items() if value is not None or name not in _ADDED_LATER}
    )


def proposal_payload(
    proposal: proposal_pb2.Proposal, diff: proposal_pb2.ProposalDiff | None = None
) -> Payload:
    """The row of a proposal; `diff` is what it changes about the proposal that it revises.

    Raises:
        InvalidField: for what the tables cannot hold.
    """
    columns = {**proposal_columns(proposal), "diff": None if diff is None else _diff_columns(diff)}
    return payload_of(columns, "proposal")


def proposal_columns(proposal: proposal_pb2.Proposal) -> Columns:
    """A proposal as JSON data."""
    return {
        "title": proposal.title,
        "summary": proposal.summary,
        "problem_statement": proposal.problem_statement,
        "proposed_solution": proposal.proposed_solution,
        "assumptions": list(proposal.assumptions),
        "scope_non_goals": list(proposal.scope_non_goals),
        "raw_expanded_proposal": proposal.raw_expanded_proposal,
    }


def proposal_message(row: Mapping[Any, Any]) -> proposal_pb2.Proposal:
    """The proposal that a row was made of."""
    return proposal_pb2.Proposal(**{name: row[name] for name in PROPOSAL_COLUMNS})


def proposal_diff_message(row: Mapping[Any, Any]) -> proposal_pb2.ProposalDiff | None:
    """What a proposal's row says to be changed; None when it revises nothing."""
    if row["diff"] is None:
        return None
    return proposal_pb2.ProposalDiff(
        changes=[proposal_pb2.ProposalFieldChange(**change) for change in row["diff"]]
    )


def _diff_columns(diff: proposal_pb2.ProposalDiff) -> list[Columns]:
    return [
        {"field": change.field, "before": list(change.before), "after": list(change.after)}
        for change in diff.changes
    ]


def review_payload(review: panel_pb2.PersonaReview) -> Payload:
    """The row of a persona review.

    Raises:
        InvalidField: for what the tables cannot hold exactly.
    """
    columns: Columns = {
        "persona_id": review.persona_id,
        "persona_name": review.persona_name,
        "confidence": ten_thousandths(review.confidence_score, "persona_review.confidence_score"),
        "blocking_issues_present": review.blocking_issues_present,
        "security_concerns_present": review.security_critical_issues_present,
        "content": _review_content(review),
        "reused_from_run_id": review.reused_from_run_id or None,
        **(_provenance(review.provenance) if review.HasField("provenance") else _NO_PROVENANCE),
    }
    return payload_of(columns, "persona_review")


def review_message(row: Mapping[Any, Any]) -> panel_pb2.PersonaReview:
    """The review that a row was made of."""
    review = verdict_message(row)
    if row["attempt_count"] is not None:
        review.provenance.CopyFrom(_provenance_message(row))
    return review


def verdict_message(row: Mapping[Any, Any]) -> panel_pb2.PersonaReview:
    """A review without how it came about: of a row that need only have the columns of a verdict."""
    content = row["content"]
    return panel_pb2.PersonaReview(
        persona_id=row["persona_id"],
        persona_name=row["persona_name"],
        confidence_score=row["confidence"] / 10_000,
        concerns=[_concern_message(concern) for concern in content["concerns"]],
        blocking_issues=[_blocking_issue_message(issue) for issue in content["blocking_issues"]],
        estimated_effort=content["estimated_effort"],
        blocking_issues_present=row["blocking_issues_present"],
        security_critical_issues_present=row["security_concerns_present"],
        reused_from_run_id=row["reused_from_run_id"] or "",
        section_digests=[
            panel_pb2.SectionDigest(section=name, sha256=bytes.fromhex(sha256))
            for name, sha256 in content.get("section_digests", ())
        ],
        shown_texts=[
            document_pb2.ShownText(name=name, character_count=count, sha256=bytes.fromhex(sha256))
            for name, count, sha256 in content.get("shown_texts", ())
        ],
        suspicions=suspicion_messages(content.get(KEY)),
        **{name: content[name] for name in _TEXT_LISTS},
    )


def _review_content(review: panel_pb2.PersonaReview) -> Columns:
    content: Columns = {name: list(getattr(review, name)) for name in _TEXT_LISTS}
    content["estimated_effort"] = review.estimated_effort
    content["concerns"] = [
        {"text": each.text, "is_blocking": each.blocking} | _evidence(each) for each in review.concerns
    ]
    content["blocking_issues"] = [_blocking_issue(issue) for issue in review.blocking_issues]
    if review.section_digests:
        content["section_digests"] = [[each.section, each.sha256.hex()] for each in review.section_digests]
    if review.shown_texts:
        content["shown_texts"] = [
            [each.name, each.character_count, each.sha256.hex()] for each in review.shown_texts
        ]
    content |= suspicion_columns(review.suspicions, "persona_review")
    if asked := _asked(review.provenance):
        content["asked"] = asked
    return content


def _concern_message(columns: Columns) -> panel_pb2.Concern:
    return panel_pb2.Concern(
        text=columns["text"], blocking=columns["is_blocking"], **_evidence_fields(columns)
    )


def _blocking_issue(issue: panel_pb2.BlockingIssue) -> Columns:
    columns: Columns = {"text": issue.text} | _evidence(issue)
    if issue.HasField("security_critical"):
        columns["security_critical"] = issue.security_critical
    return columns


def _blocking_issue_message(columns: Columns) -> panel_pb2.BlockingIssue:
    return panel_pb2.BlockingIssue(
        text=columns["text"],
        security_critical=columns.get("security_critical"),
        **_evidence_fields(columns),
    )


def _evidence(entry: panel_pb2.Concern | panel_pb2.BlockingIssue) -> Columns:
    """What an entry rests on; only what there is, so that the digests of rows without it stand."""
    evidence: Columns = {
        "quotations": [[each.section, each.text] for each in entry.quotations],
        "section": entry.section,
        "unsupported": entry.unsupported,
    }
    return {name: value for name, value in evidence.items() if value}


def _evidence_fields(columns: Columns) -> dict[str, Any]:
    quotations = [
        document_pb2.Quotation(section=section, text=text) for section, text in columns.get("quotations", ())
    ]
    return {
        "quotations": quotations,
        "section": columns.get("section", ""),
        "unsupported": columns.get("unsupported", False),
    }


def _provenance(provenance: panel_pb2.ReviewProvenance) -> Columns:
    columns: Columns = {name: getattr(provenance, name) for name in _PROVENANCE_SCALARS}
    columns |= usage_columns(provenance.usage) if provenance.HasField("usage") else NO_USAGE
    columns["truncated_fields"] = list(provenance.truncated_fields) or None
    columns["temperature"] = columns["latency_nanoseconds"] = None
    if provenance.HasField("temperature"):
        columns["temperature"] = hundredths(provenance.temperature, f"{_PROVENANCE}.temperature")
    if provenance.HasField("latency"):
        columns["latency_nanoseconds"] = from_duration(provenance.latency, f"{_PROVENANCE}.latency")
    return columns


def _asked(provenance: panel_pb2.ReviewProvenance) -> Columns:
    """How the model was asked, where that is not as usual."""
    asked = {
        "route": provenance.route,
        "dropped_parameters": list(provenance.dropped_parameters),
        "dropped_quotation_count": provenance.dropped_quotation_count,
    }
    return {name: value for name, value in asked.items() if value}


def _provenance_message(row: Mapping[Any, Any]) -> panel_pb2.ReviewProvenance:
    provenance = panel_pb2.ReviewProvenance(
        **{name: row[name] for name in _PROVENANCE_SCALARS},
        truncated_fields=row["truncated_fields"] or (),
        **(row["content"] or {}).get("asked", {}),
    )
    if row["temperature"] is not None:
        provenance.temperature = row["temperature"] / 100
    if row["input_tokens"] is not None:
        provenance.usage.CopyFrom(usage_message(row))
    if row["latency_nanoseconds"] is not None:
        provenance.latency.CopyFrom(to_duration(row["latency_nanoseconds"]))
    return provenance


def usage_columns(usage: panel_pb2.TokenUsage) -> dict[str, int]:
    """Tokens by name."""
    return {name: getattr(usage, name) for name in USAGE_FIELDS}


def usage_message(row: Mapping[Any, Any]) -> panel_pb2.TokenUsage:
    """The tokens of a row that has them."""
    return panel_pb2.TokenUsage(**{name: row[name] for name in USAGE_FIELDS})
