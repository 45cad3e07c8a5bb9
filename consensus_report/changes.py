"""What differs between two runs, in words: pure."""

from collections.abc import Iterator

from consensus.v1 import decision_pb2, review_service_pb2
from consensus_report import text
from consensus_report.labels import label_word
from consensus_report.sections import section_name, stale_words

Diff = review_service_pb2.DiffRunsResponse
ScoreDiff = review_service_pb2.ScoreDiff

PERSONA_HEADER = ("persona", "before", "after", "delta", "adds", "")


def decision_line(decision: review_service_pb2.DecisionDiff) -> str:
    """The decision before and after, with the exact difference of confidence."""
    before, after = _label(decision.label_before), _label(decision.label_after)
    verdict = f"{before} stands" if before == after else f"{before} -> {after}"
    return f"{verdict}  confidence {movement(decision.confidence)}"


def _label(label: decision_pb2.DecisionLabel.ValueType) -> str:
    return label_word(label) if label else "no decision"


def movement(score: ScoreDiff) -> str:
    """A number before and after, and the difference: `0.65 -> 0.95 (+0.30)`; `none` where there is none."""
    before = _before(score) or "none"
    after = _after(score) or "none"
    return f"{before} -> {after} ({_delta(score)})" if _delta(score) else f"{before} -> {after}"


def reason_lines(diff: Diff) -> list[str]:
    """What moved the decision: rules that fire no longer or anew, then personas by how much they moved it."""
    decision = diff.decision
    before = {rule.rule: rule for rule in decision.rules_before}
    after = {rule.rule: rule for rule in decision.rules_after}
    lines = [
        f"no longer: {text.sentence(rule.explanation)}" for key, rule in before.items() if key not in after
    ]
    lines += [f"new: {text.sentence(rule.explanation)}" for key, rule in after.items() if key not in before]
    moved = [each for each in diff.personas if each.contribution.delta]
    moved.sort(key=lambda each: -abs(each.contribution.delta))
    lines += [
        f"{text.persona_name(each.persona_id)}: {movement(each.score)}, "
        f"{_delta(each.contribution)} of the confidence"
        for each in moved
    ]
    return lines


def persona_rows(diff: Diff) -> list[list[str]]:
    """A row per persona: name, score before and after, delta, delta of its contribution, notes."""
    return [
        [
            text.persona_name(each.persona_id),
            _before(each.score),
            _after(each.score),
            _delta(each.score),
            _delta(each.contribution),
            ", ".join(_notes(each)),
        ]
        for each in diff.personas
    ]


def _notes(persona: review_service_pb2.PersonaDiff) -> Iterator[str]:
    if persona.change == review_service_pb2.DIFF_CHANGE_ADDED:
        yield "added"
    if persona.change == review_service_pb2.DIFF_CHANGE_REMOVED:
        yield "removed"
    if persona.reused_from_run_id:
        yield "carried over"
    if persona.stale_sections:
        yield stale_words(persona.stale_sections)
    yield from _flag("blocking", persona.blocking_before, persona.blocking_after)
    yield from _flag("security-critical", persona.security_critical_before, persona.security_critical_after)


def _flag(name: str, before: bool, after: bool) -> Iterator[str]:
    if before and after:
        yield f"still {name}"
    elif before:
        yield f"no longer {name}"
    elif after:
        yield f"now {name}"


def changed_sections(diff: Diff) -> list[tuple[str, str, list[str]]]:
    """Name, what became of it, and lines of each section that differs."""
    return [
        (
            section_name(each.section),
            text.word(review_service_pb2.DiffChange, each.change, "DIFF_CHANGE_"),
            [_diff_line(line) for line in each.unified_diff_lines],
        )
        for each in diff.sections
        if each.change != review_service_pb2.DIFF_CHANGE_UNCHANGED
    ]


def unchanged_sections(diff: Diff) -> list[str]:
    """Names of the sections that do not differ."""
    unchanged = review_service_pb2.DIFF_CHANGE_UNCHANGED
    return [section_name(each.section) for each in diff.sections if each.change == unchanged]


def _diff_line(line: str) -> str:
    """Its first column is the diff's; the rest is a run's text."""
    return line[:1] + text.visible(line[1:])


def _before(score: ScoreDiff) -> str:
    return text.score(score.before) if score.HasField("before") else ""


def _after(score: ScoreDiff) -> str:
    return text.score(score.after) if score.HasField("after") else ""


def _delta(score: ScoreDiff) -> str:
    if not score.HasField("delta"):
        return ""
    return f"{'+' if score.delta > 0 else ''}{text.score(score.delta)}"
