"""What people say of a run beside its panel, as it is shown, and which label holds."""

import pytest

from consensus.v1 import decision_pb2, decision_service_pb2, human_review_pb2, panel_pb2, run_pb2
from consensus_cli.execution import exits
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import markdown_report
from consensus_cli.view.decisions import explanation_lines, what_if_lines
from consensus_cli.view.lists import run_lines
from consensus_cli.view.people import human_review_lines
from consensus_cli.view.run import run_blocks
from consensus_client import effective_label
from consensus_report.people import NOT_COUNTED
from tests.unit.consensus_client import samples

APPROVE, REVISE = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REVISE
REJECT = decision_pb2.DECISION_LABEL_REJECT


def reviewed(*, counted: bool = True) -> run_pb2.Run:
    run = samples.completed_run()
    run.human_reviews.add(
        review_id="h1",
        confidence_score=0.25,
        user="ann",
        caller="svc",
        blocking_issues=[panel_pb2.BlockingIssue(text="It leaks.\x1b[2J", security_critical=True)],
        recommendations=["Wait."],
    )
    if counted:
        together = run.decision_with_humans
        together.label, together.overall_weighted_confidence = REJECT, 0.5
        together.contributions.add(persona_id="human:h1", weight=0.5, confidence_score=0.25)
        together.fired_rules.add(explanation="The weighted confidence of 0.5 is below 0.60: reject.")
    return run


def test_a_run_shows_each_person_and_the_decision_with_them_before_the_panels() -> None:
    shown = [block.text for block in run_blocks(reviewed())]

    person = shown.index("ann, a person  0.25")
    assert shown[person + 2].startswith("- It leaks.")
    assert "\x1b" not in shown[person + 2]
    together = shown.index("REJECT with people  confidence 0.50")
    assert shown[together + 1] == "the panel and ann, weight 0.50 each"
    assert person < together < shown.index("Decision of the panel")


def test_a_run_says_that_people_do_not_count() -> None:
    assert NOT_COUNTED in [block.text for block in run_blocks(reviewed(counted=False))]
    assert NOT_COUNTED not in [block.text for block in run_blocks(samples.completed_run())]


@pytest.mark.parametrize("report", [html_report, markdown_report])
def test_reports_show_people_too(report: type) -> None:
    for run, said in ((reviewed(), "the panel and ann"), (reviewed(counted=False), "do not count")):
        page = report(run, [])
        assert said in page
        assert "Reviews by people" in page
        assert "It leaks." in page
    assert "people" not in report(samples.completed_run(), [])


def test_the_label_that_holds_is_an_overrides_else_peoples_else_the_panels() -> None:
    run = samples.completed_run()
    run.decision.label = APPROVE
    plain = (effective_label(run), exits.of_run(run, gate=True), run_lines([run])[1])
    run.decision_with_humans.label = REJECT
    together = (effective_label(run), exits.of_run(run, gate=True), run_lines([run])[1])
    run.effective_override.label = REVISE
    overridden = (effective_label(run), exits.of_run(run, gate=True), run_lines([run])[1])

    assert (plain[0], plain[1]) == (APPROVE, exits.OK)
    assert "APPROVE  " in plain[2]
    assert (together[0], together[1]) == (REJECT, exits.REJECT)
    assert "REJECT, with people" in together[2]
    assert (overridden[0], overridden[1]) == (REVISE, exits.REVISE)
    assert "REVISE, overridden" in overridden[2]
    assert exits.of_run(run, gate=False) == exits.OK


def test_a_list_marks_what_a_later_review_replaced() -> None:
    newer = human_review_pb2.HumanReview(run_id="r", review_id="2", user="ann", confidence_score=0.5)
    older = human_review_pb2.HumanReview(run_id="r", review_id="1", user="ann", confidence_score=0.9)

    _, first, second = human_review_lines([newer, older])

    assert not first.endswith("replaced")
    assert second.endswith("replaced")


def test_explanations_and_what_if_tell_of_people_apart() -> None:
    answer = decision_service_pb2.ExplainDecisionResponse(
        decision=decision_pb2.Decision(label=APPROVE),
        decision_with_humans=decision_pb2.Decision(label=REJECT),
        steps_with_humans=[decision_pb2.DecisionStep(name="weighing", fired=True, explanation="sum")],
    )
    again = decision_service_pb2.ReaggregatedRun(
        run_id="r",
        label=APPROVE,
        decision=answer.decision,
        decision_with_humans=answer.decision_with_humans,
    )

    assert explanation_lines(answer)[-3:] == ["1. weighing: sum", "", "decision with people: reject"]
    lines = what_if_lines([again], {"r": APPROVE})
    assert "with people counted in, 1 of 1 that they reviewed change again" in lines
    assert lines[-1] == "of 1 with an outcome, 1 were right, 1 would be"
