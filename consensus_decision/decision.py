"""The decision over a run's reviews: pure arithmetic in exact decimals.

The same reviews give the same message in any order, and the same bytes when it is serialised
deterministically. What is here must not change without another POLICY_VERSION, and each version that is
known goes on to give what it gave: a run is decided by the one that its specification names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, run_pb2
from consensus_contract.errors import Reason
from consensus_decision.decimals import EXACT, nearest_double, round_half_up, score_from_double
from consensus_decision.freshness import Freshness, freshness, freshness_rule
from consensus_decision.listed import listed
from consensus_decision.minority_reports import minority_reports
from consensus_decision.quorum import missing_required

POLICY_VERSION = "1.1.0"
"""What new runs are decided by: as 1.0.0, but a stale review carries no approval."""
POLICY_VERSIONS = ("1.0.0", POLICY_VERSION)
APPROVE_THRESHOLD = Decimal("0.80")
REVISE_THRESHOLD = Decimal("0.60")

Label: TypeAlias = decision_pb2.DecisionLabel.ValueType


class UnknownPolicyError(ValueError):
    """A run is to be decided by rules of another release."""


@dataclass(frozen=True, slots=True)
class _Vote:
    """One persona's review, with its weight and score exact."""

    persona: panel_pb2.Persona
    review: panel_pb2.PersonaReview
    weight: Decimal
    score: Decimal


def decide(
    specification: run_pb2.RunSpecification,
    reviews: Iterable[panel_pb2.PersonaReview],
    missing: Mapping[str, Reason] | None = None,
) -> decision_pb2.Decision:
    """The decision of a run's panel. `missing` says why personas without a review have none.

    Whether enough personas answered is `quorum.has_quorum`'s to say, before; which carried-over reviews are
    stale, `sections.mark_stale`'s.

    Raises:
        UnknownPolicyError: the specification names a version that is not among POLICY_VERSIONS.
        ValueError: no reviews, two of one persona, one of a persona that is not in the panel, a score
            outside 0 to 1, or present personas without any weight.
    """
    policy = _policy(specification)
    votes = _votes(specification.personas, list(reviews))
    confidence = _confidence(votes)
    absent = _absent(specification.personas, votes)
    fresh = freshness(specification.personas, [vote.review for vote in votes]) if policy != "1.0.0" else None
    label, rules = _apply_rules(specification, votes, confidence, absent, fresh)
    return decision_pb2.Decision(
        label=label,
        overall_weighted_confidence=nearest_double(confidence),
        contributions=_contributions(votes),
        fired_rules=rules,
        completeness=_completeness(specification.personas, absent, missing or {}),
        minority_reports=minority_reports(label, [vote.review for vote in votes]),
        policy_version=policy,
        fresh_weight=None if fresh is None else nearest_double(fresh.weight),
    )


def _policy(specification: run_pb2.RunSpecification) -> str:
    version = specification.policy_version or POLICY_VERSION
    if version not in POLICY_VERSIONS:
        raise UnknownPolicyError(version)
    return version


def label_name(label: Label) -> str:
    """`approve`, `revise` or `reject`."""
    return decision_pb2.DecisionLabel.Name(label).removeprefix("DECISION_LABEL_").lower()


def _votes(personas: Iterable[panel_pb2.Persona], reviews: Sequence[panel_pb2.PersonaReview]) -> list[_Vote]:
    """The reviews in persona order, checked."""
    by_id = {review.persona_id: review for review in reviews}
    panel = list(personas)
    unknown = by_id.keys() - {persona.persona_id for persona in panel}
    if not reviews or len(by_id) != len(reviews) or unknown:
        raise ValueError("a decision needs reviews, one per persona, of personas of the panel")
    return [
        _Vote(persona, by_id[persona.persona_id], _weight(persona), _score(by_id[persona.persona_id]))
        for persona in panel
        if persona.persona_id in by_id
    ]


def _weight(persona: panel_pb2.Persona) -> Decimal:
    return score_from_double(persona.weight)


def _score(review: panel_pb2.PersonaReview) -> Decimal:
    if not 0 <= review.confidence_score <= 1:
        raise ValueError(f"the score of {review.persona_id} is not between 0 and 1")
    return score_from_double(review.confidence_score)


def _total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))


def _present_weight(votes: Sequence[_Vote]) -> Decimal:
    weight = _total(vote.weight for vote in votes)
    if weight <= 0:
        raise ValueError("the personas present have no weight")
    return weight


def _confidence(votes: Sequence[_Vote]) -> Decimal:
    """The weighted mean of the scores; rounded once, at the end."""
    weighted = _total(vote.weight * vote.score for vote in votes)
    return round_half_up(EXACT.divide(weighted, _present_weight(votes)))


def _contributions(votes: Sequence[_Vote]) -> list[decision_pb2.PersonaContribution]:
    present = _present_weight(votes)
    return [
        decision_pb2.PersonaContribution(
            persona_id=vote.persona.persona_id,
            weight=nearest_double(vote.weight),
            confidence_score=nearest_double(vote.score),
            contribution=nearest_double(round_half_up(EXACT.divide(vote.weight * vote.score, present))),
        )
        for vote in votes
    ]


