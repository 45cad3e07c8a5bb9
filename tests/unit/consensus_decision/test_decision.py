"""The decision: its arithmetic, its rules, its minority reports."""

import itertools
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from google.protobuf import json_format

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, suspicion_pb2
from consensus_decision.decision import decide
from consensus_decision.labels import label_name
from consensus_decision.policies import POLICY_VERSION, UnknownPolicyError
from consensus_decision.policy import DEFAULT
from tests.support.decisions import GOLDEN_CASES, SUSPECTED, GoldenCase
from tests.support.engine import PANEL, review, reviews, specification, stale

GOLDEN = Path(__file__).parent / "golden"
RULE = decision_pb2.DecisionRule


def fired(decision: decision_pb2.Decision) -> list[str]:
    return [RULE.Name(rule.rule).removeprefix("DECISION_RULE_") for rule in decision.fired_rules]


def even(score: float) -> list[panel_pb2.PersonaReview]:
    return reviews(**dict.fromkeys(PANEL.ids, score))


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_the_decision_is_the_one_on_file_byte_for_byte(case: GoldenCase) -> None:
    expected = json.loads((GOLDEN / f"{case.name}.json").read_text(encoding="utf-8"))

    decision = case.decide()

    assert json_format.MessageToDict(decision, preserving_proto_field_name=True) == expected["decision"]
    assert decision.SerializeToString(deterministic=True).hex() == expected["serialised"]


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_all_120_orders_of_the_reviews_give_the_same_bytes(case: GoldenCase) -> None:
    spec = case.specification()

    outcomes = {
        decide(spec, order, case.missing).SerializeToString(deterministic=True)
        for order in itertools.permutations(case.reviews)
    }

    assert len(outcomes) == 1


@pytest.mark.parametrize(
    ("scores", "confidence", "label"),
    [
        ((0.80, 0.80, 0.80, 0.80, 0.80), 0.8, "approve"),
        ((0.85, 0.75, 0.80, 0.80, 0.80), 0.8, "approve"),
        ((0.7998, 0.80, 0.80, 0.80, 0.80), 0.8, "approve"),  # 0.79995 exactly: half-up
        ((0.7997, 0.80, 0.80, 0.80, 0.80), 0.7999, "revise"),
        ((0.60, 0.60, 0.60, 0.60, 0.60), 0.6, "revise"),
        ((0.55, 0.65, 0.60, 0.60, 0.60), 0.6, "revise"),
        ((0.5996, 0.60, 0.60, 0.60, 0.60), 0.5999, "reject"),
        ((0.0, 0.0, 0.0, 0.0, 0.0), 0.0, "reject"),
        ((1.0, 1.0, 1.0, 1.0, 1.0), 1.0, "approve"),
        ((0.1, 0.2, 0.3, 0.7, 0.9), 0.395, "reject"),
    ],
)
def test_sums_are_exact_and_a_threshold_belongs_to_its_upper_side(
    scores: tuple[float, ...], confidence: float, label: str
) -> None:
    decision = decide(specification(), reviews(**dict(zip(PANEL.ids, scores, strict=True))))

    assert decision.overall_weighted_confidence == confidence
    assert label_name(decision.label) == label


def test_contributions_stand_in_persona_order_with_exact_numbers() -> None:
    scores = dict(zip(PANEL.ids, (0.9, 0.7, 0.8, 0.6, 0.5), strict=True))

    decision = decide(specification(), reversed(reviews(**scores)))

    assert [(c.persona_id, c.weight, c.confidence_score, c.contribution) for c in decision.contributions] == [
        ("architect", 0.25, 0.9, 0.225),
        ("critic", 0.25, 0.7, 0.175),
        ("optimist", 0.15, 0.8, 0.12),
        ("security_guardian", 0.2, 0.6, 0.12),
        ("user_advocate", 0.15, 0.5, 0.075),
    ]
    assert decision.policy_version == POLICY_VERSION
    assert decision.decision_notes == ""


def replaced(*changed: panel_pb2.PersonaReview, score: float = 0.9) -> list[panel_pb2.PersonaReview]:
    """Everybody with one score, but for those given."""
    given = {each.persona_id for each in changed}
    return [*changed, *(r for r in even(score) if r.persona_id not in given)]


def test_a_veto_lowers_approve_to_revise() -> None:
    veto = review("security_guardian", 0.9, blocking=[("Keys in the log", True)])

    decision = decide(specification(), replaced(veto))

    assert label_name(decision.label) == "revise"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "SECURITY_VETO"]
    assert dict(decision.fired_rules[1].data) == {"persona_id": "security_guardian", "issue_count": "1"}
    assert "lowers approve to revise" in decision.fired_rules[1].explanation


