"""What is wrong with a policy, field by field. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice, pairwise

from consensus_contract.errors import FieldViolation
from consensus_decision.labels import APPROVE, LABELS, Label, label_name
from consensus_decision.policy import (
    Confusion,
    LogisticParameters,
    LogOddsParameters,
    MeanParameters,
    Ordinal,
    Policy,
    ScoreTerm,
    Strategy,
)

_KINDS = {
    Strategy.WEIGHTED_MEAN: MeanParameters,
    Strategy.LOGISTIC_SCORES: LogisticParameters,
    Strategy.LOG_ODDS_TEMPERED: LogOddsParameters,
}
_MAX_COST = Decimal(1_000_000)
_MAX_COEFFICIENT = Decimal(1_000)
_MAX_PLACES = 18
_MAX_INTERVALS = 10
_MAX_COUNT = 10**12
_MAX_PERSONAS = 50
_MAX_VETOES = 20
_MOST_TOLD = 50


def check_policy(policy: Policy) -> list[FieldViolation]:
    """The rules that a policy breaks, in the order of its fields, the first of very many; empty for one that
    can decide.
    """
    told = islice(_violations(policy), _MOST_TOLD)
    return [FieldViolation(field, description) for field, description in told]


_Found = Iterator[tuple[str, str]]


def _violations(policy: Policy) -> _Found:
    yield from _sizes(policy)
    yield from _parameters(policy)
    for persona_id, weight in sorted(policy.weights.items()):
        yield from _within(f"weights.{persona_id}", weight, Decimal(0), Decimal(1), places=4)
    yield from _thresholds(policy)
    for index, veto in enumerate(policy.vetoes):
        if veto.at_most == APPROVE:
            yield f"vetoes[{index}].at_most", "must be revise or reject: a veto lowers a decision"
    for name in ("blocking_weight", "least_fresh_weight"):
        share = getattr(policy, name)
        if share is not None:
            yield from _within(name, share, Decimal(0), Decimal(1), places=4)
    yield from _within("human_weight", policy.human_weight, Decimal(0), Decimal(1), places=4)
    if not 0 <= policy.quorum.min_personas <= 50:
        yield "quorum.min_personas", f"must be 0 to 50, and not {policy.quorum.min_personas}"
    yield from _loss(policy)
    if not 1 <= policy.label_floor <= 1_000_000:
        yield "label_floor", f"must be 1 to 1000000, and not {policy.label_floor}"
    for name in ("one_model", "several_models", "fitted"):
        rho = getattr(policy.correlation, name)
        if rho is not None:
            yield from _within(f"correlation.{name}", rho, Decimal(-1), Decimal(1))
    yield from _selection(policy)
    yield from _provenance(policy)


def _sizes(policy: Policy) -> _Found:
    """What is looked at for each vote, or told in each decision, is no longer than a panel can need."""
    sizes = {
        "weights": (len(policy.weights), _MAX_PERSONAS),
        "vetoes": (len(policy.vetoes), _MAX_VETOES),
        "quorum.required_personas": (len(policy.quorum.required_personas), _MAX_PERSONAS),
    }
    match policy.parameters:
        case LogisticParameters(terms=terms):
            sizes["parameters.terms"] = (len(terms), _MAX_PERSONAS)
        case LogOddsParameters(confusions=confusions):
            sizes["parameters.confusions"] = (len(confusions), _MAX_PERSONAS)
    for field, (size, most) in sizes.items():
        if size > most:
            yield field, f"at most {most}; {size} were sent"


def _within(field: str, value: Decimal, least: Decimal, most: Decimal, places: int = _MAX_PLACES) -> _Found:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not least <= value <= most:
        yield field, f"must be {least:f} to {most:f}, and not {value}"
    elif -exponent > places:
        yield field, f"has at most {places} decimals; {value} was sent"


def _thresholds(policy: Policy) -> _Found:
    thresholds = policy.thresholds
    yield from _within("thresholds.approve", thresholds.approve, Decimal(0), Decimal(1), places=4)
    yield from _within("thresholds.revise", thresholds.revise, Decimal(0), Decimal(1), places=4)
    if thresholds.revise > thresholds.approve:
        yield "thresholds.revise", f"must not be above thresholds.approve, {thresholds.approve}"


def _loss(policy: Policy) -> _Found:
    costs = policy.loss.costs
    if len(costs) != len(LABELS) or any(len(row) != len(LABELS) for row in costs):
        yield "loss", "must give a cost for each of three labels where each of three is right"
        return
    for decided in LABELS:
        for right in LABELS:
            cost, field = policy.loss.cost(decided, right), f"loss.{label_name(decided)}.{label_name(right)}"
            yield from _within(field, cost, Decimal(0), _MAX_COST)
            if decided == right and cost != 0:
                yield field, "must be 0: the right label costs nothing"


def _selection(policy: Policy) -> _Found:
    if policy.selection is None:
        return
    yield from _within("selection.target_error", policy.selection.target_error, Decimal(0), Decimal(1))
    least = policy.selection.least_posterior
    if least is not None:
        yield from _within("selection.least_posterior", least, Decimal(0), Decimal(1))
    if policy.parameters is None:
        yield "selection", "needs a policy that was fitted: without parameters there are no posteriors"


def _provenance(policy: Policy) -> _Found:
    if policy.provenance is None:
        if policy.parameters is not None:
            yield "provenance", "must say what the parameters were fitted on"
        return
    if not 1 <= policy.provenance.labelled_runs <= _MAX_COUNT:
        yield "provenance.labelled_runs", f"must be 1 to {_MAX_COUNT}"
    digest = policy.provenance.data_sha256
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        yield "provenance.data_sha256", "must be a SHA-256 in lowercase hexadecimal"


def _parameters(policy: Policy) -> _Found:
    parameters = policy.parameters
    if parameters is None:
        if policy.strategy != Strategy.WEIGHTED_MEAN:
            yield "parameters", f"{policy.strategy} decides by parameters, which fitting gives"
        return
    if not isinstance(parameters, _KINDS[policy.strategy]):
        yield "parameters", f"are not those of {policy.strategy}"
    elif isinstance(parameters, LogOddsParameters):
        yield from _log_odds(parameters)
    elif isinstance(parameters, LogisticParameters):
        yield from _ordinal(parameters.ordinal)
        yield from _named("parameters.terms", parameters.terms)
        for persona_id, term in sorted(parameters.terms.items()):
            yield from _term(f"parameters.terms.{persona_id}", term)
    else:
        yield from _ordinal(parameters.ordinal)
        yield from _term("parameters.term", parameters.term)


def _named(field: str, personas: Iterable[str]) -> _Found:
    if not list(personas):
        yield field, "must name a persona"


def _labels(field: str, labels: Sequence[Label]) -> _Found:
    if len(labels) < 2 or any(one >= other for one, other in pairwise(labels)) or set(labels) - set(LABELS):
        yield field, "must be two or three labels, from the best to the worst"


def _ordinal(ordinal: Ordinal) -> _Found:
    yield from _labels("parameters.labels", ordinal.labels)
    if len(ordinal.cuts) != len(ordinal.labels) - 1:
        yield "parameters.cuts", f"must be {len(ordinal.labels) - 1}, one less than labels"
    for index, cut in enumerate(ordinal.cuts):
        yield from _within(f"parameters.cuts[{index}]", cut, -_MAX_COEFFICIENT, _MAX_COEFFICIENT)
    if any(one > other for one, other in pairwise(ordinal.cuts)):
        yield "parameters.cuts", "must not fall"


def _term(field: str, term: ScoreTerm) -> _Found:
    yield from _within(f"{field}.coefficient", term.coefficient, -_MAX_COEFFICIENT, _MAX_COEFFICIENT)
    yield from _within(f"{field}.mean", term.mean, Decimal(0), Decimal(1))


def _log_odds(parameters: LogOddsParameters) -> _Found:
    yield from _labels("parameters.labels", parameters.labels)
    yield from _counts("parameters.prior_counts", parameters.prior_counts, len(parameters.labels))
    yield from _within("parameters.temperature", parameters.temperature, Decimal(0), Decimal(10))
    yield from _within("parameters.pseudo_count", parameters.pseudo_count, Decimal("0.01"), Decimal(1_000))
    yield from _named("parameters.confusions", parameters.confusions)
    for persona_id, confusion in sorted(parameters.confusions.items()):
        yield from _confusion(f"parameters.confusions.{persona_id}", confusion, len(parameters.labels))


def _confusion(field: str, confusion: Confusion, labels: int) -> _Found:
    if len(confusion.cuts) >= _MAX_INTERVALS:
        yield f"{field}.cuts", f"at most {_MAX_INTERVALS - 1}"
    for index, cut in enumerate(confusion.cuts):
        yield from _within(f"{field}.cuts[{index}]", cut, Decimal(0), Decimal(1), places=4)
    if any(one >= other for one, other in pairwise(confusion.cuts)):
        yield f"{field}.cuts", "must rise"
    if len(confusion.counts) != labels:
        yield f"{field}.counts", f"must be {labels} rows, one for each label"
    for index, row in enumerate(confusion.counts):
        yield from _counts(f"{field}.counts[{index}]", row, len(confusion.cuts) + 1)


def _counts(field: str, row: Sequence[int], wanted: int) -> _Found:
    if len(row) != wanted:
        yield field, f"must be {wanted} counts"
    if any(not 0 <= count <= _MAX_COUNT for count in row):
        yield field, f"must be 0 to {_MAX_COUNT}"
