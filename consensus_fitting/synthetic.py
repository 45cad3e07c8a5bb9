"""Panels with known truth: how near each rule comes to the exact Bayes limit.

Five reviewers vote for or against. What is right is drawn first; one common opinion is right with the
reviewers' mean accuracy; each reviewer takes it over with the probability `copying`, and otherwise is right
by an accuracy of its own. There are few patterns of votes, so every cost is a sum over all of them, and only
what a rule is fitted on is drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

import numpy as np

from consensus_decision.labels import APPROVE, REJECT
from consensus_decision.policy import LossMatrix
from consensus_fitting.bench import RULES, fitted_rule
from consensus_fitting.labelled_votes import Floats, LabelledVotes
from consensus_fitting.measures import costs_of

ABSENT = -1
PERSONAS = ("one", "two", "three", "four", "five")


@dataclass(frozen=True, slots=True)
class Scale:
    """The scores that reviewers give for a vote for and a vote against, of reviewer by reviewer."""

    name: str
    scores_for: tuple[float, ...]
    scores_against: tuple[float, ...]


def _alike(name: str, score_for: float, score_against: float) -> Scale:
    return Scale(name, (score_for,) * len(PERSONAS), (score_against,) * len(PERSONAS))


USUAL = _alike("0.90 and 0.50", 0.9, 0.5)
SCALES = (
    USUAL,
    _alike("0.72 and 0.62", 0.72, 0.62),
    _alike("1 and 0", 1.0, 0.0),
    Scale("each its own", (0.95, 0.85, 0.75, 0.9, 0.8), (0.7, 0.6, 0.3, 0.5, 0.75)),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """How a panel comes to its votes."""

    base_rate: float = 0.37
    """How often approve is right."""
    accuracies: tuple[float, ...] = (0.9, 0.7, 0.7, 0.7, 0.6)
    copying: float = 0.4
    missing: float = 0.0
    """The chance that a reviewer does not answer."""
    attacked: int = 0
    """How many, the best first, vote for whatever it is."""
    scale: Scale = USUAL


@dataclass(frozen=True, slots=True)
class Scenario:
    """What rules are fitted on, and what they then meet."""

    name: str
    fitted_on: Panel
    met: Panel


def scenarios() -> Iterator[Scenario]:
    """Copying at five strengths, four scales of scores, missing and attacked reviewers, drift."""
    usual = Panel()
    for strength in (0.0, 0.2, 0.4, 0.6, 0.8):
        panel = replace(usual, copying=strength)
        yield Scenario(f"copying {strength}", panel, panel)
    for scale in SCALES[1:]:
        panel = replace(usual, scale=scale)
        yield Scenario(f"scores {scale.name}", panel, panel)
    for missing in (0.2, 0.4):
        yield Scenario(f"missing {missing}", usual, replace(usual, missing=missing))
    for attacked in (1, 2, 3):
        yield Scenario(f"{attacked} attacked", usual, replace(usual, attacked=attacked))
    worse = tuple(accuracy - 0.1 for accuracy in usual.accuracies)
    yield Scenario("drift: all less accurate", usual, replace(usual, accuracies=worse))
    yield Scenario("drift: fewer are right", usual, replace(usual, base_rate=0.2))


def patterns(panel: Panel) -> tuple[Floats, Floats]:
    """Every pattern of votes (1, 0, ABSENT), and the probability of each together with what is right: of
    shape (patterns, 2), where reject is right and where approve is.
    """
    votes = np.array(list(product((0, 1, ABSENT) if panel.missing else (0, 1), repeat=len(PERSONAS))))
    joint = np.zeros((len(votes), 2))
    for right in (0, 1):
        share = panel.base_rate if right else 1 - panel.base_rate
        for common in (0, 1):
            accuracy = float(np.mean(panel.accuracies))
            chance = np.full(len(votes), share * (accuracy if common == right else 1 - accuracy))
            for index in range(len(PERSONAS)):
                chance = chance * _chance(panel, index, votes[:, index], right, common)
            joint[:, right] += chance
    return votes.astype(np.float64), joint


def _chance(panel: Panel, index: int, votes: Floats, right: int, common: int) -> Floats:
    """Of one reviewer's votes."""
    if index < panel.attacked:
        given = (votes == 1).astype(np.float64)
    else:
        accuracy = panel.accuracies[index]
        own = np.where(votes == right, accuracy, 1 - accuracy)
        given = panel.copying * (votes == common) + (1 - panel.copying) * own
    return np.where(votes == ABSENT, panel.missing, (1 - panel.missing) * given)


def bayes_limit(panel: Panel, loss: LossMatrix) -> float:
    """What decisions cost that are made by somebody who knows how the votes come about."""
    _, joint = patterns(panel)
    approving = joint[:, 0] * float(loss.cost(APPROVE, REJECT))
    rejecting = joint[:, 1] * float(loss.cost(REJECT, APPROVE))
    return float(np.minimum(approving, rejecting).sum())


def as_votes(panel: Panel, votes: Floats, right: Floats) -> LabelledVotes:
    """Patterns as the table of a panel with its scale of scores."""
    scale = panel.scale
    scores = np.where(votes == 1, np.array(scale.scores_for), np.array(scale.scores_against))
    is_absent = votes == ABSENT
    return LabelledVotes(
        personas=PERSONAS,
        scores=np.where(is_absent, np.nan, scores),
        opinions=np.where(is_absent, np.nan, votes),
        approval_cut=Decimal("0.5"),
        labels=np.where(right == 1, APPROVE, REJECT).astype(np.int64),
        groups=np.arange(len(votes)),
    )


def drawn(panel: Panel, count: int, seed: int) -> LabelledVotes:
    """Rows by chance."""
    votes, joint = patterns(panel)
    picked = np.random.default_rng(seed).choice(joint.size, size=count, p=joint.reshape(-1) / joint.sum())
    return as_votes(panel, votes[picked // 2], (picked % 2).astype(np.float64))


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """Costs of one scenario: the limit, that of never approving, and each rule's mean over the draws."""

    scenario: Scenario
    limit: float
    never: float
    costs: dict[str, float]


def run_scenario(
    scenario: Scenario, labels: int, draws: int, loss: LossMatrix, on_draw: Callable[[], None] = lambda: None
) -> ScenarioRow:
    """Fits each rule on so many labels, so many times."""
    votes, joint = patterns(scenario.met)
    costs: dict[str, list[float]] = {rule: [] for rule in RULES}
    for seed in range(draws):
        train = drawn(scenario.fitted_on, labels, seed)
        for rule in RULES:
            judged = fitted_rule(rule, train)
            costs[rule].append(
                sum(
                    float(joint[:, right] @ costs_of(judged(met, loss).labels, met, loss))
                    for right in (0, 1)
                    for met in (as_votes(scenario.met, votes, np.full(len(votes), float(right))),)
                )
            )
        on_draw()
    return ScenarioRow(
        scenario=scenario,
        limit=bayes_limit(scenario.met, loss),
        never=float(joint[:, 1].sum() * float(loss.cost(REJECT, APPROVE))),
        costs={rule: float(np.mean(each)) for rule, each in costs.items()},
    )
