"""From scores to a label: by thresholds, or by least expected loss. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from consensus_decision.decimals import FIXED, hundredths, round_finely
from consensus_decision.labels import APPROVE, LABELS, REJECT, REVISE, Label, label_name
from consensus_decision.policy import LossMatrix, Policy, Strategy, Thresholds
from consensus_decision.posteriors import Posterior
from consensus_decision.steps import Finding, StepName


def expected_losses(loss: LossMatrix, posterior: Posterior) -> Mapping[Label, Decimal]:
    """What each label is expected to cost, in six places: so that labels that cost the same do."""
    return {decided: round_finely(_expected_loss(loss, posterior, decided)) for decided in LABELS}


def _expected_loss(loss: LossMatrix, posterior: Posterior, decided: Label) -> Decimal:
    whole = Decimal(0)
    for right in LABELS:
        whole = FIXED.add(whole, FIXED.multiply(posterior[right], loss.cost(decided, right)))
    return whole


def by_thresholds(thresholds: Thresholds, mean: Decimal) -> Label:
    """Each threshold belongs to the side above it."""
    if mean >= thresholds.approve:
        return APPROVE
    return REVISE if mean >= thresholds.revise else REJECT


def by_least_loss(losses: Mapping[Label, Decimal], is_unanimous: bool) -> Label:
    """The label that is expected to cost least; of several the lowest.

    Where all who answered approve, not reject: then nothing that was said speaks against it, and what makes
    reject the cheapest is the base rate and who is missing. Revise has somebody look.
    """
    choice: Sequence[Label] = (REVISE, APPROVE) if is_unanimous else (REJECT, REVISE, APPROVE)
    return min(choice, key=lambda label: losses[label])


def choose(
    policy: Policy, mean: Decimal, losses: Mapping[Label, Decimal] | None, is_unanimous: bool
) -> Label:
    """The label before anything lowers it."""
    if losses is None or policy.strategy == Strategy.WEIGHTED_MEAN:
        return by_thresholds(policy.thresholds, mean)
    return by_least_loss(losses, is_unanimous)


def threshold_finding(thresholds: Thresholds, mean: Decimal, label: Label) -> Finding:
    """How the thresholds came to the label."""
    approve, revise = hundredths(thresholds.approve), hundredths(thresholds.revise)
    side = {
        APPROVE: f"reaches {approve}",
        REVISE: f"reaches {revise} but not {approve}",
        REJECT: f"is below {revise}",
    }[label]
    return Finding(
        StepName.LABEL,
        f"The weighted confidence of {mean} {side}: {label_name(label)}.",
        {
            "confidence": str(mean),
            "approve_threshold": approve,
            "revise_threshold": revise,
            "label": label_name(label),
        },
    )


def loss_finding(losses: Mapping[Label, Decimal], label: Label, is_unanimous: bool) -> Finding:
    """How the expected losses came to the label."""
    told = ", ".join(f"{label_name(each)} {losses[each]}" for each in LABELS)
    least = min(losses.values())
    if losses[label] == least:
        why = f"{label_name(label)} is expected to cost least"
    else:
        why = f"reject is expected to cost least, but all who answered approve: {label_name(label)}"
    return Finding(
        StepName.EXPECTED_LOSS,
        f"Expected losses: {told}; {why}.",
        {
            **{f"expected_loss_{label_name(each)}": str(losses[each]) for each in LABELS},
            "unanimous_approval": str(is_unanimous).lower(),
            "label": label_name(label),
        },
    )