def _absent(personas: Iterable[panel_pb2.Persona], votes: Sequence[_Vote]) -> list[str]:
    present = {vote.persona.persona_id for vote in votes}
    return [persona.persona_id for persona in personas if persona.persona_id not in present]


def _completeness(
    personas: Sequence[panel_pb2.Persona], absent: Sequence[str], missing: Mapping[str, Reason]
) -> decision_pb2.Completeness:
    unspecified = errors_pb2.ERROR_REASON_UNSPECIFIED
    return decision_pb2.Completeness(
        complete=not absent,
        expected_count=len(personas),
        present_count=len(personas) - len(absent),
        missing_personas=[
            decision_pb2.MissingPersona(persona_id=each, reason=missing.get(each, unspecified))
            for each in absent
        ],
    )


def _apply_rules(
    specification: run_pb2.RunSpecification,
    votes: Sequence[_Vote],
    confidence: Decimal,
    absent: Sequence[str],
    fresh: Freshness | None,
) -> tuple[Label, list[decision_pb2.FiredRule]]:
    """The label, and every rule whose condition holds, in the order in which they are applied.

    The first sets the label; the others only lower an approval, and say so when there is none to lower.
    """
    label, threshold_rule = _threshold_rule(confidence)
    lowering = [
        rule
        for rule in (
            _security_veto(votes),
            _blocking_weight(votes),
            _required_missing(specification, absent),
            None if fresh is None else freshness_rule(fresh),
        )
        if rule is not None
    ]
    for rule in lowering:
        rule.explanation += _effect(label)
        label = max(label, decision_pb2.DECISION_LABEL_REVISE)  # approve 1, revise 2, reject 3
    return label, [threshold_rule, *lowering]


def _effect(label: Label) -> str:
    if label == decision_pb2.DECISION_LABEL_APPROVE:
        return " This lowers approve to revise."
    return f" The decision is {label_name(label)} already."


def _threshold_rule(confidence: Decimal) -> tuple[Label, decision_pb2.FiredRule]:
    """The label that the confidence alone gives; each threshold belongs to the side above it."""
    if confidence >= APPROVE_THRESHOLD:
        label, side = decision_pb2.DECISION_LABEL_APPROVE, f"reaches {APPROVE_THRESHOLD}"
    elif confidence >= REVISE_THRESHOLD:
        label, side = (
            decision_pb2.DECISION_LABEL_REVISE,
            f"reaches {REVISE_THRESHOLD} but not {APPROVE_THRESHOLD}",
        )
    else:
        label, side = decision_pb2.DECISION_LABEL_REJECT, f"is below {REVISE_THRESHOLD}"
    return label, decision_pb2.FiredRule(
        rule=decision_pb2.DECISION_RULE_CONFIDENCE_THRESHOLD,
        explanation=f"The weighted confidence of {confidence} {side}: {label_name(label)}.",
        data={
            "confidence": str(confidence),
            "approve_threshold": str(APPROVE_THRESHOLD),
            "revise_threshold": str(REVISE_THRESHOLD),
            "label": label_name(label),
        },
    )


def _security_veto(votes: Sequence[_Vote]) -> decision_pb2.FiredRule | None:
    """A veto of the first persona that holds one and uses it."""
    for vote in votes:
        count = sum(issue.security_critical for issue in vote.review.blocking_issues)
        if vote.persona.holds_veto and count:
            issues = (
                "a security-critical blocking issue"
                if count == 1
                else f"{count} security-critical blocking issues"
            )
            return decision_pb2.FiredRule(
                rule=decision_pb2.DECISION_RULE_SECURITY_VETO,
                explanation=f"{vote.persona.display_name}, who holds the veto, names {issues}.",
                data={"persona_id": vote.persona.persona_id, "issue_count": str(count)},
            )
    return None


def _blocking_weight(votes: Sequence[_Vote]) -> decision_pb2.FiredRule | None:
    """Blocking issues of personas with at least half of the weight present."""
    blocking = [vote for vote in votes if vote.review.blocking_issues]
    weight, present = _total(vote.weight for vote in blocking), _present_weight(votes)
    if not blocking or 2 * weight < present:
        return None
    return decision_pb2.FiredRule(
        rule=decision_pb2.DECISION_RULE_BLOCKING_WEIGHT,
        explanation=(
            f"{listed(vote.persona.display_name for vote in blocking)} name blocking issues and hold"
            f" {weight} of the weight present, {present}: at least half."
        ),
        data={
            "blocking_weight": str(weight),
            "present_weight": str(present),
            "persona_ids": ",".join(vote.persona.persona_id for vote in blocking),
        },
    )


def _required_missing(
    specification: run_pb2.RunSpecification, absent: Sequence[str]
) -> decision_pb2.FiredRule | None:
    """Required personas without a review; without them there is no approval."""
    missing = missing_required(specification, absent)
    if not missing:
        return None
    names = {persona.persona_id: persona.display_name for persona in specification.personas}
    return decision_pb2.FiredRule(
        rule=decision_pb2.DECISION_RULE_REQUIRED_PERSONA_MISSING,
        explanation=f"Without {listed(names[each] for each in missing)} the panel cannot approve.",
        data={"persona_ids": ",".join(missing)},
    )
