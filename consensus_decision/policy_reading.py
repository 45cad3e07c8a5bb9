"""Reads a policy from JSON data, and says of each fault where it stands. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from consensus_contract.errors import FieldViolation
from consensus_decision.labels import LABELS, NAMED, Label, label_name
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

_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DECIMAL = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?")
_MAX_INTEGER = 10**18

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


class PolicyRefusedError(ValueError):
    """The policy cannot be one; `violations` say why, each with the path of its field."""

    def __init__(self, violations: list[FieldViolation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.description}" for each in violations))
        self.violations = tuple(violations)


def policy_of_content(content: object) -> Policy:
    """The policy that JSON data describes; what is left out has the built-in rule's value.

    Raises:
        PolicyRefusedError: a field is unknown, of another kind or out of its range.
    """
    fields = _Fields("", content)
    strategy = fields.get("strategy", _choice(Strategy), Strategy.WEIGHTED_MEAN)
    policy = Policy(
        strategy=strategy,
        parameters=fields.get("parameters", _parameters_of(strategy), None),
        weights=fields.get("weights", _by_persona(_decimal), MappingProxyType({})),
        thresholds=fields.get("thresholds", _thresholds, Thresholds()),
        vetoes=fields.get("vetoes", _list_of(_veto), DEFAULT.vetoes),
        blocking_weight=fields.switch("blocking_weight", _decimal, DEFAULT.blocking_weight),
        quorum=fields.get("quorum", _quorum, PolicyQuorum()),
        least_fresh_weight=fields.switch("least_fresh_weight", _decimal, DEFAULT.least_fresh_weight),
        approve_suspected=fields.get("approve_suspected", _boolean, DEFAULT.approve_suspected),
        human_weight=fields.get("human_weight", _decimal, DEFAULT.human_weight),
        loss=fields.get("loss", _loss, LossMatrix()),
        label_floor=fields.get("label_floor", _integer, DEFAULT.label_floor),
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
        raise _refuse("", f"must be JSON: {error!s:.80}") from error
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


_Reader = Callable[[str, object], Value]
"""Takes the path of a field and what stands there."""


def _refuse(path: str, description: str) -> PolicyRefusedError:
    return PolicyRefusedError([FieldViolation(path, description)])


def _below(path: str, name: str) -> str:
    """The path of a field, of which no name is longer than an id: a longer one is no field's, and is cut."""
    return f"{path}.{name:.63}" if path else f"{name:.63}"


def _told(value: object) -> str:
    """What was sent, for people: of lists and objects no more than that, however wide and deep they are."""
    if isinstance(value, (list, tuple)):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"{value!r:.40}"


class _Fields:
    """The fields of an object, taken one by one; `end` refuses what nobody took."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise _refuse(path or "policy", "must be an object")
        self._path, self._left = path, dict(value)

    def get(self, name: str, read: Callable[[str, object], Value], default: Value) -> Value:
        """What is left out has the default."""
        return read(self._at(name), self._left.pop(name)) if name in self._left else default

    def switch(self, name: str, read: Callable[[str, object], Value], default: Value | None) -> Value | None:
        """As `get`, but null switches it off."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return read(self._at(name), self._left.pop(name)) if name in self._left else default

    def need(self, name: str, read: Callable[[str, object], Value]) -> Value:
        if name not in self._left:
            raise _refuse(self._at(name), "is missing")
        return read(self._at(name), self._left.pop(name))

    def end(self) -> None:
        if self._left:
            raise _refuse(self._at(min(map(str, self._left))), "is not a field of a policy")

    def _at(self, name: str) -> str:
        return _below(self._path, name)


def _decimal(path: str, value: object) -> Decimal:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise _refuse(path, f'must be a decimal as text, such as "0.25"; {_told(value)} was sent')
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise _refuse(path, "is not a decimal") from error


