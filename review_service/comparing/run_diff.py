"""Two runs compared: proposals or documents section by section, personas, decisions. Pure.

Scores are compared as the decimals of four places that their doubles stand for, so that no difference is off
by a rounding of doubles.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

from consensus.v1 import decision_pb2, document_pb2, panel_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_decision.decimals import nearest_double, score_from_double
from consensus_decision.sections import FIELDS, TEXTS, field_values
from consensus_decision.supported import supported
from consensus_documents import Section, read_sections
from review_service.comparing.unified_diff import unified_diff

Diff = review_service_pb2.DiffRunsResponse
ScoreDiff = review_service_pb2.ScoreDiff
Change: TypeAlias = review_service_pb2.DiffChange.ValueType

UNCHANGED = review_service_pb2.DIFF_CHANGE_UNCHANGED
ADDED = review_service_pb2.DIFF_CHANGE_ADDED
REMOVED = review_service_pb2.DIFF_CHANGE_REMOVED
MODIFIED = review_service_pb2.DIFF_CHANGE_MODIFIED


def diff_runs(a: run_pb2.Run, b: run_pb2.Run) -> Diff:
    """What differs from `a` to `b`, with all lines of all sections."""
    return Diff(
        relationship=_relationship(a, b),
        sections=_sections(a, b),
        personas=_personas(a, b),
        decision=_decision(a, b),
    )


def _relationship(a: run_pb2.Run, b: run_pb2.Run) -> review_service_pb2.RunRelationship.ValueType:
    if b.parent_run_id == a.run_id:
        return review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B
    if a.parent_run_id == b.run_id:
        return review_service_pb2.RUN_RELATIONSHIP_B_PARENT_OF_A
    return review_service_pb2.RUN_RELATIONSHIP_UNRELATED


def _sections(a: run_pb2.Run, b: run_pb2.Run) -> list[review_service_pb2.ProposalSectionDiff]:
    if a.specification.HasField("document") and b.specification.HasField("document"):
        return document_sections(a.specification.document, b.specification.document)
    return [_section(a.proposal, b.proposal, field) for field in FIELDS]


def document_sections(
    a: document_pb2.Document, b: document_pb2.Document
) -> list[review_service_pb2.ProposalSectionDiff]:
    """The sections by their headings, in the order of `b`; those that only `a` has come last."""
    before = {each.key: each for each in read_sections(a.text, a.format)}
    after = {each.key: each for each in read_sections(b.text, b.format)}
    found = []
    for key in dict.fromkeys([*after, *before]):
        old, new = before.get(key), after.get(key)
        is_same = old is not None and new is not None and old.sha256 == new.sha256
        old_lines, new_lines = _text_lines(old, new)
        lines = [] if is_same else unified_diff(old_lines, new_lines, key)
        change = _change(old is not None, new is not None, is_same=is_same)
        found.append(
            review_service_pb2.ProposalSectionDiff(section=key, change=change, unified_diff_lines=lines)
        )
    return found


def _text_lines(*sections: Section | None) -> Iterator[list[str]]:
    """Each one's lines; where all end with a line feed, without the empty line behind it."""
    texts = [each.text for each in sections if each is not None]
    has_end = all(text.endswith("\n") for text in texts)
    for each in sections:
        yield [] if each is None else each.text[: -1 if has_end else None].split("\n")


def _section(
    a: proposal_pb2.Proposal, b: proposal_pb2.Proposal, field: str
) -> review_service_pb2.ProposalSectionDiff:
    before, after = field_values(a, field), field_values(b, field)
    lines = [] if before == after else unified_diff(_lines(field, before), _lines(field, after), field)
    change = _change(bool(before), bool(after), is_same=before == after)
    return review_service_pb2.ProposalSectionDiff(section=field, change=change, unified_diff_lines=lines)


def _lines(field: str, values: list[str]) -> list[str]:
    """A text's lines; of a list each entry begins with a hyphen, and goes on indented."""
    if field in TEXTS:
        return [line for value in values for line in value.split("\n")]
    return [line for value in values for line in f"- {value}".replace("\n", "\n  ").split("\n")]