@pytest.mark.parametrize(("score", "label"), [(0.7, "revise"), (0.2, "reject")])
def test_a_veto_raises_nothing_and_is_named_all_the_same(score: float, label: str) -> None:
    veto = review("security_guardian", score, blocking=[("Keys in the log", True)])

    decision = decide(specification(), replaced(veto, score=score))

    assert label_name(decision.label) == label
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "SECURITY_VETO"]
    assert f"is {label} already" in decision.fired_rules[1].explanation


@pytest.mark.parametrize(
    ("persona_id", "is_critical"),
    [("security_guardian", False), ("security_guardian", None), ("critic", True)],
    ids=["not critical", "critical or not left open", "somebody else's flag"],
)
def test_only_a_critical_issue_of_the_guardian_vetoes(persona_id: str, is_critical: bool | None) -> None:
    blocking = review(persona_id, 0.9, blocking=[("Keys in the log", is_critical)])

    decision = decide(specification(), replaced(blocking))

    assert label_name(decision.label) == "approve"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD"]


def test_whoever_quotes_what_is_not_there_cannot_veto_and_whoever_does_can() -> None:
    guardian = review("security_guardian", 0.9, blocking=[("Keys in the log", True)] * 2)
    guardian.blocking_issues[0].unsupported = True

    decision = decide(specification(), replaced(guardian))

    assert label_name(decision.label) == "revise"
    assert decision.fired_rules[1].data["issue_count"] == "1"
    guardian.blocking_issues[1].unsupported = True
    decision = decide(specification(), replaced(guardian))
    assert label_name(decision.label) == "approve"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD"]
    assert not decision.minority_reports


def test_a_minority_report_says_nothing_that_is_unsupported() -> None:
    critic = review("critic", 0.5, blocking=[("No way back", None)], concerns=["Slow", "Costly"])
    critic.blocking_issues[0].unsupported = critic.concerns[1].unsupported = True

    (report,) = decide(specification(), replaced(critic)).minority_reports

    assert report.blocking_summary.startswith("Low confidence")
    assert list(report.concerns) == ["Slow"]


def test_who_vetoes_and_must_answer_stands_in_the_specification_and_in_no_name() -> None:
    spec = specification(min_personas=4, required_personas=())
    for persona in spec.personas:
        persona.holds_veto = persona.persona_id == "critic"
    critical = [("Keys in the log", True)]
    guardians, critics = (review(each, 0.9, blocking=critical) for each in ("security_guardian", "critic"))
    without_critic = [each for each in even(0.9) if each.persona_id != "critic"]

    assert fired(decide(spec, replaced(guardians))) == ["CONFIDENCE_THRESHOLD"]
    assert fired(decide(spec, replaced(critics))) == ["CONFIDENCE_THRESHOLD", "SECURITY_VETO"]
    assert fired(decide(spec, without_critic)) == ["CONFIDENCE_THRESHOLD", "REQUIRED_PERSONA_MISSING"]


def test_blocking_issues_of_exactly_half_the_weight_lower_approve_to_revise() -> None:
    half = [review(each, 0.9, blocking=[("No way back", None)]) for each in ("architect", "critic")]

    decision = decide(specification(), replaced(*half))

    assert label_name(decision.label) == "revise"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "BLOCKING_WEIGHT"]
    assert dict(decision.fired_rules[1].data) == {
        "blocking_weight": "0.5000",
        "present_weight": "1.0000",
        "persona_ids": "architect,critic",
    }


def test_blocking_issues_of_less_than_half_the_weight_do_not() -> None:
    less = [
        review(each, 0.9, blocking=[("No way back", None)]) for each in ("architect", "security_guardian")
    ]

    decision = decide(specification(), replaced(*less))

    assert label_name(decision.label) == "approve"


def test_concerns_that_call_themselves_blocking_count_in_no_rule() -> None:
    panel = even(0.9)
    for each in panel:
        each.concerns.add(text="Stop", blocking=True)

    decision = decide(specification(), panel)

    assert label_name(decision.label) == "approve"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD"]


