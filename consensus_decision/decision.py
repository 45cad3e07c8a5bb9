"""The decision over a run's reviews: pure arithmetic, the same bytes wherever it is done.

The same reviews give the same message in any order, and the same bytes when it is serialised
deterministically. What is here must not change without another POLICY_VERSION, and each version that is
known goes on to give what it gave: a run is decided by the one that its specification names.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import localcontext

from consensus.v1 import decision_pb2, errors_pb2, human_review_pb2, panel_pb2, run_pb2, suspicion_pb2
from consensus_contract.errors import Reason
from consensus_decision.decimals import EXACT, nearest_double, round_half_up
from consensus_decision.evaluation import Evaluation, evaluate
from consensus_decision.minority_reports import minority_reports
from consensus_decision.policies import policy_name, policy_of, version_of
from consensus_decision.policy import Policy
from consensus_decision.steps import fired_rules
from consensus_decision.votes import Vote, present_weight


def decide(
    specification: run_pb2.RunSpecification,
    reviews: Iterable[panel_pb2.PersonaReview],
    missing: Mapping[str, Reason] | None = None,
    policy: Policy | None = None,
    *,
    suspicions: Iterable[suspicion_pb2.Suspicion] = (),
) -> decision_pb2.Decision:
    """The decision of a run's panel, by the policy that its specification names unless another is given.
    `missing` says why personas without a review have none, `suspicions` what hints at an injection in its
    proposal: all of Run.suspicions will do, each counts once.

    Whether enough personas
    answered is `quorum.has_quorum`'s to say, before; which carried-over reviews are stale,
    `sections.mark_stale`'s.

    Raises:
        UnknownPolicyError: this release does not know the policy that the specification names.
        ValueError: no reviews, two of one persona, one of a persona that is not in the panel, a score
            outside 0 to 1, or present personas without any weight.
    """
    return decision_of(evaluation_of(specification, reviews, policy, suspicions=suspicions), missing)


def evaluation_of(
    specification: run_pb2.RunSpecification,
    reviews: Iterable[panel_pb2.PersonaReview],
    policy: Policy | None = None,
    *,
    suspicions: Iterable[suspicion_pb2.Suspicion] = (),
    people: Iterable[human_review_pb2.HumanReview] = (),
) -> Evaluation:
    """What `decide` decides by, for those who want its steps or its assessment as well, or people counted in
    beside the panel: of each the newest review.

    Raises:
        UnknownPolicyError: see `decide`.
        ValueError: see `decide`.
    """
    own = policy_of(specification)
    with localcontext(EXACT):
        return evaluate(specification, list(reviews), policy or own, list(suspicions), list(people))


def with_people(
    specification: run_pb2.RunSpecification,
    reviews: Iterable[panel_pb2.PersonaReview],
    people: Iterable[human_review_pb2.HumanReview],
    *,
    suspicions: Iterable[suspicion_pb2.Suspicion] = (),
) -> Evaluation | None:
    """The panel's reviews and people's together, by the specification's policy; None where nobody counts
    beside the panel.

    Raises:
        UnknownPolicyError: see `decide`.
        ValueError: see `decide`.
    """
    evaluation = evaluation_of(specification, reviews, suspicions=suspicions, people=people)
    return evaluation if any(vote.is_human for vote in evaluation.votes) else None


def decision_of(evaluation: Evaluation, missing: Mapping[str, Reason] | None = None) -> decision_pb2.Decision:
    """The decision as a message."""
    votes, fresh = evaluation.votes, evaluation.fresh
    with localcontext(EXACT):
        return decision_pb2.Decision(
            label=evaluation.label,
            overall_weighted_confidence=nearest_double(evaluation.mean),
            contributions=_contributions(votes),
            fired_rules=fired_rules(evaluation.steps()),
            completeness=_completeness(evaluation, missing or {}),
            minority_reports=minority_reports(evaluation.label, [vote.review for vote in votes]),
            policy_version=version_of(evaluation.specification),
            policy=policy_name(evaluation.specification),
            fresh_weight=None if fresh is None else nearest_double(fresh.weight),
        )


def _contributions(votes: Sequence[Vote]) -> list[decision_pb2.PersonaContribution]:
    present = present_weight(votes)
    return [
        decision_pb2.PersonaContribution(
            persona_id=vote.persona.persona_id,
            weight=nearest_double(vote.weight),
            confidence_score=nearest_double(vote.score),
            contribution=nearest_double(round_half_up(EXACT.divide(vote.weight * vote.score, present))),
        )
        for vote in votes
    ]


def _completeness(evaluation: Evaluation, missing: Mapping[str, Reason]) -> decision_pb2.Completeness:
    absent, expected = evaluation.absent, len(evaluation.specification.personas)
    unspecified = errors_pb2.ERROR_REASON_UNSPECIFIED
    return decision_pb2.Completeness(
        complete=not absent,
        expected_count=expected,
        present_count=expected - len(absent),
        missing_personas=[
            decision_pb2.MissingPersona(persona_id=each, reason=missing.get(each, unspecified))
            for each in absent
        ],
    )
