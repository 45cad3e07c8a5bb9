"""Oddities whose meaning is plain cost no call: they are put right, and noted."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_service.steps.mending import Notes, mended
from review_service.steps.outputs import (
    NOT_ESTIMATED,
    OutputError,
    PersonaReviewOutput,
    ProposalOutput,
    Reading,
    read_output,
)
from tests.support.outputs import PROPOSAL, REVIEW

TEXT = json.dumps(REVIEW)
PLAIN = read_output(PersonaReviewOutput, TEXT).output


def read(**fields: object) -> Reading[PersonaReviewOutput]:
    return read_output(PersonaReviewOutput, json.dumps(REVIEW | fields))


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("\ufeff" + TEXT, ("byte_order_mark",)),
        ("```json\n" + TEXT + "\n```", ("code_fence",)),
        ("```\r\n" + TEXT + "\r\n```\r\n", ("code_fence",)),
        ("```" + TEXT + "```", ("code_fence",)),
        ("<think>Is it {sound}? ```json {} ```</think>\n" + TEXT, ("thinking",)),
        ("<THINK></THINK>" + TEXT, ("thinking",)),
        ("<think>a</think><think>b</think>```json\n" + TEXT + "\n```", ("thinking", "code_fence")),
        ("```json\n\ufeff" + TEXT + "\n```", ("code_fence", "byte_order_mark")),
        (json.dumps(TEXT), ("json_in_string",)),
        (json.dumps("```json\n" + TEXT + "\n```"), ("json_in_string", "code_fence")),
        (json.dumps(REVIEW | {"persona_id": "optimist"}), ("extra_fields",)),
        (json.dumps(REVIEW | {"blocking_issues": [{"text": "keys"}]}), ("missing_nullable",)),
        (json.dumps(REVIEW | {"strengths": ["clear", "", " \n", "\u3164", None]}), ("blank_entries",)),
        (json.dumps(REVIEW | {"recommendations": None}), ("null_list",)),
        (TEXT.replace('"dependency_risks": []', '"dependency_risks": [""]'), ("blank_entries",)),
    ],
)
def test_it_reads_like_the_plain_answer(text: str, mended: tuple[str, ...]) -> None:
    reading = read_output(PersonaReviewOutput, text)

    assert reading.output == PLAIN
    assert reading.mended == mended


@pytest.mark.parametrize("effort", ["", "  ", "\u2800", None])
def test_effort_that_is_not_estimated_says_so(effort: object) -> None:
    reading = read(estimated_effort=effort)

    assert reading.output.estimated_effort == NOT_ESTIMATED
    assert reading.mended == ("blank_required",)


def test_a_blank_optional_text_is_absent() -> None:
    text = json.dumps(PROPOSAL | {"title": " ", "raw_expanded_proposal": ""})

    reading = read_output(ProposalOutput, text)

    assert (reading.output.title, reading.output.raw_expanded_proposal) == (None, None)
    assert reading.mended == ("blank_optional",)


def test_a_missing_optional_text_is_absent() -> None:
    without = {name: value for name, value in PROPOSAL.items() if name not in ("title", "summary")}

    assert read_output(ProposalOutput, json.dumps(without)).mended == ("missing_nullable",)


@pytest.mark.parametrize(
    "entry", [{"text": ""}, {"text": " ", "security_critical": False}, {"text": None}, None]
)
def test_a_blocking_issue_that_says_nothing_is_none(entry: object) -> None:
    assert read(blocking_issues=[entry]).output.blocking_issues == []


def test_a_blank_blocking_issue_that_is_critical_is_not_dropped() -> None:
    with pytest.raises(OutputError):
        read(blocking_issues=[{"text": "", "security_critical": True}])


@pytest.mark.parametrize("field", ["problem_statement", "proposed_solution"])
def test_what_a_proposal_cannot_do_without_is_not_made_up(field: str) -> None:
    with pytest.raises(OutputError):
        read_output(ProposalOutput, json.dumps(PROPOSAL | {field: " "}))


def test_a_long_text_is_not_walked_through_to_see_that_it_says_something() -> None:
    value = REVIEW | {"strengths": ["\u4e16" * 1_300_000]}
    began = time.thread_time()
    mended(PersonaReviewOutput, value, {}, Notes())

    assert time.thread_time() - began < 0.01


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*REVIEW, "text"]), inner),
    max_leaves=12,
)


@given(fields=st.dictionaries(st.sampled_from([*REVIEW, "x"]), JSON))
def test_whatever_stands_in_it_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        reading = read(**fields)
    except OutputError as fault:
        str(fault).encode()
        return

    assert all(each.strip() for each in reading.output.strengths)
    assert 0 <= reading.output.confidence_score <= 1


WRAPPINGS = ("<think>", "</think>", "```", "json", "\ufeff", "{", "}", '"', " ", "\n")


@given(parts=st.lists(st.sampled_from(WRAPPINGS), max_size=12))
def test_wrappings_without_an_answer_are_refused(parts: list[str]) -> None:
    with pytest.raises(OutputError):
        read_output(PersonaReviewOutput, "".join(parts))
