"""Quotations in the model's reviews."""

import json
import time
from typing import Any

import pytest

from consensus.v1 import document_pb2, panel_pb2
from consensus_documents import find_quotation
from review_service.steps.outputs import (
    REVIEW_FORMAT,
    BlockingIssueOutput,
    OutputError,
    PersonaReviewOutput,
    QuoteOutput,
    read_output,
)
from review_service.steps.quotations import Quotable, QuotationCheck, fit_quotations

MOTIVATION = "## Motivation\n\nThe cache is cold\nafter each deploy."
DESIGN = "## Design\n\nWe warm it from the “replica”, not from the primary."
QUOTABLE = Quotable.of(
    [
        ("1", "Motivation", MOTIVATION),
        ("2", "Design", DESIGN),
        ("attachments/latency.csv", "latency.csv", "p99,40 ms\np50,3 ms"),
    ]
)


def kept(section: str, text: str) -> tuple[list[tuple[str, str]], int]:
    check = QuotationCheck(QUOTABLE)
    found = check.kept([QuoteOutput(section=section, text=text)])
    return [(each.section, each.text) for each in found], check.dropped_count


@pytest.mark.parametrize(
    ("section", "text", "place", "words"),
    [
        ("1", "The cache is cold after each deploy.", "1", "The cache is cold after each deploy."),
        ("1", "cold\n\n  after", "1", "cold after"),
        ("2", "The cache is cold", "1", "The cache is cold"),
        ("7.3", "The cache is cold", "1", "The cache is cold"),
        ("", "We warm it", "2", "We warm it"),
        ("§ 2 Design", "We warm it", "2", "We warm it"),
        ("Section 2.", "We warm it", "2", "We warm it"),
        ("Design", "We warm it", "2", "We warm it"),
        ("attachments/latency.csv", "p99,40 ms", "attachments/latency.csv", "p99,40 ms"),
        ("latency.csv", "p50,3 ms", "attachments/latency.csv", "p50,3 ms"),
        ("2", "“We warm it from the …”", "2", "We warm it from the"),
        ("2", '"...not from the primary."', "2", "not from the primary."),
        ("2", 'from the "replica"', "2", 'from the "replica"'),
        ("1", "The cache … after each deploy.", "1", "after each deploy."),
        ("1", "The cache is [...] each deploy", "1", "The cache is"),
    ],
)
def test_a_quote_stands_under_the_section_that_has_it(
    section: str, text: str, place: str, words: str
) -> None:
    assert kept(section, text) == ([(place, words)], 0)
    whole = {"1": MOTIVATION, "2": DESIGN}.get(place)
    assert whole is None or find_quotation(whole, words)


@pytest.mark.parametrize(
    "text",
    [
        "The cache is warm",
        "the cache is cold",
        "deploy. ## Design",
        "each deploy … The cache is cold",
        "The cache … from the primary",
        "",
        " ",
        "…",
        "is",
        '"',
    ],
)
def test_what_is_not_in_the_text_is_dropped_and_counted(text: str) -> None:
    assert kept("1", text) == ([], 1)


def test_at_most_ten_are_kept_each_once() -> None:
    check = QuotationCheck(Quotable.of([("1", "", " ".join(f"word{n:03}" for n in range(50)))]))
    words = [f"word{n:03}" for n in range(15)]

    found = check.kept([QuoteOutput(section="1", text=each) for each in ["word000", *words]])

    assert [each.text for each in found] == words[:10]


def test_a_long_quote_is_cut_between_words() -> None:
    text = "seven7 " * 300
    check = QuotationCheck(Quotable.of([("1", "", text)]))

    (found,) = check.kept([QuoteOutput(section="1", text=text)])

    assert len(found.text) <= 1_000
    assert found.text.endswith("seven7")


def review_json(quotes: Any) -> str:
    concern = {"text": "Cold.", "is_blocking": False, "section": "1"}
    return json.dumps(
        {
            "confidence_score": 0.7,
            "strengths": [],
            "concerns": [concern if quotes is None else concern | {"quotes": quotes}],
            "recommendations": [],
            "blocking_issues": [{"text": "No.", "security_critical": None, "quotes": []}],
            "estimated_effort": "A day.",
            "dependency_risks": [],
        }
    )


@pytest.mark.parametrize(
    ("quotes", "read"),
    [
        (None, []),
        ([], []),
        ([{"section": "1", "text": "cold"}], [("1", "cold")]),
        ([{"section": 2.1, "text": "cold"}], [("2.1", "cold")]),
        ([{"section": "1", "text": "cold", "line": 3}], [("1", "cold")]),
        ([{"text": "cold"}], [("", "cold")]),
        (["cold"], [("", "cold")]),
        ([{"section": "1", "text": 7}], [("1", "")]),
        ([[]], [("", "")]),
    ],
)
def test_quotes_are_read_as_they_come(quotes: Any, read: list[tuple[str, str]]) -> None:
    output = read_output(PersonaReviewOutput, review_json(quotes)).output

    assert [(each.section, each.text) for each in output.concerns[0].quotes] == read


