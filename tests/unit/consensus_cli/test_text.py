"""Text from elsewhere, made safe to show."""

import pytest

from consensus_cli import text
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import escape, markdown_report
from consensus_cli.report.markup import Markup, element, render
from tests.unit.consensus_client import samples

HOSTILE = {
    "a colour": ("\x1b[31mred", r"\x1b[31mred"),
    "a window title": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "an 8-bit escape": ("\x9b31m", r"\x9b31m"),
    "a backspace": ("ab\b\bcd", r"ab\x08\x08cd"),
    "a carriage return": ("safe\rgone", "safe gone"),
    "line breaks": ("a\n\n\tb\u2028c", "a b c"),
    "a bidi override": ("\u202eabc\u2066", r"\u202eabc\u2066"),
    "a lone surrogate": ("\ud800", r"\ud800"),
    "a zero width space": ("a\u200bb", r"a\u200bb"),
    "a joined emoji": ("👩\u200d💻", "👩\u200d💻"),
    "accents and other scripts": ("é ü 漢字", "é ü 漢字"),
}


@pytest.mark.parametrize(("given", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_terminal_obeys_nothing_in_cleaned_text(given: str, shown: str) -> None:
    assert text.clean(given) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0, "0.00"), (0.6, "0.60"), (0.8125, "0.8125"), (0.812, "0.812"), (1.0, "1.00"), (0.05, "0.05")],
)
def test_a_score_has_two_to_four_decimals(number: float, shown: str) -> None:
    assert text.score(number) == shown


def test_a_value_of_a_newer_server_has_a_word_too() -> None:
    from consensus.v1 import run_pb2

    assert text.word(run_pb2.RunState, run_pb2.RUN_STATE_FAILED, "RUN_STATE_") == "failed"
    assert text.word(run_pb2.RunState, run_pb2.RunState.ValueType(99), "RUN_STATE_") == "unknown (99)"


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


def test_the_reports_of_a_failed_run_say_why() -> None:
    run = samples.completed_run()
    run.ClearField("decision")
    run.failure.CopyFrom(samples.failure())
    assert "QUORUM_NOT_MET" in html_report(run, [])
    assert r"QUORUM\_NOT\_MET" in markdown_report(run, [])


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("# heading", r"\# heading"),
        ("1. item", r"1\. item"),
        ("- item", r"\- item"),
        ("a | b", r"a \| b"),
        ("[x](y)", r"\[x\](y)"),
        ("<b>", r"\<b\>"),
        ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
    ],
)
def test_markdown_shows_a_runs_text_as_it_stands(given: str, shown: str) -> None:
    assert escape(given) == shown
