"""What a record claims is held against what the run named and what is recorded."""

from collections.abc import Callable, Sequence

import pytest

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, run_event_pb2, run_pb2, suspicion_pb2
from consensus_contract.errors import PolicyUnknown
from consensus_decision.decision import decide
from consensus_decision.policies import POLICY_VERSION
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.runs.form.entries import NewRunEntry, item_entry
from persistence_service.runs.form.panel import panel_of
from persistence_service.runs.form.payloads import proposal_columns
from persistence_service.runs.write.recomputing import Recorded, check_claims
from tests.support.decisions import GOLDEN_CASES, GoldenCase
from tests.support.records import PERSONAS, decision, item_of, proposal, review, specification

Change = Callable[[decision_pb2.Decision], object]

# Of a parent whose proposal had another solution.
REVISION = run_pb2.RevisionSpecification(parent_run_id="parent", parent_proposal=proposal())
REVISION.parent_proposal.proposed_solution = "Another."


def entries(*payloads: object) -> list[NewRunEntry]:
    return [item_entry(item_of(each)) for each in payloads]


def ready(given: panel_pb2.PersonaReview) -> run_event_pb2.PersonaReviewReady:
    return run_event_pb2.PersonaReviewReady(persona_review=given)


def rows(reviews: Sequence[panel_pb2.PersonaReview]) -> list[Columns]:
    return [new.payload or {} for new in entries(*map(ready, reviews))]


def check(
    decided: decision_pb2.Decision,
    reviews: Sequence[panel_pb2.PersonaReview],
    run: run_pb2.RunSpecification | None = None,
) -> None:
    check_claims(
        "r",
        panel_of(run or specification()),
        entries(run_event_pb2.DecisionReady(decision=decided)),
        Recorded(rows(reviews), proposal_columns(proposal()), run_pb2.RunSpecification(revision=REVISION)),
    )


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_what_the_rule_makes_of_the_reviews_is_taken_in_any_order(case: GoldenCase) -> None:
    check(case.decide(), case.reviews, case.specification())
    check(case.decide(), list(reversed(case.reviews)), case.specification())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("label", lambda d: setattr(d, "label", decision_pb2.DECISION_LABEL_APPROVE)),
        ("overall_weighted_confidence", lambda d: setattr(d, "overall_weighted_confidence", 0.8124)),
        ("contributions", lambda d: setattr(d.contributions[1], "contribution", 0.2)),
        ("contributions", lambda d: d.contributions.pop()),
        ("fired_rules", lambda d: d.fired_rules.pop()),
        ("fired_rules", lambda d: setattr(d.fired_rules[0], "explanation", "Trust me.")),
        ("minority_reports", lambda d: d.minority_reports.pop()),
        ("completeness", lambda d: d.ClearField("completeness")),
        ("completeness", lambda d: setattr(d.completeness, "present_count", 4)),
        ("policy_version", lambda d: setattr(d, "policy_version", "0.9.0")),
    ],
)
def test_a_decision_that_the_reviews_do_not_give_is_refused(name: str, change: Change) -> None:
    changed = decision()
    change(changed)
    with pytest.raises(InvalidField, match=f"decision.{name}"):
        check(changed, [review(persona) for persona in PERSONAS])


def test_a_decision_needs_the_reviews_of_the_quorum() -> None:
    four = [review(persona) for persona in PERSONAS[:4]]
    missing = {"user_advocate": errors_pb2.ERROR_REASON_LLM_TIMEOUT}
    with pytest.raises(InvalidField, match="quorum; 4 are recorded"):
        check(decide(specification(), four, missing), four)
    relaxed = specification()
    relaxed.quorum.min_personas = 4
    check(decide(relaxed, four, missing), four, relaxed)


def test_a_policy_that_this_release_does_not_know_is_waited_for() -> None:
    newer, reviews = specification(policy_version="9.0.0"), [review(persona) for persona in PERSONAS]
    decided = decision()
    decided.policy_version = "9.0.0"
    with pytest.raises(PolicyUnknown, match=r"policy 9\.0\.0") as caught:
        check(decided, reviews, newer)
    assert caught.value.retryable


def test_a_review_of_an_earlier_text_is_stale_whatever_the_worker_says() -> None:
    carried = [review(persona, 0.95) for persona in PERSONAS]
    for each in carried:
        each.ClearField("blocking_issues")
        each.blocking_issues_present = False
        each.reused_from_run_id = "parent"
    newest = specification(policy_version=POLICY_VERSION)
    decided = decide(newest, carried)  # as if all had read the text
    assert decided.label == decision_pb2.DECISION_LABEL_APPROVE
    with pytest.raises(InvalidField, match=r"decision\.label"):
        check(decided, carried, newest)
    decided = decide(specification(policy_version="1.0.0"), carried)
    check(decided, carried, specification(policy_version="1.0.0"))


