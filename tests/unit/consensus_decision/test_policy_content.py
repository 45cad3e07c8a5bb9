"""Policies as data: one form, one digest, read back as they were; and what is refused, with the field's
path.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from consensus_decision.decision import decide
from consensus_decision.policy import DEFAULT, Policy, PolicyQuorum, Provenance, Strategy
from consensus_decision.policy_content import canonical_policy, policy_content, policy_digest
from consensus_decision.policy_fields import PolicyRefusedError
from consensus_decision.policy_reading import accepted, policy_of_content, policy_of_json
from tests.support.engine import reviews, specification
from tests.support.policies import LOG_ODDS, LOGISTIC, MEAN, POLICIES


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_policy_is_read_back_as_it_was(policy: Policy) -> None:
    read = policy_of_content(json.loads(canonical_policy(policy)))

    assert canonical_policy(read) == canonical_policy(policy)
    assert accepted(policy) is policy


def test_the_built_in_policy_has_one_form() -> None:
    assert canonical_policy(DEFAULT).decode() == (
        '{"blocking_weight":"0.5","correlation":{"one_model":"0.77","several_models":"0.49"},"label_floor":30,'
        '"least_fresh_weight":"0.4","loss":{"approve":{"approve":"0","reject":"2","revise":"2"},'
        '"reject":{"approve":"1","reject":"0","revise":"1"},"revise":{"approve":"1","reject":"1","revise":"0"}},'
        '"strategy":"WEIGHTED_MEAN","thresholds":{"approve":"0.8","revise":"0.6"},'
        '"vetoes":[{"at_most":"revise","flag":"SECURITY_CRITICAL","persona_id":""}]}'
    )
    assert policy_digest(DEFAULT) == policy_digest(policy_of_content({}))


def test_the_built_in_policy_read_back_decides_to_the_same_byte() -> None:
    read = policy_of_content(policy_content(DEFAULT))
    panel = reviews(architect=0.85, critic=0.75, optimist=0.8, security_guardian=0.8, user_advocate=0.8)

    one, other = (decide(specification(), panel, policy=each) for each in (None, read))

    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_the_same_amounts_written_otherwise_are_the_same_policy() -> None:
    content = policy_content(DEFAULT) | {"thresholds": {"revise": "0.600", "approve": "0.8000"}}

    assert policy_digest(policy_of_content(content)) == policy_digest(DEFAULT)


def test_null_switches_a_rule_off() -> None:
    content: dict[str, object] = {"blocking_weight": None, "least_fresh_weight": None}
    policy = policy_of_content(content)

    assert (policy.blocking_weight, policy.least_fresh_weight) == (None, None)
    assert policy_of_content(policy_content(policy)) == policy


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("policy", "change", "field"),
    [
        (DEFAULT, lambda c: c.update(stratagem="X"), "stratagem"),
        (DEFAULT, lambda c: c.update(strategy="MAJORITY"), "strategy"),
        (DEFAULT, lambda c: c.update(strategy="LOGISTIC_SCORES"), "parameters"),
        (DEFAULT, lambda c: c["thresholds"].update(approve=0.8), "thresholds.approve"),
        (DEFAULT, lambda c: c["thresholds"].update(approve="0.5"), "thresholds.revise"),
        (DEFAULT, lambda c: c["thresholds"].update(approve="NaN"), "thresholds.approve"),
        (DEFAULT, lambda c: c["thresholds"].pop("revise"), "thresholds.revise"),
        (DEFAULT, lambda c: c["vetoes"][0].update(at_most="approve"), "vetoes[0].at_most"),
        (DEFAULT, lambda c: c["vetoes"][0].update(persona_id="The Critic"), "vetoes[0].persona_id"),
        (DEFAULT, lambda c: c["loss"]["approve"].update(reject="-1"), "loss.approve.reject"),
        (DEFAULT, lambda c: c["loss"]["revise"].update(revise="1"), "loss.revise.revise"),
        (DEFAULT, lambda c: c.update(weights={"critic": "1.5"}), "weights.critic"),
        (DEFAULT, lambda c: c.update(weights={"critic": "0.00001"}), "weights.critic"),
        (DEFAULT, lambda c: c.update(label_floor=True), "label_floor"),
        (DEFAULT, lambda c: c.update(approve_suspected="no"), "approve_suspected"),
        (DEFAULT, lambda c: c.update(selection={"target_error": "0.1"}), "selection"),
        (LOG_ODDS, lambda c: c["parameters"].update(labels=["reject", "approve"]), "parameters.labels"),
        (LOG_ODDS, lambda c: c["parameters"]["confusions"]["critic"].update(cuts=["0.8", "0.6"]),
         "parameters.confusions.critic.cuts"),
        (LOG_ODDS, lambda c: c["parameters"]["confusions"]["critic"]["counts"][1].append(3),
         "parameters.confusions.critic.counts[1]"),
        (LOG_ODDS, lambda c: c["parameters"].pop("temperature"), "parameters.temperature"),
        (LOGISTIC, lambda c: c["parameters"].update(cuts=["1", "0"]), "parameters.cuts"),
        (LOGISTIC, lambda c: c["parameters"]["terms"]["critic"].update(mean="2"),
         "parameters.terms.critic.mean"),
        (DEFAULT, lambda c: c.update(vetoes=c["vetoes"] * 21), "vetoes"),
        (DEFAULT, lambda c: c.update(weights={f"p{n}": "0.01" for n in range(51)}), "weights"),
        (DEFAULT, lambda c: c.update(quorum={"required_personas": ["critic"] * 51}),
         "quorum.required_personas"),
        (LOG_ODDS, lambda c: c["parameters"]["confusions"].update(
            {f"p{n}": c["parameters"]["confusions"]["critic"] for n in range(51)}), "parameters.confusions"),
        (LOG_ODDS, lambda c: c["parameters"]["confusions"]["critic"].update(
            cuts=[f"0.{n:02}" for n in range(1, 11)], counts=[[1] * 11] * 3),
         "parameters.confusions.critic.cuts"),
        (LOGISTIC, lambda c: c["parameters"]["terms"].update(
            {f"p{n}": c["parameters"]["terms"]["critic"] for n in range(51)}), "parameters.terms"),
        (MEAN, lambda c: c.pop("provenance"), "provenance"),
        (MEAN, lambda c: c["provenance"].update(data_sha256="a"), "provenance.data_sha256"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_policy_is_refused_with_its_path(policy: Policy, change: Change, field: str) -> None:
    content = json.loads(canonical_policy(policy))
    change(content)

    with pytest.raises(PolicyRefusedError) as refused:
        policy_of_content(content)

    assert field in [each.field for each in refused.value.violations]


def _counted(rows: int) -> str:
    content = json.loads(canonical_policy(LOG_ODDS))
    content["parameters"]["confusions"]["critic"]["counts"] = [[]] * rows
    return json.dumps(content)


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_no_depth_ends_in_anything_but_a_refusal(opened: str, closed: str) -> None:
    for depth in range(900, 1000):  # what reads it ends somewhere here, each part of that elsewhere
        deep = f"{opened * depth}1{closed * depth}"
        terms = f'"terms": {{"critic": {{"coefficient": {deep}, "mean": "0"}}}}'
        text = f'{{"strategy": "LOGISTIC_SCORES", "parameters": {{"labels": [], "cuts": [], {terms}}}}}'
        with pytest.raises(PolicyRefusedError):
            policy_of_json(text)


@pytest.mark.parametrize(
    "text",
    [
        _counted(10_000),
        json.dumps({"k" * 100_000: 1}),
        json.dumps({"weights": {"k" * 100_000: "1"}}),
        json.dumps({"quorum": {"required_personas": ["k" * 100_000]}}),
        '{"label_floor": ' + "9" * 4_000 + "}",
        json.dumps({"vetoes": [{"flag": "k" * 100_000, "at_most": "revise"}]}),
    ],
    ids=["broken rules", "name", "persona", "id", "number", "word"],
)
def test_what_is_said_of_a_fault_is_short_however_much_was_sent(text: str) -> None:
    with pytest.raises(PolicyRefusedError) as refused:
        policy_of_json(text)

    assert len(refused.value.violations) <= 50
    assert all(len(each.field) + len(each.description) < 300 for each in refused.value.violations)


def test_parameters_of_another_strategy_are_refused() -> None:
    wrong = replace(LOGISTIC, strategy=Strategy.LOG_ODDS_TEMPERED)

    with pytest.raises(PolicyRefusedError, match="parameters: are not those of LOG_ODDS_TEMPERED"):
        accepted(wrong)


def test_every_field_has_its_part_in_the_digest() -> None:
    changed = [
        replace(DEFAULT, blocking_weight=None),
        replace(DEFAULT, quorum=PolicyQuorum(min_personas=3)),
        replace(DEFAULT, vetoes=()),
        replace(DEFAULT, approve_suspected=True),
        replace(DEFAULT, weights={"critic": Decimal("0.3")}),
        replace(MEAN, provenance=Provenance(101, "5" * 64)),
        *POLICIES.values(),
    ]

    assert len({policy_digest(each) for each in changed}) == len(changed)
