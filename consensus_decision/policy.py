"""A policy: everything that turns stored reviews into a decision, as one immutable value. Pure.

Amounts are exact decimals. What is left out has the value of the built-in rule, so that `Policy()` is that
rule as it stands, to the byte. `policy_content` writes policies, `policy_reading` reads them,
`policy_check` says what is wrong with one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from consensus_decision.labels import APPROVE, LABELS, REVISE, Label

HUMAN = "human"
"""Whoever is no persona, in the vetoes and the quorum of a policy that counts people."""


class Strategy(StrEnum):
    """How the scores become a label."""

    WEIGHTED_MEAN = "WEIGHTED_MEAN"
    LOGISTIC_SCORES = "LOGISTIC_SCORES"
    LOG_ODDS_TEMPERED = "LOG_ODDS_TEMPERED"


class Flag(StrEnum):
    """What a holder of a veto must have raised to use it."""

    BLOCKING = "BLOCKING"
    """Any blocking issue."""
    SECURITY_CRITICAL = "SECURITY_CRITICAL"
    """A blocking issue that is security-critical."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least weighted mean of each label; each belongs to the side above it. Also what makes a persona's
    own score an approval.
    """

    approve: Decimal = Decimal("0.80")
    revise: Decimal = Decimal("0.60")


@dataclass(frozen=True, slots=True)
class VetoRule:
    """Who may lower the decision by which flag, and to what at most.

    `persona_id` is empty for every persona of the panel that holds a veto (Persona.holds_veto), and HUMAN for
    every person, where people count.
    """

    persona_id: str = ""
    flag: Flag = Flag.SECURITY_CRITICAL
    at_most: Label = REVISE


@dataclass(frozen=True, slots=True)
class PolicyQuorum:
    """Who must have answered, beside what the panel and the request ask for."""

    min_personas: int = 0
    """For a decision at all; 0 leaves it to the run."""
    required_personas: tuple[str, ...] = ()
    """For an approval."""


@dataclass(frozen=True, slots=True)
class LossMatrix:
    """What it costs to decide a label where another is right: `costs[decided - 1][right - 1]`."""

    costs: tuple[tuple[Decimal, ...], ...] = (
        (Decimal(0), Decimal(2), Decimal(2)),
        (Decimal(1), Decimal(0), Decimal(1)),
        (Decimal(1), Decimal(1), Decimal(0)),
    )

    def cost(self, decided: Label, right: Label) -> Decimal:
        """Of one decision."""
        return self.costs[decided - 1][right - 1]

    @classmethod
    def of_false_approval(cls, cost: Decimal) -> "LossMatrix":
        """Every wrong label costs 1, but a wrong approval `cost`."""
        rows = (tuple(cost if label == APPROVE else Decimal(1) for _ in LABELS) for label in LABELS)
        return cls(
            tuple(
                tuple(Decimal(0) if right == column else value for right, value in enumerate(row))
                for column, row in enumerate(rows)
            )
        )


@dataclass(frozen=True, slots=True)
class Correlation:
    """How alike the errors of two personas are, -1 to 1: configured, or from outcomes.

    The configured values are what one model under five prompts, and five models, came to on public judgements
    (docs/decisions.md).
    """

    one_model: Decimal = Decimal("0.77")
    several_models: Decimal = Decimal("0.49")
    fitted: Decimal | None = None
    """Mean over the pairs, from the outcomes that the policy was fitted on; where it is there, it holds."""


@dataclass(frozen=True, slots=True)
class Ordinal:
    """Cumulative logits over the labels that outcomes had: P(labels[k] or better) = logistic(cuts[k] + x).

    `labels` run from the best to the worst; `cuts` has one entry less and does not fall. A label that no
    outcome had is not among them: its probability is 0.
    """

    labels: tuple[Label, ...]
    cuts: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class ScoreTerm:
    """A score's part of x: coefficient * (score - mean). A persona that is missing adds nothing."""

    coefficient: Decimal
    mean: Decimal


@dataclass(frozen=True, slots=True)
class MeanParameters:
    """Of WEIGHTED_MEAN once it is fitted: what the weighted mean says of outcomes. The label stays with the
    thresholds.
    """

    ordinal: Ordinal
    term: ScoreTerm


@dataclass(frozen=True, slots=True)
class LogisticParameters:
    """Of LOGISTIC_SCORES, with a term for each persona by its id."""

    ordinal: Ordinal
    terms: Mapping[str, ScoreTerm]


@dataclass(frozen=True, slots=True)
class Confusion:
    """What a persona's scores were where an outcome was which: `counts[k][v]` for the k-th label and the v-th
    interval between `cuts`, which rise; a cut belongs to the interval above it.
    """

    cuts: tuple[Decimal, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class LogOddsParameters:
    """Of LOG_ODDS_TEMPERED: confusion counts by persona id, each count raised by `pseudo_count`, and how
    much of the personas' sum of log-odds counts: 1 where they judge independently, n_eff / K or so where
    they copy.
    """

    labels: tuple[Label, ...]
    prior_counts: tuple[int, ...]
    """Outcomes of each label."""
    confusions: Mapping[str, Confusion]
    temperature: Decimal
    pseudo_count: Decimal = Decimal(1)


Parameters: TypeAlias = MeanParameters | LogisticParameters | LogOddsParameters


@dataclass(frozen=True, slots=True)
class Selection:
    """Which decisions may stand alone: those whose label has at least this posterior."""

    target_error: Decimal
    """Share of decisions that stand alone and may be wrong."""
    least_posterior: Decimal | None
    """Absent where outcomes bear out none."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a policy was fitted on."""

    labelled_runs: int
    """How many outcomes."""
    data_sha256: str
    """Digest of the data, in lowercase hexadecimal."""


@dataclass(frozen=True, slots=True)
class Policy:
    """See the module. Two policies are the same when their digests (`policy_content.policy_digest`) are."""

    strategy: Strategy = Strategy.WEIGHTED_MEAN
    parameters: Parameters | None = None
    weights: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    """By persona id, 0 to 1 in four decimals; who is not among them has the panel's weight."""
    thresholds: Thresholds = Thresholds()
    vetoes: Sequence[VetoRule] = (VetoRule(),)
    blocking_weight: Decimal | None = Decimal("0.5")
    """The share of the present weight whose blocking issues lower an approval; absent: no such rule."""
    quorum: PolicyQuorum = PolicyQuorum()
    least_fresh_weight: Decimal | None = Decimal("0.40")
    """The share of the panel's weight that must have read a changed text; absent: no such rule."""
    approve_suspected: bool = False
    """Whether a run may be approved that is suspected of an injection."""
    human_weight: Decimal = Decimal(0)
    """How much one person's review counts beside the whole panel, 0 to 1 in four decimals: at 1 as much as
    the panel would if all of it said the same. At 0 people's reviews are shown and do not count.
    """
    loss: LossMatrix = LossMatrix()
    label_floor: int = 30
    """Outcomes that it takes before the policy's probabilities count as calibrated."""
    correlation: Correlation = Correlation()
    selection: Selection | None = None
    provenance: Provenance | None = None

    @property
    def counts_people(self) -> bool:
        """Whether people's reviews count beside the panel's."""
        return self.human_weight > 0

    @property
    def named_personas(self) -> set[str]:
        """Whom its vetoes and its quorum need in the panel; people, where they count, need not be."""
        named = {*self.quorum.required_personas, *(each.persona_id for each in self.vetoes)} - {""}
        return named - {HUMAN} if self.counts_people else named


DEFAULT = Policy()
"""The built-in rule as it stands."""