SUSPECTED = suspicion_pb2.Suspicion(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_CANARY)


def approving() -> list[panel_pb2.PersonaReview]:
    """Reviews that approve."""
    reviews = [review(persona, 0.95) for persona in PERSONAS]
    for each in reviews:
        each.ClearField("blocking_issues")
        each.blocking_issues_present = False
    return reviews


def test_what_the_texts_or_a_review_are_suspected_of_counts_whatever_the_worker_says() -> None:
    newest, reviews = specification(policy_version=POLICY_VERSION), approving()
    unsuspecting = decide(newest, reviews)
    assert unsuspecting.label == decision_pb2.DECISION_LABEL_APPROVE
    check(unsuspecting, reviews, newest)

    of_texts = specification(policy_version=POLICY_VERSION, suspicions=[SUSPECTED])
    reviews[1].suspicions.add().CopyFrom(SUSPECTED)
    for run, given in ((of_texts, approving()), (newest, reviews)):
        with pytest.raises(InvalidField, match=r"decision\.label"):
            check(unsuspecting, given, run)
        check(decide(run, given), given, run)


def test_what_a_proposal_in_the_same_record_is_suspected_of_counts() -> None:
    newest, reviews = specification(policy_version=POLICY_VERSION), approving()
    suspected = run_event_pb2.ProposalReady(proposal=proposal(), suspicions=[SUSPECTED])

    def claim(decided: decision_pb2.Decision) -> None:
        ready_decision = run_event_pb2.DecisionReady(decision=decided)
        whole = entries(suspected, *map(ready, reviews), ready_decision)
        check_claims("r", panel_of(newest), whole)

    with pytest.raises(InvalidField, match=r"decision\.label"):
        claim(decide(newest, reviews))
    claim(decide(newest, reviews, suspicions=[SUSPECTED]))


def test_a_panel_without_weight_decides_nothing() -> None:
    weightless, reviews = specification(), [review(persona) for persona in PERSONAS]
    for persona in weightless.personas:
        persona.weight = 0
    with pytest.raises(InvalidField, match="carry weight"):
        check(decision(), reviews, weightless)


@pytest.mark.parametrize("name", ["blocking_issues_present", "security_critical_issues_present"])
def test_marks_say_what_the_blocking_issues_say(name: str) -> None:
    lying = review("critic")
    setattr(lying, name, not getattr(lying, name))
    with pytest.raises(InvalidField, match=name):
        check_claims("r", panel_of(specification()), entries(ready(lying)))


def unsupported(persona: str) -> panel_pb2.PersonaReview:
    """A review whose blocking issues, and one concern, quote only what is not there."""
    marked = review(persona)
    marked.concerns.add(text="Slow")
    for issue in marked.blocking_issues:
        issue.ClearField("quotations")
        issue.unsupported = True
    marked.concerns[-1].unsupported = True
    marked.blocking_issues_present = marked.security_critical_issues_present = False
    marked.provenance.dropped_quotation_count = len(marked.blocking_issues) + 1
    return marked


def test_what_is_unsupported_counts_in_no_mark() -> None:
    marked = unsupported("critic")
    check_claims("r", panel_of(specification()), entries(ready(marked)))
    marked.blocking_issues_present = True
    with pytest.raises(InvalidField, match="blocking_issues_present"):
        check_claims("r", panel_of(specification()), entries(ready(marked)))


def test_nothing_with_a_quotation_is_unsupported() -> None:
    marked = unsupported("critic")
    marked.blocking_issues[0].quotations.add(section="1", text="Keys are logged.")
    with pytest.raises(InvalidField, match="unsupported"):
        check_claims("r", panel_of(specification()), entries(ready(marked)))


def test_nothing_is_unsupported_but_by_a_quotation_that_was_left_out() -> None:
    marked = unsupported("critic")
    marked.provenance.dropped_quotation_count -= 1
    with pytest.raises(InvalidField, match="dropped_quotation_count"):
        check_claims("r", panel_of(specification()), entries(ready(marked)))
    marked.ClearField("provenance")
    with pytest.raises(InvalidField, match="dropped_quotation_count"):
        check_claims("r", panel_of(specification()), entries(ready(marked)))


def test_reviews_and_the_decision_may_stand_in_one_record() -> None:
    reviews = [ready(review(persona)) for persona in PERSONAS]
    whole = entries(*reviews, run_event_pb2.DecisionReady(decision=decision()))
    check_claims("r", panel_of(specification()), whole)