def test_a_partial_panel_says_who_is_missing_and_why_and_weighs_those_present() -> None:
    spec = specification(min_personas=3)
    present = reviews(architect=0.9, critic=0.7, security_guardian=0.8)
    missing = {
        "optimist": errors_pb2.ERROR_REASON_LLM_TIMEOUT,
        "user_advocate": errors_pb2.ERROR_REASON_LLM_REFUSED,
    }

    decision = decide(spec, present, missing)

    exact = (Decimal("0.25") * (Decimal("0.9") + Decimal("0.7")) + Decimal("0.2") * Decimal("0.8")) / Decimal(
        "0.7"
    )
    assert decision.overall_weighted_confidence == float(round(exact, 4))
    assert not decision.completeness.complete
    assert (decision.completeness.expected_count, decision.completeness.present_count) == (5, 3)
    assert [(m.persona_id, m.reason) for m in decision.completeness.missing_personas] == list(missing.items())
    assert label_name(decision.label) == "approve"


def test_without_the_guardian_there_is_no_approval() -> None:
    spec = specification(min_personas=4)
    present = [each for each in even(0.95) if each.persona_id != "security_guardian"]

    decision = decide(spec, present)

    assert label_name(decision.label) == "revise"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "REQUIRED_PERSONA_MISSING"]
    assert dict(decision.fired_rules[1].data) == {"persona_ids": "security_guardian"}


def test_the_guardian_is_required_though_the_specification_does_not_name_it() -> None:
    spec = specification(min_personas=4, required_personas=())
    present = [each for each in even(0.95) if each.persona_id != "security_guardian"]

    assert label_name(decide(spec, present).label) == "revise"


@pytest.mark.parametrize(
    "panel",
    [
        [],
        [*even(0.9), review("critic", 0.1)],
        [panel_pb2.PersonaReview(persona_id="stranger", confidence_score=0.9)],
        reviews(critic=1.0001),
        reviews(critic=-0.0001),
        reviews(critic=float("nan")),
    ],
    ids=["none", "a second one", "a stranger's", "above 1", "below 0", "no number"],
)
def test_reviews_that_make_no_panel_are_refused(panel: list[panel_pb2.PersonaReview]) -> None:
    with pytest.raises(ValueError, match=r"review|score"):
        decide(specification(), panel)


def test_under_approve_low_scores_and_blocking_issues_are_reported() -> None:
    low = review("user_advocate", 0.55)
    edge = review("optimist", 0.60)
    blocking = review(
        "critic",
        0.95,
        blocking=[("No way back", None), ("No owner", False)],
        recommendations=["Stage it", "Name one"],
        strengths=["Clear"],
        concerns=["Late"],
    )

    decision = decide(specification(), replaced(low, edge, blocking, score=0.99))

    assert label_name(decision.label) == "approve"
    critic, advocate = decision.minority_reports
    assert critic == decision_pb2.MinorityReport(
        persona_id="critic",
        persona_name="Critic",
        confidence_score=0.95,
        blocking_summary="No way back; No owner",
        mitigation_recommendation="Stage it; Name one",
        strengths=["Clear"],
        concerns=["Late"],
    )
    assert advocate.persona_id == "user_advocate"
    assert advocate.blocking_summary == "Low confidence (0.55) indicates significant concerns"
    assert advocate.mitigation_recommendation == "Address concerns raised by this persona before proceeding"


@pytest.mark.parametrize(
    ("score", "shown"), [(0.5, "0.50"), (0.0, "0.00"), (0.555, "0.555"), (0.1234, "0.1234")]
)
def test_a_low_score_is_shown_with_two_decimals_or_as_many_as_it_has(score: float, shown: str) -> None:
    decision = decide(specification(), replaced(review("user_advocate", score), score=1.0))

    assert f"({shown})" in decision.minority_reports[0].blocking_summary


def test_under_revise_only_blocking_issues_are_reported() -> None:
    low, blocking = review("user_advocate", 0.1), review("critic", 0.7, blocking=[("No way back", None)])

    decision = decide(specification(), replaced(low, blocking, score=0.8))

    assert label_name(decision.label) == "revise"
    assert [report.persona_id for report in decision.minority_reports] == ["critic"]


def test_under_reject_nothing_is_reported() -> None:
    blocking = review("critic", 0.1, blocking=[("No way back", True)])

    assert not decide(specification(), replaced(blocking, score=0.1)).minority_reports


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in GOLDEN_CASES
        if not case.suspicions and not any(each.stale_sections for each in case.reviews)
    ],
    ids=lambda case: case.name,
)
def test_where_every_review_read_an_unsuspected_text_the_newer_policy_decides_as_those_before(
    case: GoldenCase,
) -> None:
    before, spec = case.decide(), case.specification()
    spec.policy_version = POLICY_VERSION

    after = decide(spec, case.reviews, case.missing)

    assert not after.HasField("fresh_weight")
    after.policy_version = before.policy_version
    assert after == before


