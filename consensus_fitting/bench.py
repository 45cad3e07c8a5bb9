"""Every rule beside the constant answer and the best single reviewer, on tables whose truth is known.

Trains on a number of rows drawn at random and is measured on the others, many times; rows that belong
together may fall on both sides, or, as a stricter reading, not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from consensus_decision.labels import APPROVE, REJECT
from consensus_decision.policy import DEFAULT, LogOddsParameters, LossMatrix, Policy, Strategy
from consensus_fitting.applying import Judgements, judge
from consensus_fitting.cross_validation import cross_validated
from consensus_fitting.fitting import refit
from consensus_fitting.labelled_votes import Integers, LabelledVotes
from consensus_fitting.measures import Measures, Saving, mean_of, measures_of, saving_of
from consensus_fitting.selection import selection_for, stands_alone, wrong_ones

CONSTANT = "constant answer"
BEST_SINGLE = "best single reviewer"
MEAN_FIXED = "weighted mean, fixed"
MEAN_FITTED = "weighted mean, fitted"
LOGISTIC = "logistic scores"
UNTEMPERED = "log-odds, untempered"
TEMPERED = "log-odds, tempered"
RULES = (CONSTANT, BEST_SINGLE, MEAN_FIXED, MEAN_FITTED, LOGISTIC, UNTEMPERED, TEMPERED)
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule's means over the splits."""

    rule: str
    measures: Measures
    saving: Saving
    """Beside never approving; the error is of the draw of the labels and of the rows that are left."""


def compare(
    votes: LabelledVotes,
    labels: int,
    splits: int,
    costs: Sequence[Decimal],
    *,
    by_group: bool = False,
    on_split: Progress = lambda _: None,
) -> dict[Decimal, list[RuleRow]]:
    """The rules' rows for each cost of a false approval (a missed one costs 1)."""
    found: dict[Decimal, dict[str, list[tuple[Measures, Saving]]]] = {
        cost: {rule: [] for rule in RULES} for cost in costs
    }
    for index, (train, test) in enumerate(random_splits(votes, labels, splits, by_group)):
        judges = [(rule, fitted_rule(rule, train)) for rule in RULES]
        for cost in costs:
            loss = LossMatrix.of_false_approval(cost)
            for rule, judged in judges:
                judgements = judged(test, loss)
                measures = measures_of(judgements, test, loss)
                found[cost][rule].append((measures, saving_of(judgements.labels, test, loss)))
        on_split(index)
    return {cost: [_row(rule, each) for rule, each in rows.items()] for cost, rows in found.items()}


def _row(rule: str, splits: list[tuple[Measures, Saving]]) -> RuleRow:
    saved = np.array([each[1].saved for each in splits])
    errors = np.array([each[1].standard_error for each in splits])
    saving = Saving(float(saved.mean()), float(np.sqrt(saved.var() + (errors**2).mean())))
    return RuleRow(rule, mean_of([each[0] for each in splits]), saving)


def random_splits(
    votes: LabelledVotes, labels: int, splits: int, by_group: bool = False
) -> Iterator[tuple[LabelledVotes, LabelledVotes]]:
    """`labels` rows to train on, and the others."""
    for seed in range(splits):
        generator = np.random.default_rng(seed)
        order = _by_groups(votes, generator) if by_group else generator.permutation(len(votes))
        train = np.zeros(len(votes), dtype=np.bool_)
        train[order[:labels]] = True
        outside = ~train
        if by_group:
            outside &= ~np.isin(votes.groups, votes.groups[train])
        yield votes.of_rows(train), votes.of_rows(outside)


def _by_groups(votes: LabelledVotes, generator: np.random.Generator) -> Integers:
    place = generator.permutation(int(votes.groups.max()) + 1)
    return np.argsort(place[votes.groups], kind="stable")


Judged = Callable[[LabelledVotes, LossMatrix], Judgements]
"""What a rule says of rows where wrong labels cost what they cost."""


