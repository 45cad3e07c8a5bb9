"""The rules that lower a label, each of which says what it found, or nothing. Pure."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from consensus.v1 import panel_pb2, run_pb2, suspicion_pb2
from consensus_decision.freshness import Freshness, freshness_finding
from consensus_decision.labels import REVISE
from consensus_decision.listed import listed
from consensus_decision.policy import HUMAN, Flag, Policy, VetoRule
from consensus_decision.quorum import missing_required
from consensus_decision.steps import Finding, StepName
from consensus_decision.supported import supported
from consensus_decision.suspicion import suspicion_finding
from consensus_decision.votes import Vote, present_weight, total

_NOTHING = {
    StepName.VETO: "Nobody uses a veto.",
    StepName.BLOCKING_WEIGHT: "Blocking issues have too little weight behind them to lower the decision.",
    StepName.REQUIRED_PERSONA_MISSING: "Everybody without whom the panel cannot approve answered.",
    StepName.FRESH_WEIGHT: "Enough of the panel read this very text.",
    StepName.SUSPECTED_INJECTION: "Nothing seems to instruct the model.",
}
_SWITCHED_OFF = "The policy has no such rule."

Looked: TypeAlias = Finding | tuple[StepName, str]
"""What a rule found; or, where it found nothing, its name and that."""


def lowering(
    policy: Policy,
    specification: run_pb2.RunSpecification,
    votes: Sequence[Vote],
    absent: Sequence[str],
    fresh: Freshness | None,
    suspicions: Sequence[suspicion_pb2.Suspicion],
) -> Iterator[Looked]:
    """What each rule found, or that it found nothing, in the order in which they apply."""
    vetoes = [finding for veto in policy.vetoes if (finding := _veto(veto, votes)) is not None]
    yield from vetoes
    if not vetoes:
        yield _nothing(StepName.VETO) if policy.vetoes else (StepName.VETO, _SWITCHED_OFF)
    if policy.blocking_weight is None:
        yield StepName.BLOCKING_WEIGHT, _SWITCHED_OFF
    else:
        yield _blocking_weight(policy, votes) or _nothing(StepName.BLOCKING_WEIGHT)
    missing = _required_missing(policy, specification, votes, absent)
    yield missing or _nothing(StepName.REQUIRED_PERSONA_MISSING)
    if policy.least_fresh_weight is None:
        yield StepName.FRESH_WEIGHT, _SWITCHED_OFF
    else:
        stale = None if fresh is None else freshness_finding(fresh, policy.least_fresh_weight)
        yield stale or _nothing(StepName.FRESH_WEIGHT)
    if policy.approve_suspected:
        yield StepName.SUSPECTED_INJECTION, _SWITCHED_OFF
    else:
        yield suspicion_finding(suspicions) or _nothing(StepName.SUSPECTED_INJECTION)


def _nothing(step: StepName) -> Looked:
    return step, _NOTHING[step]


def veto_holders(policy: Policy, personas: Sequence[panel_pb2.Persona]) -> set[str]:
    """Who may use a veto: those whom the policy names, in the panel or not, and the panel's own holders.

    People are not among them, where they count: a run that nobody has reviewed lacks none of its panel.
    """
    named = {veto.persona_id for veto in policy.vetoes if veto.persona_id}
    if _people_are_meant(policy, personas):
        named.discard(HUMAN)
    return named | {persona.persona_id for persona in personas if persona.holds_veto}


def _people_are_meant(policy: Policy, personas: Sequence[panel_pb2.Persona]) -> bool:
    """Whether HUMAN in the policy is people, and no persona that is called so."""
    return policy.counts_people and all(persona.persona_id != HUMAN for persona in personas)


def human_holders(policy: Policy, votes: Sequence[Vote]) -> set[str]:
    """The people who may use a veto."""
    if all(veto.persona_id != HUMAN for veto in policy.vetoes):
        return set()
    return {vote.persona.persona_id for vote in votes if vote.is_human}


def _veto(rule: VetoRule, votes: Sequence[Vote]) -> Finding | None:
    """A veto of the first persona that may use it so and does."""
    for vote in votes:
        holds = _holds(rule, vote)
        count = _flags(rule.flag, vote.review)
        if holds and count:
            kind = (
                "security-critical blocking issue"
                if rule.flag == Flag.SECURITY_CRITICAL
                else "blocking issue"
            )
            issues = f"a {kind}" if count == 1 else f"{count} {kind}s"
            return Finding(
                StepName.VETO,
                f"{vote.persona.display_name}, who holds the veto, names {issues}.",
                {"persona_id": vote.persona.persona_id, "issue_count": str(count)},
                rule.at_most,
            )
    return None


def _holds(rule: VetoRule, vote: Vote) -> bool:
    if vote.is_human:
        return rule.persona_id == HUMAN
    return vote.persona.persona_id == rule.persona_id if rule.persona_id else vote.persona.holds_veto


def _flags(flag: Flag, review: panel_pb2.PersonaReview) -> int:
    if flag == Flag.BLOCKING:
        return len(supported(review.blocking_issues))
    return sum(issue.security_critical for issue in supported(review.blocking_issues))


def _blocking_weight(policy: Policy, votes: Sequence[Vote]) -> Finding | None:
    """Blocking issues of personas with enough of the weight present."""
    blocking = [vote for vote in votes if supported(vote.review.blocking_issues)]
    weight, present = total(vote.weight for vote in blocking), present_weight(votes)
    share = policy.blocking_weight
    if not blocking or share is None or weight < share * present:
        return None
    at_least = "half" if 2 * share == 1 else f"{share} of it"
    return Finding(
        StepName.BLOCKING_WEIGHT,
        f"{listed(vote.persona.display_name for vote in blocking)} name blocking issues and hold"
        f" {weight} of the weight present, {present}: at least {at_least}.",
        {
            "blocking_weight": str(weight),
            "present_weight": str(present),
            "persona_ids": ",".join(vote.persona.persona_id for vote in blocking),
        },
        REVISE,
    )


def _required_missing(
    policy: Policy, specification: run_pb2.RunSpecification, votes: Sequence[Vote], absent: Sequence[str]
) -> Finding | None:
    """Required personas without a review, or people where nobody reviewed; without them no approval."""
    also = veto_holders(policy, specification.personas) | set(policy.quorum.required_personas)
    required = {*missing_required(specification, absent), *(each for each in absent if each in also)}
    # Whom the policy requires and the panel does not have is missing too.
    panel = [persona.persona_id for persona in specification.personas]
    strangers = sorted(also - set(panel))
    people = _people_are_meant(policy, specification.personas)
    if people and any(vote.is_human for vote in votes):
        strangers = [each for each in strangers if each != HUMAN]
    missing = [*(each for each in panel if each in required), *strangers]
    if not missing:
        return None
    names = {persona.persona_id: persona.display_name for persona in specification.personas}
    if people:
        names[HUMAN] = "a person"
    return Finding(
        StepName.REQUIRED_PERSONA_MISSING,
        f"Without {listed(names.get(each, each) for each in missing)} the panel cannot approve.",
        {"persona_ids": ",".join(missing)},
        REVISE,
    )
