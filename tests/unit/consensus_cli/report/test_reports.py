"""A run as a document: whole, and nothing of its text is markup."""

from html import unescape

import pytest

from consensus.v1 import decision_pb2, suspicion_pb2
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import escape, markdown_report
from consensus_cli.report.markup import Markup, element, render
from tests.unit.consensus_cli.comparisons import comparison, revision
from tests.unit.consensus_client import samples


def test_text_in_an_element_is_escaped_and_markup_is_not() -> None:
    made = element("p", "<b>&\"'", element("i", "x"), None, title='"><script>')
    assert render(made) == ('<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&quot;&#x27;<i>x</i></p>')
    assert isinstance(made, Markup)


def test_the_html_report_is_one_file_without_scripts_or_anything_from_elsewhere() -> None:
    html = html_report(samples.completed_run(), samples.attempts())
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not [mark for mark in ("src=", "href=", "url(", "@import", "http:", "https:") if mark in html]
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "\u202e" not in html


def test_the_html_report_draws_each_score_as_a_bar_of_its_length() -> None:
    html = html_report(samples.completed_run(), [])
    for _, _, score in samples.PERSONAS.values():
        assert f"width:{score * 100:.2f}%" in html


def test_the_reports_say_what_was_decided_why_and_what_it_took() -> None:
    run, attempts = samples.completed_run(), samples.attempts()
    for document in (html_report(run, attempts), markdown_report(run, attempts)):
        for part in ("REVISE", "0.6269", "security-critical", "Minority reports", "2 calls to the model"):
            assert part in document


def test_the_reports_say_what_of_the_panel_answered_and_what_it_did_not_read() -> None:
    run = samples.completed_run()
    run.decision.fresh_weight = 0.2
    run.persona_reviews[2].reused_from_run_id = "r0"
    run.persona_reviews[2].stale_sections.extend(["proposed_solution", "assumptions"])
    for document in (html_report(run, []), markdown_report(run, []).replace("\\", "")):
        for part in (
            "panel 3 of 5, weight 0.60; Critic failed 14:00:03 LLM_TIMEOUT; fresh weight 0.20",
            "Critic (0.25): asked 2026-11-20 14:00:01 UTC, failed 2026-11-20 14:00:03 UTC, LLM_TIMEOUT",
            "Optimist (0.15): review carried over",
            "UserAdvocate (0.15): asked 2026-11-20 14:00:01 UTC, no answer",
            "stale: Solution, Assumptions",
        ):
            assert part in document


def test_the_reports_say_what_a_run_is_suspected_of() -> None:
    run = samples.completed_run()
    for document in (html_report(run, []), markdown_report(run, [])):
        assert "SUSPECTED" not in document
    run.suspicions.add(text="idea", kind=suspicion_pb2.SUSPICION_KIND_OVERRIDE)
    run.suspicions.add(text="review_critic", kind=suspicion_pb2.SUSPICION_KIND_CANARY)
    for document in (html_report(run, []), markdown_report(run, []).replace("\\", "")):
        assert document.count("SUSPECTED INJECTION: override in idea, canary in review_critic") == 2


def test_the_reports_say_whose_label_holds_and_the_panels_too() -> None:
    run = samples.completed_run()
    run.effective_override.label = decision_pb2.DECISION_LABEL_REJECT
    run.effective_override.user, run.effective_override.reason = "ann", "the law\u202e forbids it"
    words = "by ann instead of the panel's decision: the law"
    for document in (html_report(run, []), markdown_report(run, []).replace("\\", "")):
        text = unescape(document.partition("</title>")[2] or document)
        assert text.index("REJECT") < text.index(words) < text.index("REVISE")
        assert "\u202e" not in document


def test_the_reports_of_a_failed_run_say_why() -> None:
    run = samples.completed_run()
    run.ClearField("decision")
    run.failure.CopyFrom(samples.failure())
    assert "QUORUM_NOT_MET" in html_report(run, [])
    assert r"QUORUM\_NOT\_MET" in markdown_report(run, [])


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
    ("given", "shown"),
    [
        ("# heading", r"\# heading"),
        ("1. item", r"1\. item"),
        ("2) item", r"2\) item"),
        ("0.65", "0.65"),
        ("-x", r"\-x"),
        ("- item", r"\- item"),
        ("a | b", r"a \| b"),
        ("[x](y)", r"\[x\](y)"),
        ("<b>", r"\<b\>"),
        ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
    ],
)
def test_markdown_shows_a_runs_text_as_it_stands(given: str, shown: str) -> None:
    assert escape(given) == shown
