"""What a fitted policy's parameters make of votes: the probability of each label. Pure.

In fixed-precision decimals, summed in persona order: the same digits on every machine and in any order of the
reviews. A persona that is missing, or that the parameters do not know, adds nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from consensus_decision.decimals import FIXED
from consensus_decision.labels import LABELS, Label
from consensus_decision.policy import (
    Confusion,
    LogisticParameters,
    LogOddsParameters,
    MeanParameters,
    Ordinal,
    Parameters,
    Policy,
    ScoreTerm,
)

Posterior = Mapping[Label, Decimal]
Scores = Mapping[str, Decimal]
"""Scores by persona id, in persona order."""

_ONE = Decimal(1)
# exp of what is beyond it is 0 to any precision that is kept.
_FLOOR = Decimal(-10_000)


def posterior_of(
    policy: Policy, scores: Scores, mean: Decimal, people: Sequence[Decimal] = ()
) -> Posterior | None:
    """The probability of each of the three labels given the scores, of which `mean` is the weighted mean;
    None for a policy that was not fitted.

    `people` are the scores of people, who stand in no policy's parameters: each adds, times the policy's
    `human_weight`, what the whole panel would have added had all of it given that score.
    """
    match policy.parameters:
        case None:
            return None
        case MeanParameters(ordinal=ordinal, term=term):
            return ordinal_posterior(ordinal, _weighed(term, mean))
        case LogisticParameters(ordinal=ordinal, terms=terms):
            x = _sum([_weighed(terms[each], score) for each, score in scores.items() if each in terms])
            said = [_as_the_panel(terms, score) for score in people]
            return ordinal_posterior(ordinal, FIXED.add(x, FIXED.multiply(policy.human_weight, _sum(said))))
        case LogOddsParameters() as parameters:
            return _log_odds_posterior(policy, parameters, scores, people)


def known_personas(parameters: Parameters, persona_ids: Sequence[str]) -> list[str]:
    """Those of the personas whose scores the parameters use."""
    match parameters:
        case MeanParameters():
            return list(persona_ids)
        case LogisticParameters(terms=terms):
            return [each for each in persona_ids if each in terms]
        case LogOddsParameters(confusions=confusions):
            return [each for each in persona_ids if each in confusions]


def contributions(policy: Policy, scores: Scores) -> Mapping[str, Decimal]:
    """What each persona known to the parameters adds: to x of a logistic regression; of log-odds, before the
    temperature, for the best label against the worst.
    """
    match policy.parameters:
        case LogisticParameters(terms=terms):
            return {each: _weighed(terms[each], score) for each, score in scores.items() if each in terms}
        case LogOddsParameters() as parameters:
            rows = {
                each: _log_likelihoods(parameters, parameters.confusions[each], score)
                for each, score in scores.items()
                if each in parameters.confusions
            }
            return {each: FIXED.subtract(row[0], row[-1]) for each, row in rows.items()}
        case _:
            return {}


def interval(cuts: Sequence[Decimal], score: Decimal) -> int:
    """Index of the interval between cuts in which a score lies; a cut belongs to the interval above it."""
    return sum(score >= cut for cut in cuts)


def ordinal_posterior(ordinal: Ordinal, x: Decimal) -> Posterior:
    """Of cumulative logits: the probability of each of the three labels."""
    at_least = [_logistic(FIXED.add(cut, x)) for cut in ordinal.cuts] + [_ONE]
    below = [Decimal(0), *at_least]
    shares = {
        label: FIXED.subtract(reached, before)
        for label, before, reached in zip(ordinal.labels, below, at_least, strict=False)
    }
    return {label: shares.get(label, Decimal(0)) for label in LABELS}


def temperature_of(parameters: LogOddsParameters, rho: Decimal | None, present: int) -> Decimal:
    """The temperature for as many personas as answered. It was fitted for all of them, of whom it makes so
    many effective votes; fewer copy less from one another, so each of theirs counts for more, up to all of
    it.
    """
    fitted = len(parameters.confusions)
    if rho is None or rho <= 0 or present >= fitted:
        return parameters.temperature
    alike = FIXED.add(_ONE, FIXED.multiply(Decimal(fitted - 1), rho))
    left = FIXED.add(_ONE, FIXED.multiply(Decimal(max(present, 1) - 1), rho))
    raised = FIXED.divide(FIXED.multiply(parameters.temperature, alike), left)
    return max(parameters.temperature, min(_ONE, raised))


def _as_the_panel(terms: Mapping[str, ScoreTerm], score: Decimal) -> Decimal:
    """What one score from everybody would add to x."""
    return _sum([_weighed(terms[each], score) for each in sorted(terms)])


def _log_odds_posterior(
    policy: Policy, parameters: LogOddsParameters, scores: Scores, people: Sequence[Decimal]
) -> Posterior:
    confusions = parameters.confusions
    known = [each for each in scores if each in confusions]
    temperature = temperature_of(parameters, policy.correlation.fitted, len(known))
    rows = [_log_likelihoods(parameters, confusions[each], scores[each]) for each in known]
    for score in people:
        alike = [_log_likelihoods(parameters, confusions[each], score) for each in sorted(confusions)]
        rows += [[FIXED.multiply(policy.human_weight, value) for value in row] for row in alike]
    logits = [
        FIXED.add(prior, FIXED.multiply(temperature, _sum([row[index] for row in rows])))
        for index, prior in enumerate(_log_prior(parameters.prior_counts, parameters.pseudo_count))
    ]
    shares = _softmax(logits)
    by_label = dict(zip(parameters.labels, shares, strict=True))
    return {label: by_label.get(label, Decimal(0)) for label in LABELS}


def _log_likelihoods(
    parameters: LogOddsParameters, confusion: Confusion, score: Decimal
) -> Sequence[Decimal]:
    """ln P(the interval of this score | label), for each label."""
    return _likelihood_table(confusion, parameters.pseudo_count)[interval(confusion.cuts, score)]


# Logarithms are dear, and the same for all runs of a policy and for every score that is tried.
@lru_cache(maxsize=256)
def _log_prior(prior_counts: tuple[int, ...], pseudo: Decimal) -> tuple[Decimal, ...]:
    counts = [FIXED.add(Decimal(count), pseudo) for count in prior_counts]
    whole = _sum(counts)
    return tuple(FIXED.ln(FIXED.divide(count, whole)) for count in counts)


@lru_cache(maxsize=1024)
def _likelihood_table(confusion: Confusion, pseudo: Decimal) -> tuple[tuple[Decimal, ...], ...]:
    """By interval, then by label."""
    whole = [
        FIXED.add(Decimal(sum(row)), FIXED.multiply(pseudo, Decimal(len(row)))) for row in confusion.counts
    ]
    return tuple(
        tuple(
            FIXED.ln(FIXED.divide(FIXED.add(Decimal(row[at]), pseudo), all_of_it))
            for row, all_of_it in zip(confusion.counts, whole, strict=True)
        )
        for at in range(len(confusion.cuts) + 1)
    )


def _weighed(term: ScoreTerm, score: Decimal) -> Decimal:
    return FIXED.multiply(term.coefficient, FIXED.subtract(score, term.mean))


def _sum(values: Sequence[Decimal]) -> Decimal:
    result = Decimal(0)
    for value in values:
        result = FIXED.add(result, value)
    return result


def _logistic(z: Decimal) -> Decimal:
    if z < 0:
        power = _exp(z)
        return FIXED.divide(power, FIXED.add(_ONE, power))
    return FIXED.divide(_ONE, FIXED.add(_ONE, _exp(-z)))


def _exp(value: Decimal) -> Decimal:
    return FIXED.exp(max(value, _FLOOR))


def _softmax(logits: Sequence[Decimal]) -> list[Decimal]:
    most = max(logits)
    powers = [_exp(FIXED.subtract(each, most)) for each in logits]
    whole = _sum(powers)
    return [FIXED.divide(power, whole) for power in powers]
