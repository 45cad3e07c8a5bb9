"""Takes the steps of a decision, one after another, and keeps what each came to. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from consensus.v1 import human_review_pb2, panel_pb2, run_pb2, suspicion_pb2
from consensus_decision.decimals import EXACT, round_finely
from consensus_decision.freshness import Freshness, freshness
from consensus_decision.labelling import choose, expected_losses, loss_finding, threshold_finding
from consensus_decision.labels import LABELS, Label, label_name
from consensus_decision.lowering import Looked, human_holders, lowering, veto_holders
from consensus_decision.people import votes_of_people
from consensus_decision.policy import Policy, Strategy
from consensus_decision.posteriors import Posterior, contributions, posterior_of
from consensus_decision.steps import Finding, Step, StepName, lowered
from consensus_decision.suspicion import all_suspicions
from consensus_decision.votes import Vote, absent_ids, votes_of, weighted_mean, weighted_panel


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy makes of a run's reviews. `posterior` and `losses` are absent for a policy not fitted."""

    policy: Policy
    specification: run_pb2.RunSpecification
    votes: Sequence[Vote]
    absent: Sequence[str]
    mean: Decimal
    posterior: Posterior | None
    losses: Mapping[Label, Decimal] | None
    fresh: Freshness | None
    findings: Sequence[Looked]
    """What may lower the label."""

    @property
    def is_unanimous(self) -> bool:
        """Whether all who answered approve."""
        return all(vote.is_approval(self.policy.thresholds) for vote in self.votes)

    @property
    def is_by_loss(self) -> bool:
        """Whether the label is the one of least expected loss."""
        return self.losses is not None and self.policy.strategy != Strategy.WEIGHTED_MEAN

    @property
    def first_label(self) -> Label:
        """The label before anything lowers it."""
        return choose(self.policy, self.mean, self.losses, self.is_unanimous)

    @property
    def label(self) -> Label:
        """The decision's."""
        ceilings = [each.at_most for each in self.findings if isinstance(each, Finding) and each.at_most]
        return max([self.first_label, *ceilings])  # approve 1, revise 2, reject 3

    def with_score(self, persona_id: str, score: Decimal) -> "Evaluation":
        """The same reviews, but one persona's score another."""
        votes = [
            replace(vote, score=score) if vote.persona.persona_id == persona_id else vote
            for vote in self.votes
        ]
        with localcontext(EXACT):
            mean, posterior, losses = _numbers(self.policy, votes)
        return replace(self, votes=votes, mean=mean, posterior=posterior, losses=losses)

    def steps(self) -> list[Step]:
        """The steps, in the order in which they are taken; those without effect too."""
        with localcontext(EXACT):
            return self._steps()

    def _steps(self) -> list[Step]:
        steps = [_weighing(self), *_posterior_step(self), _labelling(self)]
        label = self.first_label
        for each in self.findings:
            step = (
                lowered(label, each)
                if isinstance(each, Finding)
                else Step(name=each[0], fired=False, label=label, explanation=each[1])
            )
            steps.append(step)
            label = step.label or label
        return steps


def evaluate(
    specification: run_pb2.RunSpecification,
    reviews: Sequence[panel_pb2.PersonaReview],
    policy: Policy,
    suspicions: Sequence[suspicion_pb2.Suspicion] = (),
    people: Sequence[human_review_pb2.HumanReview] = (),
) -> Evaluation:
    """Takes what is suspected of the run's proposal beside the reviews, and what people say, who count by the
    policy's weight.

    Raises:
        ValueError: no reviews, two of one persona, one of a persona that is not in the panel, a score outside
            0 to 1, or present personas without any weight.
    """
    personas = weighted_panel(specification.personas, policy)
    votes = [*votes_of(personas, reviews), *votes_of_people(policy, personas, people)]
    mean, posterior, losses = _numbers(policy, votes)
    absent = absent_ids(personas, votes)
    fresh = None
    if policy.least_fresh_weight is not None:
        holders = veto_holders(policy, personas) | human_holders(policy, votes)
        readers = [*personas, *(vote.persona for vote in votes if vote.is_human)]
        fresh = freshness(readers, [vote.review for vote in votes], holders)
    suspected = all_suspicions(specification, suspicions, [vote.review for vote in votes])
    return Evaluation(
        policy=policy,
        specification=specification,
        votes=votes,
        absent=absent,
        mean=mean,
        posterior=posterior,
        losses=losses,
        fresh=fresh,
        findings=list(lowering(policy, specification, votes, absent, fresh, suspected)),
    )


def _numbers(
    policy: Policy, votes: Sequence[Vote]
) -> tuple[Decimal, Posterior | None, Mapping[Label, Decimal] | None]:
    mean = weighted_mean(votes)
    people = [vote.score for vote in votes if vote.is_human]
    posterior = posterior_of(policy, _scores(votes), mean, people)
    return mean, posterior, None if posterior is None else expected_losses(policy.loss, posterior)


def _scores(votes: Sequence[Vote]) -> dict[str, Decimal]:
    """The panel's, by persona id."""
    return {vote.persona.persona_id: vote.score for vote in votes if not vote.is_human}


def _weighing(evaluation: Evaluation) -> Step:
    told = " + ".join(f"{vote.weight} * {vote.score}" for vote in evaluation.votes)
    whole = sum((vote.weight for vote in evaluation.votes), Decimal(0))
    return Step(
        StepName.WEIGHING,
        fired=True,
        label=None,
        explanation=f"({told}) / {whole} = {evaluation.mean}",
        data={
            "confidence": str(evaluation.mean),
            "present_weight": str(whole),
            **{f"score_{vote.persona.persona_id}": str(vote.score) for vote in evaluation.votes},
            **{f"weight_{vote.persona.persona_id}": str(vote.weight) for vote in evaluation.votes},
        },
    )


def _posterior_step(evaluation: Evaluation) -> Iterator[Step]:
    if evaluation.posterior is None:
        return
    rounded = {label: round_finely(evaluation.posterior[label]) for label in LABELS}
    parts = contributions(evaluation.policy, _scores(evaluation.votes))
    told = ", ".join(f"{label_name(label)} {value}" for label, value in rounded.items())
    yield Step(
        StepName.POSTERIOR,
        fired=True,
        label=None,
        explanation=f"By {evaluation.policy.strategy} the probabilities are {told}.",
        data={
            **{f"posterior_{label_name(label)}": str(value) for label, value in rounded.items()},
            **{f"part_{persona_id}": str(round_finely(part)) for persona_id, part in parts.items()},
        },
    )


def _labelling(evaluation: Evaluation) -> Step:
    label = evaluation.first_label
    if evaluation.is_by_loss and evaluation.losses is not None:
        finding = loss_finding(evaluation.losses, label, evaluation.is_unanimous)
    else:
        finding = threshold_finding(evaluation.policy.thresholds, evaluation.mean, label)
    return Step(finding.step, True, label, finding.explanation, finding.data)
