"""Documents and quotations as they are shown: by number and heading, cleaned."""

from consensus.v1 import document_pb2, panel_pb2, run_event_pb2, run_pb2
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import markdown_report
from consensus_cli.view.lists import run_lines
from consensus_cli.view.progress import RunView
from consensus_cli.view.run import run_blocks

TEXT = "# Cache\n\nWe cache.\n\n## Warm\x1b[31m-up <b>\n\nFrom the *replica*.\n"
QUOTED = [
    document_pb2.Quotation(section="1.1", text="From the *replica*."),
    document_pb2.Quotation(section="attachments/latency.csv", text="p99,40 ms"),
]


def run_over_document() -> run_pb2.Run:
    run = run_pb2.Run(run_id="r-1", state=run_pb2.RUN_STATE_COMPLETED)
    document = run.specification.document
    document.text, document.name = TEXT, "rfc.md"
    document.format = document_pb2.DOCUMENT_FORMAT_MARKDOWN
    run.specification.attachments.add(
        name="latency.csv", media_type="text/csv", text="p99,40 ms", sha256=b"\1" * 32
    )
    review = run.persona_reviews.add(persona_id="critic", persona_name="Critic", confidence_score=0.7)
    review.concerns.add(text="Cold.", quotations=QUOTED)
    review.blocking_issues.add(text="No replica.", quotations=QUOTED[:1])
    review.shown_texts.add(name="document", character_count=len(TEXT))
    review.provenance.CopyFrom(panel_pb2.ReviewProvenance(attempt_count=1, dropped_quotation_count=2))
    return run


def test_a_run_shows_the_documents_sections_and_where_reviews_quote_it() -> None:
    shown = [block.text for block in run_blocks(run_over_document())]

    assert "rfc.md, Markdown, 61 characters, 2 sections" in shown
    assert "§ 1 Cache" in shown
    assert "  § 1.1 Warm\\x1b[31m-up <b>" in shown
    assert "§ 1.1 Warm\\x1b[31m-up <b>: “From the *replica*.”" in shown
    assert "attachments/latency.csv: “p99,40 ms”" in shown
    assert "- latency.csv, text/csv, 9 characters, sha256 010101010101" in shown
    assert "read: document (61 characters)" in shown
    assert "2 quotations left out, not in the text" in shown


def test_reports_show_quotations_escaped() -> None:
    run = run_over_document()

    markdown, html = markdown_report(run, []), html_report(run, [])

    assert markdown.startswith("# Cache\n")
    assert "  - § 1.1 Warm\\\\x1b\\[31m-up \\<b\\>: “From the \\*replica\\*.”" in markdown
    assert "<blockquote>§ 1.1 Warm\\x1b[31m-up &lt;b&gt;: “From the *replica*.”</blockquote>" in html
    assert "\x1b" not in markdown + html


def test_what_quotes_what_is_not_there_is_marked_and_places_have_names() -> None:
    run = run_over_document()
    (review,) = run.persona_reviews
    review.blocking_issues.add(text="Keys leak.", security_critical=True, section="1.1", unsupported=True)
    review.concerns.add(text="No way back.", section="proposed_solution")
    review.concerns.add(
        text="Slow.", quotations=[document_pb2.Quotation(section="assumptions", text="Fast.")]
    )
    marked = "✗ Keys leak. (security-critical) (quotes what is not there)"

    shown = [block.text for block in run_blocks(run)]
    markdown, html = markdown_report(run, []), html_report(run, [])

    assert f"- {marked}" in shown
    assert "about § 1.1 Warm\\x1b[31m-up <b>" in shown
    assert "about Solution" in shown
    assert "Assumptions: “Fast.”" in shown
    assert f"- {marked}" in markdown
    assert "  - about Solution" in markdown
    assert f'<li class="unsupported">{marked}<blockquote>about § 1.1' in html
    assert "<blockquote>Assumptions: “Fast.”</blockquote>" in html


def test_the_live_view_counts_what_blocks_and_marks_what_quotes_what_is_not_there() -> None:
    run = run_over_document()
    (review,) = run.persona_reviews
    review.blocking_issues.add(text="Keys leak.", security_critical=True, unsupported=True)
    ready = run_event_pb2.PersonaReviewReady(persona_review=review)
    view = RunView()

    view.take(run_event_pb2.RunEvent(sequence=1, persona_review_ready=ready))

    assert view.lines["review_critic"].note == (
        "1 blocking, 1 concern, 3 quotations, ✗ 1 quotes what is not there"
    )


def test_lists_name_a_document_whose_text_they_have_not() -> None:
    run = run_over_document()
    run.specification.document.text = ""

    assert "rfc.md" in "\n".join(run_lines([run]))
