"""The rules of a request that the contract cannot say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format

from consensus.v1 import review_service_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_rpc.errors import InvalidField
from review_service.config import ReviewSettings
from review_service.intake.requests import IntakeLimits, check_expand_request, check_review_input
from review_service.intake.specification import expansion_specification
from tests.support.engine import LIMITS

WAY_OUT = "send it as a document: at most 200,000 characters, any number of sentences"


def review_input(idea: str = "Build it.", **fields: object) -> review_service_pb2.ReviewInput:
    return review_service_pb2.ReviewInput(idea=idea, **fields)  # type: ignore[arg-type]  # protobuf checks it


def violations(review: review_service_pb2.ReviewInput, limits: IntakeLimits = LIMITS) -> list[FieldViolation]:
    with pytest.raises(InvalidField) as caught:
        check_review_input(review, limits)
    return list(caught.value.field_violations)


def fields(found: Sequence[FieldViolation]) -> list[str]:
    return [violation.field for violation in found]


def test_an_idea_is_trimmed() -> None:
    assert check_review_input(review_input("  Build it. \n"), LIMITS).idea == "Build it."


@pytest.mark.parametrize("idea", ["x", "x" * 10_000, " " * 5_000 + "x" * 10_000, "Yes. " * 10])
def test_an_idea_at_its_limits_is_taken(idea: str) -> None:
    assert check_review_input(review_input(idea), LIMITS).idea == idea.strip()


@pytest.mark.parametrize(
    ("idea", "description"),
    [
        ("", "must have 1 to 10000 characters after trimming; 0 were sent"),
        (" \n\t ", "must have 1 to 10000 characters after trimming; 0 were sent"),
        ("x" * 10_001, f"must have 1 to 10000 characters after trimming; 10001 were sent; {WAY_OUT}"),
        ("x" * 200_001, "must have 1 to 10000 characters after trimming; 200001 were sent"),
        ("?!", "must hold a letter or a digit; 2 characters without one were sent"),
        ("Yes. " * 11, f"must have 1 to 10 sentences; 11 were sent; {WAY_OUT}"),
    ],
    ids=["empty", "blank", "too long", "too long for anything", "says nothing", "too many sentences"],
)
def test_an_idea_beyond_a_limit_is_refused_with_the_limit_and_the_size(idea: str, description: str) -> None:
    (violation,) = violations(review_input(idea))

    assert (violation.field, violation.description) == ("review.idea", description)


def test_a_text_beyond_two_limits_is_told_both_at_once() -> None:
    found = violations(review_input("A b c. " * 2_000))

    assert [violation.reason for violation in found] == ["idea.characters", "idea.sentences"]


def test_settings_lower_the_limits() -> None:
    limits = replace(LIMITS, max_idea_characters=20, max_idea_sentences=1, max_context_characters=3)

    assert fields(violations(review_input("x" * 21), limits)) == ["review.idea"]
    assert fields(violations(review_input("A b. C d."), limits)) == ["review.idea"]
    context = run_pb2.ExtraContext(text="abcd")
    assert fields(violations(review_input(context=context), limits)) == ["review.context.text"]


def object_context(value: dict[str, Any]) -> run_pb2.ExtraContext:
    context = run_pb2.ExtraContext()
    json_format.ParseDict(value, context.object)
    return context


@pytest.mark.parametrize(
    "context",
    [run_pb2.ExtraContext(text="x" * 50_000), object_context({"a": [1, {"b": None}]}), object_context({})],
    ids=["text", "object", "empty object"],
)
def test_context_within_its_limits_is_taken(context: run_pb2.ExtraContext) -> None:
    assert check_review_input(review_input(context=context), LIMITS).context == context


def test_no_context_is_none() -> None:
    assert check_review_input(review_input(), LIMITS).context is None


@pytest.mark.parametrize(
    ("context", "field", "part"),
    [
        (run_pb2.ExtraContext(text="x" * 50_001), "review.context.text", "50001 were sent"),
        (run_pb2.ExtraContext(text=" "), "review.context.text", "letter or a digit"),
        (object_context({"a": "x" * 49_993}), "review.context.object", "50002 were sent"),
        (object_context({"a": {"b": ["\0"]}}), "review.context.object", "NUL"),
        (object_context({"\0": 1}), "review.context.object", "NUL"),
    ],
    ids=["text too long", "blank", "object too long", "NUL inside", "NUL in a name"],
)
def test_context_beyond_a_limit_is_refused(context: run_pb2.ExtraContext, field: str, part: str) -> None:
    (violation,) = violations(review_input(context=context))

    assert violation.field == field
    assert part in violation.description


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_object_with_a_number_that_json_has_not_is_refused(number: float) -> None:
    context = run_pb2.ExtraContext()
    context.object.fields["a"].number_value = number

    assert fields(violations(review_input(context=context))) == ["review.context.object"]


@pytest.mark.parametrize("value", [0.0, 0.7, 0.29, 1.15, 2.0])
def test_a_temperature_in_hundredths_is_taken(value: float) -> None:
    check_review_input(
        review_input(options=review_service_pb2.ReviewOptions(review_temperature=value)), LIMITS
    )


@pytest.mark.parametrize("value", [0.005, 1.999, -0.01, 2.01, float("nan")])
@pytest.mark.parametrize("name", ["expand_temperature", "review_temperature"])
def test_another_temperature_is_refused(name: str, value: float) -> None:
    options = review_service_pb2.ReviewOptions()
    setattr(options, name, value)

    assert fields(violations(review_input(options=options))) == [f"review.options.{name}"]


@pytest.mark.parametrize("name", ["expand_temperature", "review_temperature"])
def test_a_temperature_and_none_at_once_are_refused(name: str) -> None:
    options = review_service_pb2.ReviewOptions()
    setattr(options, name, 0.5)
    setattr(options, f"omit_{name}", True)

    assert fields(violations(review_input(options=options))) == [f"review.options.omit_{name}"]


def test_every_broken_rule_is_named_at_once() -> None:
    broken = review_input(
        "?",
        context=run_pb2.ExtraContext(text=" "),
        options=review_service_pb2.ReviewOptions(expand_temperature=0.001, review_temperature=0.001),
    )

    assert fields(violations(broken)) == [
        "review.idea",
        "review.context.text",
        "review.options.expand_temperature",
        "review.options.review_temperature",
    ]


def test_a_violation_never_repeats_the_text() -> None:
    (violation,) = violations(review_input("canary. " * 11))

    assert "canary" not in violation.description


def test_an_expansion_is_held_to_the_same_limits() -> None:
    with pytest.raises(InvalidField) as caught:
        check_expand_request(review_service_pb2.ExpandIdeaRequest(idea=" ", expand_temperature=0.001), LIMITS)

    assert fields(caught.value.field_violations) == ["idea", "expand_temperature"]


def test_an_expansion_may_ask_for_no_temperature_but_not_for_both() -> None:
    asked = review_service_pb2.ExpandIdeaRequest(idea="An idea.", omit_expand_temperature=True)
    clean = check_expand_request(asked, LIMITS)
    assert not expansion_specification(ReviewSettings.load(), clean, asked).HasField("expand_temperature")
    asked.expand_temperature = 0.5
    with pytest.raises(InvalidField) as caught:
        check_expand_request(asked, LIMITS)
    assert fields(caught.value.field_violations) == ["omit_expand_temperature"]
