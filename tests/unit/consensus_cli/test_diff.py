"""Two runs compared, as people are shown it: exact, with what moved the decision, and harmless."""

import pytest

from consensus.v1 import decision_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import escape, markdown_report
from consensus_cli.view.diff import decimal, diff_blocks, line_style, movement
from consensus_client.requests import merge_pages
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.samples import EVIL

ScoreDiff = review_service_pb2.ScoreDiff


def score(before: int | None, after: int | None) -> ScoreDiff:
    delta = None if before is None or after is None else after - before
    return ScoreDiff(before_ten_thousandths=before, after_ten_thousandths=after, delta_ten_thousandths=delta)


def rule(kind: decision_pb2.DecisionRule.ValueType, words: str) -> decision_pb2.FiredRule:
    return decision_pb2.FiredRule(rule=kind, explanation=words)


def comparison() -> review_service_pb2.DiffRunsResponse:
    return review_service_pb2.DiffRunsResponse(
        relationship=review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B,
        sections=[
            review_service_pb2.ProposalSectionDiff(
                section="summary",
                change=review_service_pb2.DIFF_CHANGE_MODIFIED,
                unified_diff_lines=["--- a/summary", "+++ b/summary", "@@ -1 +1 @@", "-Old", f"+{EVIL}"],
            ),
            review_service_pb2.ProposalSectionDiff(
                section="assumptions", change=review_service_pb2.DIFF_CHANGE_UNCHANGED
            ),
        ],
        personas=[
            review_service_pb2.PersonaDiff(
                persona_id="architect",
                change=review_service_pb2.DIFF_CHANGE_MODIFIED,
                score=score(6500, 9500),
                contribution=score(1625, 2375),
                blocking_before=True,
                blocking_after=False,
                security_before=True,
                security_after=True,
            ),
            review_service_pb2.PersonaDiff(
                persona_id="critic",
                change=review_service_pb2.DIFF_CHANGE_UNCHANGED,
                score=score(0, 0),
                contribution=score(0, 0),
                reused_from_run_id="r1",
            ),
            review_service_pb2.PersonaDiff(
                persona_id="optimist",
                change=review_service_pb2.DIFF_CHANGE_ADDED,
                score=score(None, 8000),
            ),
        ],
        decision=review_service_pb2.DecisionDiff(
            change=review_service_pb2.DIFF_CHANGE_MODIFIED,
            label_before=decision_pb2.DECISION_LABEL_REVISE,
            label_after=decision_pb2.DECISION_LABEL_APPROVE,
            confidence=score(7625, 8375),
            rules_before=[rule(decision_pb2.DECISION_RULE_SECURITY_VETO, "the guardian's veto")],
            rules_after=[rule(decision_pb2.DECISION_RULE_BLOCKING_WEIGHT, "half of the weight blocks")],
        ),
    )


def revision() -> run_pb2.Run:
    run = samples.completed_run()
    run.parent_run_id = "r1"
    run.specification.revision.CopyFrom(
        run_pb2.RevisionSpecification(
            parent_run_id="r1", edit_notes=f"Notes {EVIL}", parent_proposal=proposal_pb2.Proposal()
        )
    )
    return run


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0.00"), (6500, "0.65"), (10_000, "1.00"), (1, "0.0001"), (-750, "-0.075"), (-10_000, "-1.00")],
)
def test_numbers_are_written_exactly(number: int, written: str) -> None:
    assert decimal(number) == written


def test_a_score_of_nothing_is_written_and_one_that_is_not_there_is_not() -> None:
    assert movement(score(0, 0)) == "0.00 -> 0.00 (0.00)"
    assert movement(score(None, 8000)) == "none -> 0.80"


def test_the_blocks_say_what_moved_the_decision() -> None:
    lines = [block.text for block in diff_blocks("r1", "r2", comparison())]
    assert lines[:7] == [
        "a  r1",
        "b  r2  (b revises a)",
        "",
        "REVISE -> APPROVE  confidence 0.7625 -> 0.8375 (+0.075)",
        "- no longer: the guardian's veto",
        "- new: half of the weight blocks",
        "- Architect: 0.65 -> 0.95 (+0.30), +0.075 of the confidence",
    ]
    assert "Architect    0.65   0.95  +0.30  +0.075  no longer blocking, still security-critical" in lines
    assert "Critic       0.00   0.00   0.00    0.00  carried over" in lines
    assert "unchanged: Assumptions" in lines


def test_no_line_of_a_diff_is_obeyed_by_a_terminal() -> None:
    for block in diff_blocks("r1", "r2", comparison()):
        assert all(char.isprintable() for char in block.text)


@pytest.mark.parametrize(
    ("line", "style"),
    [("+x", "green"), ("-x", "red"), ("@@ -1 +1 @@", "cyan"), ("+++ b/x", "bold"), (" x", ""), ("", "")],
)
def test_lines_are_coloured_by_what_they_are(line: str, style: str) -> None:
    assert line_style(line) == style


def test_pages_become_one_comparison() -> None:
    first, second = comparison(), comparison()
    first.next_page_token = "t"
    second.sections[0].unified_diff_lines[:] = ["+more"]
    whole = merge_pages([first, second])
    assert list(whole.sections[0].unified_diff_lines)[-1] == "+more"
    assert len(whole.sections[0].unified_diff_lines) == 6
    assert whole.next_page_token == ""


def test_the_html_report_shows_what_changed_and_nothing_of_it_is_markup() -> None:
    page = html_report(revision(), [], comparison())
    assert "<h2>What changed</h2>" in page
    assert "REVISE -&gt; APPROVE  confidence 0.7625 -&gt; 0.8375 (+0.075)" in page
    assert '<span class="line removed">-Old' in page
    assert "<script>" not in page


def test_the_markdown_report_shows_what_changed_and_nothing_of_it_is_markup() -> None:
    lines = markdown_report(revision(), [], comparison()).splitlines()
    assert "## What changed" in lines
    assert "### Summary (modified)" in lines
    assert "    -Old" in lines
    assert not [line for line in lines if line.lstrip().startswith("<script>")]


def test_a_first_runs_report_has_nothing_of_it() -> None:
    assert "What changed" not in html_report(samples.completed_run(), [])
    assert "What changed" not in markdown_report(samples.completed_run(), [])


@pytest.mark.parametrize(
    ("words", "escaped"),
    [
        ("1. not a list", "1\\. not a list"),
        ("2) nor this", "2\\) nor this"),
        ("0.65", "0.65"),
        ("-x", "\\-x"),
    ],
)
def test_a_line_is_no_list_in_markdown(words: str, escaped: str) -> None:
    assert escape(words) == escaped
