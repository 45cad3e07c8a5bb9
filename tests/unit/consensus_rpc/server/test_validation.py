from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, panel_pb2, review_service_pb2, run_pb2
from consensus_rpc import errors
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.server.validation import check_request, tolerant
from tests.unit.consensus_rpc.conftest import Request, Running

SECRET = "canary-7f3a"


def review(**fields: Any) -> review_service_pb2.StreamReviewRequest:
    return review_service_pb2.StreamReviewRequest(
        review=review_service_pb2.ReviewInput(idea="An idea.")
        if "review" not in fields
        else fields.pop("review"),
        **fields,
    )


def violations_of(request: Any) -> dict[str, str]:
    with pytest.raises(errors.InvalidField) as raised:
        check_request(request)
    return {each.field: each.description for each in raised.value.field_violations}


def test_a_request_within_the_rules_passes() -> None:
    check_request(review())


def test_a_violation_names_the_field_the_limit_and_the_size_sent() -> None:
    idea = SECRET + "x" * 20_000

    found = violations_of(review(review=review_service_pb2.ReviewInput(idea=idea)))

    assert found == {"review.idea": f"must be at most 20000 characters; {len(idea)} characters sent"}


@pytest.mark.parametrize(
    ("request_", "field", "rule"),
    [
        (review(review=review_service_pb2.ReviewInput()), "review.subject", "required"),
        (review(review=review_service_pb2.ReviewInput(idea="")), "review.idea", "string.min_len"),
        (review_service_pb2.ExpandIdeaRequest(), "subject", "required"),
    ],
    ids=["no subject", "an idea that is empty", "nothing to expand"],
)
def test_what_is_to_be_reviewed_must_be_there(request_: Any, field: str, rule: str) -> None:
    with pytest.raises(errors.InvalidField) as raised:
        check_request(request_)

    assert [(each.field, each.reason) for each in raised.value.field_violations] == [(field, rule)]


COUNTS = (
    ["attempt_number", "max_output_tokens", "http_status"],
    ["input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"],
    ["attempt_count"],
)


@pytest.mark.parametrize("name", [name for group in COUNTS for name in group])
def test_a_count_that_the_tables_cannot_hold_is_a_violation(name: str) -> None:
    holders = [attempt_pb2.Attempt(step="expand", attempt_number=1), panel_pb2.TokenUsage()]
    holder = [*holders, panel_pb2.ReviewProvenance(attempt_count=1)][
        next(place for place, group in enumerate(COUNTS) if name in group)
    ]
    setattr(holder, name, 2**31 - 1)
    check_request(holder)
    setattr(holder, name, 2**31)
    assert list(violations_of(holder)) == [name]


def test_there_is_one_violation_per_broken_rule() -> None:
    options = review_service_pb2.ReviewOptions(expand_temperature=3.5)
    options.retry_initial_backoff.seconds = 90
    options.quorum.required_personas.extend(["architect", "B!"])
    wrong = review(
        review=review_service_pb2.ReviewInput(idea="An idea.", options=options),
        idempotency_key="k" * 300,
        on_disconnect=9,
    )

    found = violations_of(wrong)

    assert found.keys() == {
        "review.options.expand_temperature",
        "review.options.retry_initial_backoff",
        "review.options.quorum.required_personas[1]",
        "idempotency_key",
        "on_disconnect",
    }
    assert found["review.options.expand_temperature"].endswith("; 3.5 sent")
    assert found["review.options.retry_initial_backoff"].endswith("; 90s sent")
    assert found["idempotency_key"].endswith("; 300 characters sent")


def test_an_unset_oneof_is_named() -> None:
    assert violations_of(persistence_service_pb2.RecordRunRequest()) == {
        "message": "exactly one field is required in oneof"
    }


def test_a_violation_never_repeats_what_was_sent() -> None:
    found = violations_of(
        review(
            review=review_service_pb2.ReviewInput(idea=f"{SECRET}\0", user=f"{SECRET}\n"),
            idempotency_key=f"{SECRET}\t",
        )
    )

    assert len(found) == 3
    assert SECRET not in repr(found)


def test_fields_of_a_newer_client_are_let_through() -> None:
    newer = review().SerializeToString() + b"\xfa\x7f\x03new"

    check_request(review_service_pb2.StreamReviewRequest.FromString(newer))


def test_undecodable_bytes_become_a_refusal() -> None:
    request = tolerant(run_pb2.Run.FromString, 100)(b"\xff\xff\xff")

    with pytest.raises(errors.InvalidField, match="no message of the request's type"):
        check_request(request)


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_a_handler_never_sees_a_request_that_breaks_a_rule(running: Running, kind: str) -> None:
    with pytest.raises(errors.InvalidField) as raised, contract_errors():
        await running.call(kind, Request(run_id="not an id"))

    [violation] = raised.value.field_violations
    assert (violation.field, violation.reason) == ("run_id", "string.pattern")
    assert running.probe.requests == []


@pytest.mark.parametrize("kind", ["StreamUnary", "StreamStream"])
async def test_every_message_of_a_request_stream_is_checked(running: Running, kind: str) -> None:
    good, bad = Request(run_id="r1"), Request(run_id="not an id")

    with pytest.raises(errors.InvalidField), contract_errors():
        await running.call(kind, good, good, bad, good)

    assert len(running.probe.requests) == 2