def fitted_rule(rule: str, train: LabelledVotes) -> Judged:
    """One of RULES, which learned what it can from the rows."""
    if rule == CONSTANT:
        return _constant(train)
    if rule == BEST_SINGLE:
        return _best_single(train)
    if rule == MEAN_FIXED:
        return _by(DEFAULT)
    if rule == MEAN_FITTED:
        return _by(refit(Strategy.WEIGHTED_MEAN, train))
    if rule == LOGISTIC:
        return _by(refit(Strategy.LOGISTIC_SCORES, train))
    tempered = refit(Strategy.LOG_ODDS_TEMPERED, train)
    return _by(tempered if rule == TEMPERED else _untempered(tempered))


def _by(policy: Policy) -> Judged:
    return lambda test, loss: judge(replace(policy, loss=loss), test)


def _untempered(policy: Policy) -> Policy:
    if not isinstance(policy.parameters, LogOddsParameters):
        raise TypeError("only log-odds have a temperature")
    return replace(policy, parameters=replace(policy.parameters, temperature=Decimal(1)))


def _constant(train: LabelledVotes) -> Judged:
    """Says of everything what share was to be approved, and decides what that makes cheapest."""
    share = float(train.right_approvals.mean())

    def judged(test: LabelledVotes, loss: LossMatrix) -> Judgements:
        posteriors = np.tile([share, 0.0, 1 - share], (len(test), 1))
        approves = share * float(loss.cost(REJECT, APPROVE)) > (1 - share) * float(loss.cost(APPROVE, REJECT))
        label = APPROVE if approves else REJECT
        return Judgements(posteriors, np.full(len(test), label, dtype=np.int64), np.zeros(len(test)))

    return judged


def _best_single(train: LabelledVotes) -> Judged:
    """The reviewer whose votes were right most often, each of which means what it meant in training."""
    right = train.right_approvals[:, None]
    agreed = np.where(np.isnan(train.approvals), np.nan, train.approvals == right)
    best = int(np.nanargmax(np.nanmean(agreed, axis=0)))
    policy = _untempered(refit(Strategy.LOG_ODDS_TEMPERED, train.of_personas([best])))
    return lambda test, loss: judge(replace(policy, loss=loss), test.of_personas([best]))


def best_single_reviewer(votes: LabelledVotes) -> tuple[str, float]:
    """Whose own votes were right most often, and how often."""
    right = votes.right_approvals[:, None]
    agreed = np.nanmean(np.where(np.isnan(votes.approvals), np.nan, votes.approvals == right), axis=0)
    best = int(np.nanargmax(agreed))
    return votes.personas[best], float(agreed[best])


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """How a selective rule did over the splits."""

    coverage: float
    """Mean share of decisions that stood alone."""
    error: float
    """Mean share of those that was wrong."""
    broken: float
    """Share of the splits in which more than the target was wrong."""


def select(
    votes: LabelledVotes, labels: int, splits: int, target_error: Decimal, on_split: Progress = lambda _: None
) -> SelectionRow:
    """Of LOG_ODDS_TEMPERED, whose threshold is set on rows judged by policies that had not seen them."""
    coverage, errors = [], []
    for index, (train, test) in enumerate(random_splits(votes, labels, splits)):
        selection = selection_for(target_error, cross_validated(Strategy.LOG_ODDS_TEMPERED, train), train)
        policy = replace(refit(Strategy.LOG_ODDS_TEMPERED, train), selection=selection)
        judged = judge(policy, test)
        alone = stands_alone(policy, judged)
        coverage.append(float(alone.mean()))
        errors.append(float(wrong_ones(judged, test)[alone].mean()) if alone.any() else 0.0)
        on_split(index)
    broken = np.mean([error > float(target_error) for error in errors])
    return SelectionRow(float(np.mean(coverage)), float(np.mean(errors)), float(broken))
