"""Reads a policy from JSON data, and says of each fault where it stands. Pure."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from consensus_decision.labels import LABELS, label_name
from consensus_decision.policy import (
    DEFAULT,
    Confusion,
    Correlation,
    Flag,
    LogisticParameters,
    LogOddsParameters,
    LossMatrix,
    MeanParameters,
    Ordinal,
    Parameters,
    Policy,
    PolicyQuorum,
    Provenance,
    ScoreTerm,
    Selection,
    Strategy,
    Thresholds,
    VetoRule,
)
from consensus_decision.policy_check import check_policy
from consensus_decision.policy_fields import (
    Fields,
    PolicyRefusedError,
    boolean_at,
    by_persona,
    choice_of,
    decimal_at,
    integer_at,
    label_at,
    list_of,
    persona_id_at,
    refuse,
    text_at,
)


def policy_of_content(content: object) -> Policy:
    """The policy that JSON data describes; what is left out has the built-in rule's value.

    Raises:
        PolicyRefusedError: a field is unknown, of another kind or out of its range.
    """
    fields = Fields("", content)
    strategy = fields.get("strategy", choice_of(Strategy), Strategy.WEIGHTED_MEAN)
    policy = Policy(
        strategy=strategy,
        parameters=fields.get("parameters", _parameters_of(strategy), None),
        weights=fields.get("weights", by_persona(decimal_at), MappingProxyType({})),
        thresholds=fields.get("thresholds", _thresholds, Thresholds()),
        vetoes=fields.get("vetoes", list_of(_veto), DEFAULT.vetoes),
        blocking_weight=fields.switch("blocking_weight", decimal_at, DEFAULT.blocking_weight),
        quorum=fields.get("quorum", _quorum, PolicyQuorum()),
        least_fresh_weight=fields.switch("least_fresh_weight", decimal_at, DEFAULT.least_fresh_weight),
        approve_suspected=fields.get("approve_suspected", boolean_at, DEFAULT.approve_suspected),
        human_weight=fields.get("human_weight", decimal_at, DEFAULT.human_weight),
        loss=fields.get("loss", _loss, LossMatrix()),
        label_floor=fields.get("label_floor", integer_at, DEFAULT.label_floor),
        correlation=fields.get("correlation", _correlation, Correlation()),
        selection=fields.get("selection", _selection, None),
        provenance=fields.get("provenance", _provenance, None),
    )
    fields.end()
    return accepted(policy)


def policy_of_json(text: str) -> Policy:
    """The policy that JSON text describes.

    Raises:
        PolicyRefusedError: it is no JSON, or as `policy_of_content` says.
    """
    return policy_of_content(content_of_json(text))


def content_of_json(text: str) -> object:
    """The data that JSON text describes, which any reader takes to be the same.

    Raises:
        PolicyRefusedError: it is no JSON.
    """
    try:
        content: object = json.loads(text, object_pairs_hook=_once)
        json.dumps(content, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise refuse("", f"must be JSON: {error!s:.80}") from error
    return content


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names differ: of two of one name readers would take one or the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def accepted(policy: Policy) -> Policy:
    """The same policy.

    Raises:
        PolicyRefusedError: it breaks a rule.
    """
    if violations := check_policy(policy):
        raise PolicyRefusedError(violations)
    return policy


def _thresholds(path: str, value: object) -> Thresholds:
    fields = Fields(path, value)
    thresholds = Thresholds(fields.need("approve", decimal_at), fields.need("revise", decimal_at))
    fields.end()
    return thresholds


def _veto(path: str, value: object) -> VetoRule:
    fields = Fields(path, value)
    persona_id = fields.get("persona_id", text_at, "")
    veto = VetoRule(
        persona_id and persona_id_at(f"{path}.persona_id", persona_id),
        fields.need("flag", choice_of(Flag)),
        fields.need("at_most", label_at),
    )
    fields.end()
    return veto


def _quorum(path: str, value: object) -> PolicyQuorum:
    fields = Fields(path, value)
    quorum = PolicyQuorum(
        fields.get("min_personas", integer_at, 0), fields.get("required_personas", list_of(persona_id_at), ())
    )
    fields.end()
    return quorum


def _loss(path: str, value: object) -> LossMatrix:
    fields = Fields(path, value)
    rows = tuple(fields.need(label_name(decided), _loss_row) for decided in LABELS)
    fields.end()
    return LossMatrix(rows)


def _loss_row(path: str, value: object) -> tuple[Decimal, ...]:
    fields = Fields(path, value)
    row = tuple(fields.need(label_name(right), decimal_at) for right in LABELS)
    fields.end()
    return row


def _correlation(path: str, value: object) -> Correlation:
    fields, default = Fields(path, value), Correlation()
    correlation = Correlation(
        fields.get("one_model", decimal_at, default.one_model),
        fields.get("several_models", decimal_at, default.several_models),
        fields.get("fitted", decimal_at, None),
    )
    fields.end()
    return correlation


def _selection(path: str, value: object) -> Selection:
    fields = Fields(path, value)
    selection = Selection(
        fields.need("target_error", decimal_at), fields.get("least_posterior", decimal_at, None)
    )
    fields.end()
    return selection


def _provenance(path: str, value: object) -> Provenance:
    fields = Fields(path, value)
    provenance = Provenance(fields.need("labelled_runs", integer_at), fields.need("data_sha256", text_at))
    fields.end()
    return provenance


def _parameters_of(strategy: Strategy) -> Callable[[str, object], Parameters]:
    def read(path: str, value: object) -> Parameters:
        fields = Fields(path, value)
        parameters = _READERS[strategy](fields)
        fields.end()
        return parameters

    return read


def _ordinal(fields: Fields) -> Ordinal:
    return Ordinal(fields.need("labels", list_of(label_at)), fields.need("cuts", list_of(decimal_at)))


def _term(path: str, value: object) -> ScoreTerm:
    fields = Fields(path, value)
    term = ScoreTerm(fields.need("coefficient", decimal_at), fields.need("mean", decimal_at))
    fields.end()
    return term


def _confusion(path: str, value: object) -> Confusion:
    fields = Fields(path, value)
    confusion = Confusion(
        fields.need("cuts", list_of(decimal_at)), fields.need("counts", list_of(list_of(integer_at)))
    )
    fields.end()
    return confusion


def _log_odds(fields: Fields) -> LogOddsParameters:
    return LogOddsParameters(
        labels=fields.need("labels", list_of(label_at)),
        prior_counts=fields.need("prior_counts", list_of(integer_at)),
        confusions=fields.need("confusions", by_persona(_confusion)),
        temperature=fields.need("temperature", decimal_at),
        pseudo_count=fields.need("pseudo_count", decimal_at),
    )


_READERS: Mapping[Strategy, Callable[[Fields], Parameters]] = {
    Strategy.WEIGHTED_MEAN: lambda fields: MeanParameters(_ordinal(fields), fields.need("term", _term)),
    Strategy.LOGISTIC_SCORES: lambda fields: LogisticParameters(
        _ordinal(fields), fields.need("terms", by_persona(_term))
    ),
    Strategy.LOG_ODDS_TEMPERED: _log_odds,
}