def test_a_fault_beside_quotes_is_named_with_its_field() -> None:
    text = json.loads(review_json([{"section": "1", "text": "cold"}]))
    text["concerns"][0]["is_blocking"] = "perhaps"

    with pytest.raises(OutputError, match=r"concerns\[0\]\.is_blocking"):
        read_output(PersonaReviewOutput, json.dumps(text))


def test_the_schema_asks_for_quotes_in_both_lists() -> None:
    definitions = REVIEW_FORMAT.schema["$defs"]

    for name in ("ConcernOutput", "BlockingIssueOutput"):
        assert {"section", "quotes"} <= set(definitions[name]["required"])
    assert sorted(definitions["QuoteOutput"]["required"]) == ["section", "text"]


def issue(section: str, *quotes: str) -> BlockingIssueOutput:
    listed = [{"section": section, "text": each} for each in quotes]
    given = {"text": "It is cold.", "security_critical": True, "section": section, "quotes": listed}
    return BlockingIssueOutput.model_validate(given)


@pytest.mark.parametrize(
    ("quotes", "unsupported"),
    [
        ([], False),
        (["The cache is cold"], False),
        (["The cache is warm"], True),
        (["The cache is warm", "We heat it"], True),
        (["The cache is warm", "The cache is cold"], False),
        (["is"], False),
        (["", "…"], False),
        (["", "The cache is warm"], True),
    ],
    ids=["omission", "found", "missed", "all missed", "one found", "too short", "none", "none and missed"],
)
def test_unsupported_is_only_what_quotes_and_quotes_nothing_that_is_there(
    quotes: list[str], unsupported: bool
) -> None:
    assert QuotationCheck(QUOTABLE).evidence(issue("1", *quotes)).unsupported is unsupported


@pytest.mark.parametrize(
    ("entry", "section"),
    [
        (issue("2"), "2"),
        (issue("§ 2 Design"), "2"),
        (issue("the appendix"), ""),
        (issue(""), ""),
        (issue("2", "The cache is cold"), "1"),
        (issue("2", "The cache is cold", "We warm it"), "2"),
    ],
    ids=["omission", "by heading", "unknown", "none", "where it is found", "named among those found"],
)
def test_an_issue_names_the_section_that_it_rests_on(entry: BlockingIssueOutput, section: str) -> None:
    assert QuotationCheck(QUOTABLE).evidence(entry).section == section


@pytest.mark.parametrize(
    ("given", "read"), [(None, ""), ("2.1", "2.1"), (2.1, "2.1"), (True, ""), (["2"], "")], ids=repr
)
def test_a_section_is_read_as_it_comes(given: Any, read: str) -> None:
    text = json.loads(review_json([]))
    text["concerns"][0] |= {"section": given}

    assert read_output(PersonaReviewOutput, json.dumps(text)).output.concerns[0].section == read


def review(concerns: int, quotations: int) -> panel_pb2.PersonaReview:
    quoted = [document_pb2.Quotation(section="1", text="x" * 500)] * quotations
    return panel_pb2.PersonaReview(
        concerns=[panel_pb2.Concern(text="Cold.", quotations=quoted) for _ in range(concerns)],
        blocking_issues=[panel_pb2.BlockingIssue(text="No.", quotations=quoted)],
    )


def test_quotations_make_room_before_what_they_belong_to() -> None:
    whole = review(4, 3)

    assert fit_quotations(whole, 5_000) == ("quotations",)

    assert whole.ByteSize() <= 5_000
    assert [len(each.quotations) for each in whole.concerns] == [3, 3, 0, 0]
    assert len(whole.blocking_issues[0].quotations) == 3


def test_quotations_that_fit_stay() -> None:
    whole = review(2, 2)

    assert fit_quotations(whole, 5_000) == ()
    assert whole == review(2, 2)


def test_a_hostile_answer_full_of_quotes_takes_time_in_proportion() -> None:
    text = "ab " * 66_000
    check = QuotationCheck(Quotable.of([(str(n), "", text[n * 400 : (n + 1) * 400]) for n in range(495)]))
    quotes = [QuoteOutput(section="1", text="ab " * 300 + "c")] * 500
    began = time.perf_counter()

    for _ in range(50):
        check.kept(quotes)

    assert time.perf_counter() - began < 3.0
    assert check.dropped_count == 50 * 500
