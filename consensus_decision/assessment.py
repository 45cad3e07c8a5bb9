"""What stands beside a decision: how sure it is, what that rests on, and what would change it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from consensus_decision.decimals import EXACT, round_finely
from consensus_decision.effective_votes import correlation_of, effective_votes, models_of
from consensus_decision.evaluation import Evaluation
from consensus_decision.flips import Flip, smallest_flip
from consensus_decision.labels import LABELS, Label
from consensus_decision.posteriors import known_personas
from consensus_decision.steps import Finding, StepName


@dataclass(frozen=True, slots=True)
class LabelAssessment:
    """A label's probability of being right, 0 to 1, and what deciding it is expected to cost; in six
    decimals.
    """

    label: Label
    posterior: Decimal
    expected_loss: Decimal


@dataclass(frozen=True, slots=True)
class Assessment:
    """Beside a decision; the same for the same reviews in any order."""

    labels: Sequence[LabelAssessment]
    """From approve to reject; empty for a policy that was not fitted."""
    effective_votes: Decimal
    """n_eff, 1 to the number of personas that answered, in four decimals."""
    rho: Decimal
    """What n_eff was computed with, in four decimals."""
    is_rho_fitted: bool
    """Whether it comes from outcomes; otherwise it was configured."""
    margin: Decimal
    """How far the label's ground is from another's: the weighted mean from the nearest threshold, or the
    least expected loss from the next, before anything lowers the label.
    """
    flip: Flip | None
    """The smallest change of one score that makes another decision; None where there is none."""
    uncalibrated: str
    """Why the probabilities are not to be relied on, in a sentence; empty where they are."""
    one_model: str
    """The model that all who answered are; empty where they are several."""
    may_stand_alone: bool | None
    """Whether the policy's target error lets it stand without a person; absent where the policy has none."""


def assess(evaluation: Evaluation) -> Assessment:
    """The assessment of the decision that is made of the same evaluation."""
    with localcontext(EXACT):
        correlation = evaluation.policy.correlation
        models = models_of(evaluation.specification, evaluation.votes)
        rho = correlation_of(correlation, models)
        return Assessment(
            labels=assessed_labels(evaluation),
            effective_votes=effective_votes(len(models), rho),
            rho=rho,
            is_rho_fitted=correlation.fitted is not None,
            margin=_margin(evaluation),
            flip=smallest_flip(evaluation),
            uncalibrated=_uncalibrated(evaluation),
            one_model=models[0] if len(models) > 1 and len(set(models)) == 1 else "",
            may_stand_alone=may_stand_alone(evaluation),
        )


def assessed_labels(evaluation: Evaluation) -> list[LabelAssessment]:
    """The labels, from approve to reject; none for a policy that was not fitted."""
    if evaluation.posterior is None or evaluation.losses is None:
        return []
    return [
        LabelAssessment(label, round_finely(evaluation.posterior[label]), evaluation.losses[label])
        for label in LABELS
    ]


def _margin(evaluation: Evaluation) -> Decimal:
    if evaluation.is_by_loss and evaluation.losses is not None:
        chosen = evaluation.first_label
        others = [loss for label, loss in evaluation.losses.items() if label != chosen]
        return abs(min(others) - evaluation.losses[chosen])
    thresholds = evaluation.policy.thresholds
    return min(abs(evaluation.mean - each) for each in (thresholds.approve, thresholds.revise))


def _uncalibrated(evaluation: Evaluation) -> str:
    policy, provenance = evaluation.policy, evaluation.policy.provenance
    if policy.parameters is None or provenance is None:
        return (
            "The policy was fitted on no outcomes:"
            " its confidence is a mean of what personas say of themselves."
        )
    if provenance.labelled_runs < policy.label_floor:
        return (
            f"The policy was fitted on {provenance.labelled_runs} outcomes;"
            f" below {policy.label_floor} its probabilities are not calibrated."
        )
    present = [vote.persona.persona_id for vote in evaluation.votes]
    known = known_personas(policy.parameters, present)
    if len(known) < len(present):
        strangers = ", ".join(each for each in present if each not in known)
        return f"The policy was fitted without {strangers}: their scores do not count in its probabilities."
    return ""


def may_stand_alone(evaluation: Evaluation) -> bool | None:
    """Whether the decision may stand without a person; None where the policy has no target error.

    Neither a decision in which a veto was used, nor one that is not calibrated, stands alone."""
    selection = evaluation.policy.selection
    if selection is None or evaluation.posterior is None:
        return None
    is_vetoed = any(isinstance(each, Finding) and each.step == StepName.VETO for each in evaluation.findings)
    if selection.least_posterior is None or is_vetoed or _uncalibrated(evaluation):
        return False
    with localcontext(EXACT):
        return round_finely(evaluation.posterior[evaluation.label]) >= selection.least_posterior
