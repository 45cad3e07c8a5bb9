"""What makes two requests the same."""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from consensus.v1 import review_service_pb2
from review_service.intake.fingerprint import fingerprint, idempotency_claim

Request = review_service_pb2.StreamReviewRequest


def make_request(idea: str = "A rota for two wards.", **fields: object) -> Request:
    review = review_service_pb2.ReviewInput(idea=idea)
    return Request(review=review, **fields)  # type: ignore[arg-type]  # fields as a test names them


def test_the_key_and_what_happens_on_disconnect_are_no_part_of_the_meaning() -> None:
    plain = fingerprint(make_request())

    assert fingerprint(make_request(idempotency_key="k")) == plain
    assert fingerprint(make_request(on_disconnect=review_service_pb2.ON_DISCONNECT_CANCEL)) == plain


def test_start_and_stream_of_the_same_review_are_one_request() -> None:
    review = review_service_pb2.ReviewInput(idea="A rota for two wards.")

    assert fingerprint(Request(review=review)) == fingerprint(
        review_service_pb2.StartReviewRequest(review=review)
    )


def test_fields_that_are_not_set_count_as_absent() -> None:
    assert fingerprint(make_request(idempotency_key="")) == fingerprint(make_request())


def _with_idea(request: Request) -> None:
    request.review.idea += "!"


def _with_zero_temperature(request: Request) -> None:
    request.review.options.review_temperature = 0.0


def _with_text(request: Request) -> None:
    request.review.context.text = "{}"


def _with_object(request: Request) -> None:
    request.review.context.object.update({})
    request.review.context.object.SetInParent()


@pytest.mark.parametrize("change", [_with_idea, _with_zero_temperature, _with_text, _with_object])
def test_whatever_changes_the_meaning_changes_the_fingerprint(change: Callable[[Request], None]) -> None:
    request = make_request()
    change(request)

    assert fingerprint(request) != fingerprint(make_request())


def test_the_order_of_an_objects_keys_does_not_matter() -> None:
    def with_object(*keys: str) -> Request:
        request = make_request()
        for key in keys:
            request.review.context.object[key] = 1.5
        return request

    assert fingerprint(with_object("a", "b")) == fingerprint(with_object("b", "a"))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (make_request(), "4974b382"),
        (review_service_pb2.CancelRunRequest(run_id="r-1"), "35e91f6f"),
    ],
    ids=["stream", "cancel"],
)
def test_it_survives_a_release(request_: Message, expected: str) -> None:
    assert fingerprint(request_).hex()[:8] == expected


def test_there_is_no_claim_without_a_key() -> None:
    assert idempotency_claim(make_request(), "") is None
    claim = idempotency_claim(make_request(), "k")
    assert claim is not None
    assert (claim.key, len(claim.fingerprint)) == ("k", 32)