def _change(is_before: bool, is_after: bool, *, is_same: bool) -> Change:
    if is_same:
        return UNCHANGED
    if is_before and is_after:
        return MODIFIED
    return ADDED if is_after else REMOVED


def _personas(a: run_pb2.Run, b: run_pb2.Run) -> list[review_service_pb2.PersonaDiff]:
    before = {review.persona_id: review for review in a.persona_reviews}
    after = {review.persona_id: review for review in b.persona_reviews}
    panels = [*b.specification.personas, *a.specification.personas]
    order = dict.fromkeys([*(persona.persona_id for persona in panels), *after, *before])
    shares = _contributions(a), _contributions(b)
    return [
        _persona(each, before.get(each), after.get(each), *(share.get(each) for share in shares))
        for each in order
        if each in before or each in after
    ]


def _persona(
    persona_id: str,
    before: panel_pb2.PersonaReview | None,
    after: panel_pb2.PersonaReview | None,
    share_before: float | None,
    share_after: float | None,
) -> review_service_pb2.PersonaDiff:
    is_same = before is not None and after is not None and _content(before) == _content(after)
    issues_before, issues_after = _issues(before), _issues(after)
    return review_service_pb2.PersonaDiff(
        persona_id=persona_id,
        change=_change(before is not None, after is not None, is_same=is_same),
        score=_score_diff(
            None if before is None else before.confidence_score,
            None if after is None else after.confidence_score,
        ),
        contribution=_score_diff(share_before, share_after),
        blocking_before=None if before is None else before.blocking_issues_present,
        blocking_after=None if after is None else after.blocking_issues_present,
        security_critical_before=None if before is None else before.security_critical_issues_present,
        security_critical_after=None if after is None else after.security_critical_issues_present,
        added_blocking_issues=[text for text in issues_after if text not in issues_before],
        removed_blocking_issues=[text for text in issues_before if text not in issues_after],
        reused_from_run_id="" if after is None else after.reused_from_run_id,
        stale_sections=() if after is None else after.stale_sections,
    )


def _content(review: panel_pb2.PersonaReview) -> panel_pb2.PersonaReview:
    """The review without where it comes from: what is carried over is the same review."""
    content = panel_pb2.PersonaReview()
    content.CopyFrom(review)
    for name in ("reused_from_run_id", "section_digests", "stale_sections"):
        content.ClearField(name)
    return content


def _issues(review: panel_pb2.PersonaReview | None) -> list[str]:
    return [] if review is None else [issue.text for issue in supported(review.blocking_issues)]


def _contributions(run: run_pb2.Run) -> dict[str, float]:
    return {each.persona_id: each.contribution for each in run.decision.contributions}


def _decision(a: run_pb2.Run, b: run_pb2.Run) -> review_service_pb2.DecisionDiff:
    before = a.decision if a.HasField("decision") else None
    after = b.decision if b.HasField("decision") else None
    confidence = _score_diff(_confidence(before), _confidence(after))
    is_same = a.decision.label == b.decision.label and (before is None) == (after is None)
    return review_service_pb2.DecisionDiff(
        change=_change(
            before is not None,
            after is not None,
            is_same=is_same and not confidence.delta,
        ),
        label_before=a.decision.label,
        label_after=b.decision.label,
        confidence=confidence,
        rules_before=a.decision.fired_rules,
        rules_after=b.decision.fired_rules,
    )


def _confidence(decision: decision_pb2.Decision | None) -> float | None:
    return None if decision is None else decision.overall_weighted_confidence


def _score_diff(before: float | None, after: float | None) -> ScoreDiff:
    old, new = _exact(before), _exact(after)
    return ScoreDiff(
        before=None if old is None else nearest_double(old),
        after=None if new is None else nearest_double(new),
        delta=None if old is None or new is None else nearest_double(new - old),
    )


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else score_from_double(value)
