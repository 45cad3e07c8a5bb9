"""A policy as JSON data: written in one form alone, named by the digest of that, and read again. Pure.

Decimals are text, counts are numbers, keys are ASCII: so the canonical form is RFC 8785's. A rule that is
switched off is null; what a policy does not use is left out, so that a field that a later release adds
changes the digest of no policy that lacks it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from consensus_decision.decimals import plain
from consensus_decision.labels import LABELS, Label, label_name
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

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"


def canonical_policy(policy: Policy) -> bytes:
    """The one form of a policy, as RFC 8785 has JSON."""
    return json.dumps(
        policy_content(policy), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    ).encode()


def policy_digest(policy: Policy) -> str:
    """The policy's revision: SHA-256 of its canonical form, in lowercase hexadecimal."""
    return hashlib.sha256(canonical_policy(policy)).hexdigest()


def policy_content(policy: Policy) -> dict[str, Json]:
    """A policy as JSON data; `policy_reading.policy_of_content` reads it."""
    content: dict[str, Json] = {
        "strategy": str(policy.strategy),
        "thresholds": {
            "approve": plain(policy.thresholds.approve),
            "revise": plain(policy.thresholds.revise),
        },
        "vetoes": [
            {"persona_id": veto.persona_id, "flag": str(veto.flag), "at_most": label_name(veto.at_most)}
            for veto in policy.vetoes
        ],
        "loss": {
            label_name(decided): {
                label_name(right): plain(policy.loss.cost(decided, right)) for right in LABELS
            }
            for decided in LABELS
        },
        "blocking_weight": _plain_or_null(policy.blocking_weight),
        "least_fresh_weight": _plain_or_null(policy.least_fresh_weight),
        "label_floor": policy.label_floor,
        "correlation": _present(
            one_model=policy.correlation.one_model,
            several_models=policy.correlation.several_models,
            fitted=policy.correlation.fitted,
        ),
    }
    if policy.approve_suspected:
        content["approve_suspected"] = True
    if policy.human_weight:
        content["human_weight"] = plain(policy.human_weight)
    if policy.weights:
        content["weights"] = {persona_id: plain(weight) for persona_id, weight in policy.weights.items()}
    if policy.quorum.min_personas or policy.quorum.required_personas:
        content["quorum"] = {
            "min_personas": policy.quorum.min_personas,
            "required_personas": sorted(set(policy.quorum.required_personas)),
        }
    if policy.parameters is not None:
        content["parameters"] = _parameters(policy.parameters)
    if policy.selection is not None:
        content["selection"] = _present(
            target_error=policy.selection.target_error, least_posterior=policy.selection.least_posterior
        )
    if policy.provenance is not None:
        content["provenance"] = {
            "labelled_runs": policy.provenance.labelled_runs,
            "data_sha256": policy.provenance.data_sha256,
        }
    return content


def _plain_or_null(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _present(**values: Decimal | None) -> dict[str, Json]:
    return {name: plain(value) for name, value in values.items() if value is not None}


def _parameters(parameters: Parameters) -> dict[str, Json]:
    match parameters:
        case MeanParameters():
            return {**_ordinal(parameters.ordinal), "term": _term(parameters.term)}
        case LogisticParameters():
            terms = {persona_id: _term(term) for persona_id, term in parameters.terms.items()}
            return {**_ordinal(parameters.ordinal), "terms": terms}
        case LogOddsParameters():
            return {
                "labels": _labels(parameters.labels),
                "prior_counts": list(parameters.prior_counts),
                "temperature": plain(parameters.temperature),
                "pseudo_count": plain(parameters.pseudo_count),
                "confusions": {
                    persona_id: _confusion(each) for persona_id, each in parameters.confusions.items()
                },
            }


def _ordinal(ordinal: Ordinal) -> dict[str, Json]:
    return {"labels": _labels(ordinal.labels), "cuts": [plain(cut) for cut in ordinal.cuts]}


def _labels(labels: Sequence[Label]) -> list[str]:
    return [label_name(label) for label in labels]


def _term(term: ScoreTerm) -> dict[str, Json]:
    return {"coefficient": plain(term.coefficient), "mean": plain(term.mean)}


def _confusion(confusion: Confusion) -> dict[str, Json]:
    return {
        "cuts": [plain(cut) for cut in confusion.cuts],
        "counts": [list(row) for row in confusion.counts],
    }
