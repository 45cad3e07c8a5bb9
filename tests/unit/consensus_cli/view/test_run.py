"""A run as blocks of text: nothing twice, and what blocks told apart from what is called blocking."""

from consensus.v1 import panel_pb2
from consensus_cli.view.run import review_sections, run_blocks
from consensus_report.quotations import Places
from tests.unit.consensus_client import samples


def test_what_a_review_says_twice_stands_once_as_what_counts() -> None:
    review = panel_pb2.PersonaReview(
        blocking_issues=[panel_pb2.BlockingIssue(text="Keys leak.")],
        concerns=[
            panel_pb2.Concern(text="keys  leak", blocking=True),
            panel_pb2.Concern(text="It is late.", blocking=True),
            panel_pb2.Concern(text="It is late."),
        ],
        recommendations=["Keep them elsewhere.", "Keep them elsewhere"],
    )
    places = Places(samples.completed_run().specification)
    shown = {name: [item.words for item in items] for name, items in review_sections(review, places)}
    assert shown == {
        "Blocking": ["Keys leak."],
        "Concerns": ["It is late. (called blocking, counts as a concern)"],
        "Recommendations": ["Keep them elsewhere."],
    }


def test_a_shown_run_tells_a_dissenters_view_once() -> None:
    lines = [block.text for block in run_blocks(samples.completed_run())]
    assert sum("Numbers are kept in plain text." in line for line in lines) == 1
    assert "- dissenting: SecurityGuardian (0.00)" in lines


def test_numbers_have_one_format() -> None:
    run = samples.completed_run()
    run.decision.overall_weighted_confidence = 0.255
    run.decision.fired_rules[0].explanation = "The weighted confidence of 0.2550 is below 0.60: reject."
    lines = [block.text for block in run_blocks(run)]
    assert "REVISE  confidence 0.255" in lines
    assert "- The weighted confidence of 0.255 is below 0.60: reject." in lines
    assert any(line.split() == ["took", "2.5", "s"] for line in lines)