@pytest.mark.parametrize(
    ("fresh", "weight", "label", "reads_veto"),
    [
        ((), 0.0, "revise", "false"),
        (("security_guardian",), 0.2, "revise", "true"),
        (("security_guardian", "user_advocate"), 0.35, "revise", "true"),
        (("architect", "critic"), 0.5, "revise", "false"),
        (("architect", "critic", "optimist", "user_advocate"), 0.8, "revise", "false"),
        (("security_guardian", "architect"), 0.45, "approve", None),
    ],
)
def test_a_text_that_too_few_or_no_holder_of_a_veto_read_is_not_approved(
    fresh: tuple[str, ...], weight: float, label: str, reads_veto: str | None
) -> None:
    unread = [each for each in even(0.95) if each.persona_id not in fresh]
    read = [each for each in even(0.95) if each.persona_id in fresh]

    decision = decide(specification(), [*read, *stale(*unread)])

    assert (label_name(decision.label), decision.fresh_weight) == (label, weight)
    if reads_veto is None:
        assert fired(decision) == ["CONFIDENCE_THRESHOLD"]
        return
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "FRESH_WEIGHT"]
    assert dict(decision.fired_rules[1].data) == {
        "fresh_weight": f"{weight:.4f}",
        "least_fresh_weight": "0.40",
        "veto_holder_read": reads_veto,
        "stale_persona_ids": ",".join(each.persona_id for each in unread),
    }


def test_of_the_panels_weight_exactly_two_fifths_are_enough() -> None:
    spec = specification()
    for persona, weight in zip(spec.personas, (0.2, 0.2, 0.2, 0.2, 0.2), strict=True):
        persona.weight = weight
    read, unread = even(0.95)[3:], even(0.95)[:3]

    assert label_name(decide(spec, [*read, *stale(*unread)]).label) == "approve"
    assert label_name(decide(spec, [read[0], *stale(*unread, read[1])]).label) == "revise"


def test_a_carried_over_review_of_an_unchanged_text_counts_as_read() -> None:
    carried = even(0.95)
    for each in carried:
        each.reused_from_run_id = "parent"

    decision = decide(specification(), carried)

    assert (label_name(decision.label), decision.HasField("fresh_weight")) == ("approve", False)


def test_a_run_is_decided_by_the_policy_that_it_names_and_by_no_other() -> None:
    with pytest.raises(UnknownPolicyError):
        decide(specification(policy_version="0.9"), even(0.9))


CANARY = suspicion_pb2.Suspicion(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_CANARY)


def test_a_suspected_proposal_is_not_approved_and_the_rule_says_what_was_found() -> None:
    decision = decide(specification(), even(0.95), suspicions=[CANARY])

    assert label_name(decision.label) == "revise"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD", "SUSPECTED_INJECTION"]
    assert dict(decision.fired_rules[1].data) == {"texts": "proposal", "kinds": "CANARY"}
    assert "canary in proposal" in decision.fired_rules[1].explanation


def test_what_is_suspected_of_the_texts_the_proposal_and_a_review_is_told_together() -> None:
    spec, panel = specification(), even(0.95)
    spec.suspicions.extend(SUSPECTED)
    panel[1].suspicions.add(text="review_critic", kind=suspicion_pb2.SUSPICION_KIND_CANARY)

    decision = decide(spec, panel, suspicions=[CANARY])

    assert dict(decision.fired_rules[1].data) == {
        "texts": "idea,context,proposal,review_critic",
        "kinds": "OVERRIDE,INVISIBLE,CANARY,CANARY",
    }


@pytest.mark.parametrize(("score", "label"), [(0.7, "revise"), (0.2, "reject")])
def test_a_suspicion_only_lowers(score: float, label: str) -> None:
    decision = decide(specification(), even(score), suspicions=[CANARY])

    assert label_name(decision.label) == label


def test_a_policy_may_approve_what_is_suspected() -> None:
    decision = decide(
        specification(), even(0.95), policy=replace(DEFAULT, approve_suspected=True), suspicions=[CANARY]
    )

    assert label_name(decision.label) == "approve"
    assert fired(decision) == ["CONFIDENCE_THRESHOLD"]


def test_a_kind_of_a_newer_release_is_suspected_too() -> None:
    newer = suspicion_pb2.Suspicion.FromString(b"\x0a\x04idea\x10\x63")

    decision = decide(specification(), even(0.95), suspicions=[newer])

    assert dict(decision.fired_rules[1].data) == {"texts": "idea", "kinds": "99"}
