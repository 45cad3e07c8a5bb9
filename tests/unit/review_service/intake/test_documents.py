"""Documents, proposals and attachments of a request."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from consensus.v1 import document_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_contract.sizes import INPUT_BYTES, PROPOSAL_BYTES
from consensus_rpc.errors import InvalidField
from review_service.intake.requests import CleanInput, check_review_input
from tests.support.engine import LIMITS

LONG = "A sentence of a document. " * 500


def document_input(text: str = LONG, **fields: Any) -> review_service_pb2.ReviewInput:
    return review_service_pb2.ReviewInput(document=document_pb2.Document(text=text), **fields)


def attachment(name: str = "latency.csv", text: str = "p99,40 ms", **fields: Any) -> document_pb2.Attachment:
    return document_pb2.Attachment(name=name, text=text, **fields)


def proposal(**fields: Any) -> proposal_pb2.Proposal:
    return proposal_pb2.Proposal(
        **{"problem_statement": " It is slow. ", "proposed_solution": "Cache it."} | fields
    )


def taken(review: review_service_pb2.ReviewInput) -> CleanInput:
    return check_review_input(review, LIMITS)


def violations(review: review_service_pb2.ReviewInput) -> Sequence[FieldViolation]:
    with pytest.raises(InvalidField) as caught:
        taken(review)
    return caught.value.field_violations


def broken(review: review_service_pb2.ReviewInput) -> list[tuple[str, str]]:
    return [(each.field, each.reason) for each in violations(review)]


def test_a_document_has_any_number_of_sentences_and_comes_as_it_is() -> None:
    clean = taken(document_input(f"\n{LONG}\n"))

    assert clean.document is not None
    assert clean.document.text == f"\n{LONG}\n"
    assert clean.document_expansion == document_pb2.DOCUMENT_EXPANSION_SKIP


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("# Title\n\nWords.\n", "", document_pb2.DOCUMENT_FORMAT_MARKDOWN),
        ("Title\n=====\n\n.. note:: x\n", "pep.rst", document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT),
        ("Words and no more.\n", "memo.txt", document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT),
    ],
)
def test_the_format_is_told_from_text_and_name(
    text: str, name: str, told: document_pb2.DocumentFormat.ValueType
) -> None:
    clean = taken(review_service_pb2.ReviewInput(document=document_pb2.Document(text=text, name=name)))

    assert clean.document is not None
    assert clean.document.format == told


def test_a_format_that_was_said_stands() -> None:
    plain = document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT
    review = review_service_pb2.ReviewInput(document=document_pb2.Document(text="# x", format=plain))

    document = taken(review).document

    assert document is not None
    assert document.format == plain


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have 1 to 200000 characters; 0 were sent"),
        (
            "x" * 200_001,
            "must have 1 to 200000 characters; 200001 were sent; send its parts as documents of their own",
        ),
        ("# ---", "must hold a letter or a digit; 5 characters without one were sent"),
    ],
    ids=["empty", "too long", "says nothing"],
)
def test_a_document_beyond_a_limit_is_refused(text: str, said: str) -> None:
    (violation,) = violations(document_input(text))

    assert (violation.field, violation.description) == ("review.document.text", said)


def test_a_proposal_is_trimmed_and_taken_as_it_is() -> None:
    clean = taken(review_service_pb2.ReviewInput(proposal=proposal(title=" ")))

    assert clean.proposal == proposal(problem_statement="It is slow.")


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        (proposal(problem_statement=" "), "review.proposal.problem_statement", "proposal.blank"),
        (proposal(assumptions=["a", " "]), "review.proposal.assumptions[1]", "proposal.blank"),
        (proposal(assumptions=["字" * 4_000] * 30), "review.proposal", "proposal.bytes"),
    ],
    ids=["required text blank", "entry blank", "too large"],
)
def test_a_proposal_that_breaks_a_rule_is_refused(
    given: proposal_pb2.Proposal, field: str, rule: str
) -> None:
    assert given.ByteSize() > PROPOSAL_BYTES or rule != "proposal.bytes"
    assert broken(review_service_pb2.ReviewInput(proposal=given)) == [(field, rule)]


def test_attachments_get_their_digest_and_media_type() -> None:
    (kept,) = taken(document_input(attachments=[attachment()])).attachments

    assert kept.media_type == "text/plain"
    assert kept.sha256 == hashlib.sha256(b"p99,40 ms").digest()


@pytest.mark.parametrize(
    "media_type",
    ["text/csv", "application/json", "application/openapi+json", "application/yaml", "application/toml"],
)
def test_types_of_text_are_taken(media_type: str) -> None:
    assert taken(document_input(attachments=[attachment(media_type=media_type)])).attachments


@pytest.mark.parametrize(
    ("attachments", "place", "rule"),
    [
        ([attachment(), attachment()], "[1].name", "attachment.unique"),
        ([attachment("Document")], "[0].name", "attachment.reserved"),
        ([attachment('a" id="0">')], "[0].name", "attachment.name"),
        ([attachment(" a")], "[0].name", "attachment.name"),
        ([attachment("...")], "[0].name", "attachment.name"),
        ([attachment(media_type="image/png")], "[0].media_type", "attachment.media_type"),
        ([attachment(media_type="application/pdf")], "[0].media_type", "attachment.media_type"),
        ([attachment(text="")], "[0].text", "attachment.content"),
        ([attachment(text="x" * 200_001)], "[0].text", "attachment.characters"),
        ([attachment(sha256=b"\0" * 32)], "[0].sha256", "attachment.sha256"),
        ([attachment(sha256=b"\0")], "[0].sha256", "attachment.sha256"),
    ],
)
def test_an_attachment_that_breaks_a_rule_is_refused(
    attachments: list[document_pb2.Attachment], place: str, rule: str
) -> None:
    assert broken(document_input(attachments=attachments)) == [(f"review.attachments{place}", rule)]


def test_a_digest_that_fits_is_taken() -> None:
    digest = hashlib.sha256(b"p99,40 ms").digest()

    assert taken(document_input(attachments=[attachment(sha256=digest)])).attachments[0].sha256 == digest


def test_only_a_document_is_expanded_or_not() -> None:
    review = review_service_pb2.ReviewInput(
        idea="Build it.", document_expansion=document_pb2.DOCUMENT_EXPANSION_SKIP
    )

    assert broken(review) == [("review.document_expansion", "document_expansion.subject")]


def test_all_that_is_given_has_a_size_in_bytes() -> None:
    wide = "字" * 199_000  # three bytes each
    review = document_input(wide, attachments=[attachment(text=wide)])

    (violation,) = violations(review)

    assert (violation.field, violation.reason) == ("review", "input.bytes")
    assert f"at most {INPUT_BYTES} bytes" in violation.description


def test_all_that_is_wrong_is_said_in_one_answer() -> None:
    review = document_input(
        "",
        attachments=[attachment(media_type="image/png"), attachment(text="")],
        context=run_pb2.ExtraContext(text=" "),
        options=review_service_pb2.ReviewOptions(review_temperature=3),
    )

    assert [rule for _, rule in broken(review)] == [
        "document.characters",
        "context.content",
        "attachment.media_type",
        "attachment.unique",
        "attachment.content",
        "temperature.range",
    ]