def _boolean(path: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse(path, f"must be true or false; {_told(value)} was sent")
    return value


def _integer(path: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(path, f"must be a whole number; {_told(value)} was sent")
    if abs(value) > _MAX_INTEGER:
        raise _refuse(path, f"must be no further from 0 than {_MAX_INTEGER}")
    return value


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise _refuse(path, f"must be text; {_told(value)} was sent")
    return value


def _persona_id(path: str, value: object) -> str:
    if not _ID.fullmatch(_text(path, value)):
        raise _refuse(path, f"must be the id of a persona; {_told(value)} was sent")
    return str(value)


def _choice(kind: type[Choice]) -> Callable[[str, object], Choice]:
    def read(path: str, value: object) -> Choice:
        if value not in list(kind):
            raise _refuse(path, f"must be one of {', '.join(kind)}; {_told(value)} was sent")
        return kind(str(value))

    return read


def _label(path: str, value: object) -> Label:
    if not isinstance(value, str) or value not in NAMED:
        raise _refuse(path, f"must be one of {', '.join(NAMED)}; {_told(value)} was sent")
    return NAMED[value]


def _list_of(read_one: Callable[[str, object], Value]) -> Callable[[str, object], tuple[Value, ...]]:
    def read(path: str, value: object) -> tuple[Value, ...]:
        if not isinstance(value, (list, tuple)):
            raise _refuse(path, "must be a list")
        return tuple(read_one(f"{path}[{index}]", each) for index, each in enumerate(value))

    return read


def _by_persona(read_one: Callable[[str, object], Value]) -> Callable[[str, object], Mapping[str, Value]]:
    def read(path: str, value: object) -> Mapping[str, Value]:
        if not isinstance(value, Mapping):
            raise _refuse(path, "must be an object by persona id")
        return MappingProxyType(
            {
                _persona_id(_below(path, key), key): read_one(_below(path, key), each)
                for key, each in value.items()
            }
        )

    return read


def _thresholds(path: str, value: object) -> Thresholds:
    fields = _Fields(path, value)
    thresholds = Thresholds(fields.need("approve", _decimal), fields.need("revise", _decimal))
    fields.end()
    return thresholds


def _veto(path: str, value: object) -> VetoRule:
    fields = _Fields(path, value)
    persona_id = fields.get("persona_id", _text, "")
    veto = VetoRule(
        persona_id and _persona_id(f"{path}.persona_id", persona_id),
        fields.need("flag", _choice(Flag)),
        fields.need("at_most", _label),
    )
    fields.end()
    return veto


def _quorum(path: str, value: object) -> PolicyQuorum:
    fields = _Fields(path, value)
    quorum = PolicyQuorum(
        fields.get("min_personas", _integer, 0), fields.get("required_personas", _list_of(_persona_id), ())
    )
    fields.end()
    return quorum


def _loss(path: str, value: object) -> LossMatrix:
    fields = _Fields(path, value)
    rows = tuple(fields.need(label_name(decided), _loss_row) for decided in LABELS)
    fields.end()
    return LossMatrix(rows)


def _loss_row(path: str, value: object) -> tuple[Decimal, ...]:
    fields = _Fields(path, value)
    row = tuple(fields.need(label_name(right), _decimal) for right in LABELS)
    fields.end()
    return row


def _correlation(path: str, value: object) -> Correlation:
    fields, default = _Fields(path, value), Correlation()
    correlation = Correlation(
        fields.get("one_model", _decimal, default.one_model),
        fields.get("several_models", _decimal, default.several_models),
        fields.get("fitted", _decimal, None),
    )
    fields.end()
    return correlation


def _selection(path: str, value: object) -> Selection:
    fields = _Fields(path, value)
    selection = Selection(
        fields.need("target_error", _decimal), fields.get("least_posterior", _decimal, None)
    )
    fields.end()
    return selection


def _provenance(path: str, value: object) -> Provenance:
    fields = _Fields(path, value)
    provenance = Provenance(fields.need("labelled_runs", _integer), fields.need("data_sha256", _text))
    fields.end()
    return provenance


def _parameters_of(strategy: Strategy) -> Callable[[str, object], Parameters]:
    def read(path: str, value: object) -> Parameters:
        fields = _Fields(path, value)
        parameters = _READERS[strategy](fields)
        fields.end()
        return parameters

    return read


def _ordinal(fields: _Fields) -> Ordinal:
    return Ordinal(fields.need("labels", _list_of(_label)), fields.need("cuts", _list_of(_decimal)))


def _term(path: str, value: object) -> ScoreTerm:
    fields = _Fields(path, value)
    term = ScoreTerm(fields.need("coefficient", _decimal), fields.need("mean", _decimal))
    fields.end()
    return term


def _confusion(path: str, value: object) -> Confusion:
    fields = _Fields(path, value)
    confusion = Confusion(
        fields.need("cuts", _list_of(_decimal)), fields.need("counts", _list_of(_list_of(_integer)))
    )
    fields.end()
    return confusion


def _log_odds(fields: _Fields) -> LogOddsParameters:
    return LogOddsParameters(
        labels=fields.need("labels", _list_of(_label)),
        prior_counts=fields.need("prior_counts", _list_of(_integer)),
        confusions=fields.need("confusions", _by_persona(_confusion)),
        temperature=fields.need("temperature", _decimal),
        pseudo_count=fields.need("pseudo_count", _decimal),
    )


_READERS: Mapping[Strategy, Callable[[_Fields], Parameters]] = {
    Strategy.WEIGHTED_MEAN: lambda fields: MeanParameters(_ordinal(fields), fields.need("term", _term)),
    Strategy.LOGISTIC_SCORES: lambda fields: LogisticParameters(
        _ordinal(fields), fields.need("terms", _by_persona(_term))
    ),
    Strategy.LOG_ODDS_TEMPERED: _log_odds,
}
