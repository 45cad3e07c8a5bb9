"""How decisions are explained, and what another policy makes of them, in text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from consensus.v1 import decision_service_pb2
from consensus_cli.view.assessment import assessment_sentences, label_word
from consensus_cli.view.tables import table
from consensus_report import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consensus.v1 import decision_pb2, policy_pb2
    from consensus_fitting.scorecard import PersonaScore

_SHOWN_RUNS = 20


def explanation_lines(answer: decision_service_pb2.ExplainDecisionResponse) -> list[str]:
    """Each step with what it came to, and the assessment."""
    stored = "as it is stored" if answer.as_stored else "which is not what is stored"
    lines = [
        *_step_lines(answer.steps),
        "",
        f"decision: {label_word(answer.decision.label)}, {stored}",
        "",
        *(f"- {each}" for each in assessment_sentences(answer.assessment)),
    ]
    if answer.HasField("decision_with_humans"):
        lines += ["", "with people counted in:", *_step_lines(answer.steps_with_humans)]
        lines += ["", f"decision with people: {label_word(answer.decision_with_humans.label)}"]
    return lines


def _step_lines(steps: Iterable[decision_pb2.DecisionStep]) -> Iterator[str]:
    for number, step in enumerate(steps, start=1):
        mark = "" if step.fired else "(no effect) "
        label = f"  -> {label_word(step.label)}" if step.label else ""
        yield f"{number}. {step.name}: {mark}{text.sentence(step.explanation)}{label}"


def what_if_lines(
    runs: Sequence[decision_service_pb2.ReaggregatedRun],
    right: Mapping[str, decision_pb2.DecisionLabel.ValueType],
) -> list[str]:
    """How many runs would be decided otherwise, which, and, where outcomes are known, how right either is."""
    moves = Counter((label_word(run.label), _again(run)) for run in runs)
    lines = table(
        ("decided", "then", "runs"),
        [(before, after, str(count)) for (before, after), count in sorted(moves.items())],
        right=frozenset({2}),
    )
    changed = [run for run in runs if _again(run) != label_word(run.label)]
    lines += ["", f"{len(changed)} of {len(runs)} runs would be decided otherwise"]
    lines += [f"  {run.run_id}  {label_word(run.label)} -> {_again(run)}" for run in changed[:_SHOWN_RUNS]]
    if len(changed) > _SHOWN_RUNS:
        lines.append(f"  and {len(changed) - _SHOWN_RUNS} more")
    lines += _with_people(runs)
    known = [run for run in runs if run.run_id in right]
    if known:
        before = sum(run.label == right[run.run_id] for run in known)
        after = sum(run.decision.label == right[run.run_id] for run in known)
        lines += ["", f"of {len(known)} with an outcome, {before} were right, {after} would be"]
    return lines


def _with_people(runs: Sequence[decision_service_pb2.ReaggregatedRun]) -> list[str]:
    """What people change where the policy counts them; nothing where it counts none."""
    reviewed = [run for run in runs if run.HasField("decision_with_humans")]
    if not reviewed:
        return []
    moved = [run for run in reviewed if run.decision_with_humans.label != run.decision.label]
    lines = ["", f"with people counted in, {len(moved)} of {len(reviewed)} that they reviewed change again"]
    return lines + [
        f"  {run.run_id}  {_again(run)} -> {label_word(run.decision_with_humans.label)}"
        for run in moved[:_SHOWN_RUNS]
    ]


def _again(run: decision_service_pb2.ReaggregatedRun) -> str:
    return "undecided" if run.undecided else label_word(run.decision.label)


def outcome_lines(outcomes: Sequence[decision_service_pb2.Outcome]) -> list[str]:
    """A list of outcomes."""
    rows = [
        (
            text.instant(each.create_time), each.run_id, label_word(each.label), each.source,
            text.score(each.reliability), each.note,
        )
        for each in outcomes
    ]  # fmt: skip
    return table(("recorded", "run", "right", "source", "reliability", "note"), rows, right=frozenset({4}))


def escalation_lines(escalations: Sequence[decision_service_pb2.Escalation]) -> list[str]:
    """A list of escalations, and what came of each."""
    rows = [
        (
            text.instant(each.create_time), each.run_id,
            text.word(decision_service_pb2.EscalationCause, each.cause, "ESCALATION_CAUSE_"),
            text.word(decision_service_pb2.EscalationState, each.state, "ESCALATION_STATE_"),
            _came_of(each),
        )
        for each in escalations
    ]  # fmt: skip
    return table(("since", "run", "cause", "state", "what came of it"), rows)


def _came_of(escalation: decision_service_pb2.Escalation) -> str:
    said = []
    if escalation.HasField("effective_override"):
        said.append(f"{label_word(escalation.effective_override.label)} instead")
    if escalation.HasField("resolution"):
        said.append(escalation.resolution.resolution)
    return text.clean("; ".join(said))


def policy_lines(policies: Sequence[policy_pb2.Policy]) -> list[str]:
    """A list of policies or revisions."""
    rows = [(each.policy_id, each.revision[:12], _put(each), each.creator) for each in policies]
    return table(("policy", "revision", "put", "by"), rows)


def _put(policy: policy_pb2.Policy) -> str:
    return text.instant(policy.create_time) if policy.HasField("create_time") else "built in"


def scorecard_lines(scores: Sequence[PersonaScore]) -> list[str]:
    """How each persona did against outcomes."""
    kinds = list(scores[0].bias) if scores else []
    rows = [
        (
            each.persona, str(each.answered), _number(each.brier), _number(each.agreement),
            f"{each.right_dissents} of {each.dissents}", _number(each.mean_score),
            *(_number(each.bias[kind], "+") for kind in kinds),
        )
        for each in scores
    ]  # fmt: skip
    header = ("persona", "runs", "Brier", "right", "dissents right", "mean score", *kinds)
    lines = table(header, rows, right=frozenset(range(1, len(header))))
    lines += ["", "calibration: how often approve was right, by score (runs)"]
    for each in scores:
        points = ", ".join(f"{said:.2f}: {found:.2f} ({count})" for said, found, count in each.curve)
        lines.append(f"  {each.persona}  {points}")
    return lines


def _number(value: float, sign: str = "") -> str:
    return "-" if value != value else f"{value:{sign}.3f}"
