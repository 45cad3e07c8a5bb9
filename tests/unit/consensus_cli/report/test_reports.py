"""A run as a document: whole, and nothing of its text is markup."""

from html import unescape
from importlib.resources import files

import pytest

from consensus.v1 import decision_pb2, run_pb2, suspicion_pb2
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import escape, markdown_report
from tests.unit.consensus_client import samples
from tests.unit.consensus_report.comparisons import comparison, revision


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


def test_the_reports_of_a_failed_run_say_why_and_what_resumes_it() -> None:
    run = samples.completed_run()
    run.ClearField("decision")
    run.state = run_pb2.RUN_STATE_FAILED
    run.failure.CopyFrom(samples.failure())
    for document in (html_report(run, []), markdown_report(run, []).replace("\\", "")):
        assert "QUORUM_NOT_MET" in document
        assert f"consensus resume {samples.RUN}" in document
        assert "FAILED" in document


def test_a_failed_run_has_another_badge_than_a_rejection() -> None:
    style = (files("consensus_report.html") / "fragments.css").read_text(encoding="utf-8")
    (rejected,) = (line for line in style.splitlines() if ".verdict.reject" in line)
    (failed,) = (line for line in style.splitlines() if ".verdict.failed" in line)
    assert "failed" not in rejected
    assert "dashed" in failed


def lowered() -> run_pb2.Run:
    """A run that its confidence approves, and a veto does not."""
    run = samples.completed_run()
    decision = run.decision
    decision.overall_weighted_confidence = 0.9
    decision.fired_rules[0].data["persona_id"] = "security_guardian"
    decision.fired_rules.insert(
        0,
        decision_pb2.FiredRule(
            rule=decision_pb2.DECISION_RULE_CONFIDENCE_THRESHOLD,
            explanation="The weighted confidence of 0.9000 is at least 0.75: approve.",
            data={"label": "approve", "approve_threshold": "0.75", "revise_threshold": "0.60"},
        ),
    )
    return run


def test_the_scale_shows_a_veto_and_what_it_took_of_the_confidence() -> None:
    page = html_report(lowered(), [])
    assert '<rect width="75.00%" class="fill middle"></rect>' in page
    assert '<line y1="50%" y2="50%" class="barred" x1="75.00%" x2="90.00%"></line>' in page
    words = "APPROVE by the confidence alone; REVISE because of a veto (SecurityGuardian)."
    assert words in page
    assert words in markdown_report(lowered(), [])


def test_the_scale_has_the_thresholds_that_decided() -> None:
    page = html_report(lowered(), [])
    assert "approve from 0.75" in page
    assert "approve from" not in html_report(samples.completed_run(), [])  # none are told


def test_the_reports_say_when_which_model_and_who() -> None:
    run = samples.completed_run()
    run.specification.user = "ann"
    words = f"2026-11-20 14:00:00 UTC, run {samples.RUN}, model test-model, by anonymous for ann"
    assert words in html_report(run, [])
    assert words in markdown_report(run, []).replace("\\", "")


def test_what_blocks_comes_first_and_what_is_long_is_folded() -> None:
    page = html_report(samples.completed_run(), [])
    assert page.index("<h2>What blocks it</h2>") < page.index("<h2>Why</h2>")
    assert page.count("<details") == page.count("<summary") == len(samples.PERSONAS) + 4
    assert "<details open" not in page


def test_of_a_changed_line_the_words_that_differ_are_marked() -> None:
    change = comparison()
    del change.sections[0].unified_diff_lines[:]
    change.sections[0].unified_diff_lines.extend(
        ["@@ -1 +1 @@", "-Send a message one day before.", "+Send a letter one day before."]
    )
    page = html_report(revision(), [], change)
    assert "-Send a <del>message</del> one day before." in page
    assert "+Send a <ins>letter</ins> one day before." in page


def test_a_printed_report_has_page_numbers() -> None:
    page = html_report(samples.completed_run(), [])
    assert 'counter(page) " / " counter(pages)' in page


def test_the_html_report_shows_what_changed_and_nothing_of_it_is_markup() -> None:
    page = html_report(revision(), [], comparison())
    assert "<h2>What changed</h2>" in page
    assert "REVISE -&gt; APPROVE  confidence 0.7625 -&gt; 0.8375 (+0.075)" in page
    assert '<span class="line removed">-<del>Old</del>' in page
    assert "<script>" not in page


def test_the_markdown_report_shows_what_changed_and_nothing_of_it_is_markup() -> None:
    lines = markdown_report(revision(), [], comparison()).splitlines()
    assert "## What changed" in lines
    assert "### Summary (modified)" in lines
    assert "    -Old" in lines
    assert not [line for line in lines if line.lstrip().startswith("<script>")]


def test_headings_of_a_document_are_no_markup_of_the_markdown_report() -> None:
    change = comparison()
    change.sections[0].section = change.personas[1].stale_sections[0] = "A | <b>bold</b>"
    report = markdown_report(revision(), [], change)
    assert r"### A \| \<b\>bold\</b\> (modified)" in report.splitlines()
    assert "<b>" not in report.replace(r"\<b\>", "")


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
