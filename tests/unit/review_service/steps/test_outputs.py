"""The strict reading of what a model wrote."""

import json
from typing import Any

import pytest

from review_service.steps.outputs import (
    PROPOSAL_FORMAT,
    REVIEW_FORMAT,
    OutputError,
    PersonaReviewOutput,
    ProposalOutput,
    read_output,
)
from tests.support.outputs import PROPOSAL, REVIEW

# Keywords that structured output refuses, at one provider or another.
REFUSED_BY_SOME = {
    "default", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "multipleOf",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "uniqueItems", "contains",
    "patternProperties", "unevaluatedProperties", "minProperties", "maxProperties", "propertyNames",
}  # fmt: skip


def fault(text: str) -> OutputError:
    with pytest.raises(OutputError) as caught:
        read_output(PersonaReviewOutput, text)
    return caught.value


def changed(**fields: object) -> str:
    return json.dumps(REVIEW | fields)


def test_a_good_review_is_read_and_its_strings_trimmed() -> None:
    reading = read_output(PersonaReviewOutput, json.dumps(REVIEW))

    assert reading.output.strengths == ["clear"]
    assert reading.output.blocking_issues[0].security_critical is None
    assert (reading.mended, reading.truncated_fields) == ((), ())


def test_a_good_proposal_is_read() -> None:
    reading = read_output(ProposalOutput, json.dumps(PROPOSAL))

    assert reading.output.problem_statement == "lost articles"
    assert (reading.mended, reading.truncated_fields) == ((), ())


def test_a_whole_number_is_a_score() -> None:
    assert read_output(PersonaReviewOutput, changed(confidence_score=1)).output.confidence_score == 1.0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"confidence_score": 1.01}, "confidence_score"),
        ({"confidence_score": -0.1}, "confidence_score"),
        ({"confidence_score": "0.8"}, "confidence_score"),
        ({"confidence_score": True}, "confidence_score"),
        ({"confidence_score": None}, "confidence_score"),
        ({"confidence_score": 10**400}, "confidence_score"),
        ({"confidence_score": 85}, "confidence_score"),
        ({"confidence_score": "0.85"}, "confidence_score"),
        ({"confidence_score": "85%"}, "confidence_score"),
        ({"strengths": "clear"}, "strengths"),
        ({"concerns": [{"text": "late"}]}, "concerns[0].is_blocking"),
        ({"concerns": [{"text": "late", "is_blocking": "no"}]}, "concerns[0].is_blocking"),
        ({"blocking_issues": [{"text": "", "security_critical": True}]}, "blocking_issues[0].text"),
        ({"blocking_issues": [{"text": "x" * 4001}]}, "blocking_issues[0].text"),
        ({"blocking_issues": [{"text": "x"}] * 51}, "blocking_issues"),
        ({"blocking_issues": ["x"]}, "blocking_issues[0]"),
        ({"strengths": [7]}, "strengths[0]"),
        ({"strengths": {}}, "strengths"),
        (
            {"blocking_issues": [{"text": "x", "security_critical": 1}]},
            "blocking_issues[0].security_critical",
        ),
        ({"estimated_effort": 3}, "estimated_effort"),
    ],
)
def test_a_broken_rule_is_named_by_its_field(fields: dict[str, object], field: str) -> None:
    assert field in {violation.field for violation in fault(changed(**fields)).violations}


def test_bounds_are_inclusive() -> None:
    reading = read_output(PersonaReviewOutput, changed(strengths=["x" * 4000] * 50, confidence_score=0))

    assert len(reading.output.strengths) == 50
    assert reading.truncated_fields == ()


@pytest.mark.parametrize("missing", REVIEW.keys())
def test_every_field_must_be_there(missing: str) -> None:
    text = json.dumps({name: value for name, value in REVIEW.items() if name != missing})

    assert [violation.field for violation in fault(text).violations] == [missing]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Here is my review:",
        "[]",
        "null",
        json.dumps(REVIEW)[:-1],
        json.dumps(REVIEW) + " and more",
        json.dumps(REVIEW) + json.dumps(REVIEW),
        "```json\n" + json.dumps(REVIEW),
        "```json\n" + json.dumps(REVIEW) + "\n```\nThat is my review.",
        "```\n" + json.dumps(REVIEW) + "\n```\n```\n" + json.dumps(REVIEW) + "\n```",
        "<think>" + json.dumps(REVIEW),
        json.dumps(json.dumps(json.dumps(REVIEW))),
        json.dumps(json.dumps(REVIEW) * 2),
        json.dumps(REVIEW).replace("0.8", "NaN"),
        json.dumps(REVIEW).replace("0.8", "Infinity"),
        json.dumps(REVIEW).replace("0.8", "1e999"),
        json.dumps(REVIEW).replace("{", '{"confidence_score": 0.1, ', 1),
        json.dumps(REVIEW).replace('"late"', '"late", "text": "later"'),
        json.dumps(REVIEW).replace("late", "la\\u0000te"),
        json.dumps(REVIEW).replace("late", "la\0te"),
        json.dumps(REVIEW).replace("late", "la\\ud800te"),
        json.dumps(REVIEW).replace("late", "la\ud800te"),
        "[" * 100_000,
    ],
    ids=[
        "empty", "prose", "a list", "null", "cut off", "text after it", "two objects", "an open fence",
        "text after a fence", "two fences", "thinking without an end", "a string in a string",
        "two objects in a string", "NaN", "Infinity",
        "overflow", "repeated key", "repeated key inside", "escaped NUL", "NUL", "escaped surrogate",
        "surrogate", "deep",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_of_the_schema_is_refused(text: str) -> None:
    assert str(fault(text))


def test_a_backslash_before_u0000_is_no_nul() -> None:
    output = read_output(PersonaReviewOutput, changed(estimated_effort="write \\u0000")).output

    assert output.estimated_effort == "write \\u0000"


@pytest.mark.parametrize(
    "text",
    [
        changed(estimated_effort=["canary"]),
        changed(concerns=[{"canary": "canary"}]),
        changed(blocking_issues=[{"text": "canary" * 1000}]),
        '{"canary": 1, "canary": 2}',
        '{"canary": "\\u0000"}',
        "canary",
    ],
)
def test_a_fault_never_repeats_what_the_model_wrote(text: str) -> None:
    caught = fault(text)

    assert "canary" not in str(caught) + "".join(f"{v.field}{v.description}" for v in caught.violations)


def test_a_thousand_faults_make_a_short_message() -> None:
    caught = fault(changed(strengths=[1] * 50, dependency_risks=[1] * 50, recommendations=[1] * 50))

    assert len(caught.violations) == 20
    assert "130 more" in str(caught)
    assert len(str(caught)) <= 4000


@pytest.mark.parametrize("output", [PROPOSAL_FORMAT, REVIEW_FORMAT], ids=lambda output: output.name)
def test_the_schema_sent_is_one_that_structured_output_takes(output: Any) -> None:
    def check(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
            assert not REFUSED_BY_SOME & node.keys()
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for value in node:
                check(value)

    check(output.schema)


def test_the_schemas_have_the_fields_of_the_contract() -> None:
    assert list(PROPOSAL_FORMAT.schema["properties"]) == list(PROPOSAL)
    assert list(REVIEW_FORMAT.schema["properties"]) == list(REVIEW)
