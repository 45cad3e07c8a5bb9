"""JSON objects of callers: what is kept, what is refused, what they are called by."""

import hashlib
import math
from typing import Any

import pytest
import rfc8785
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import example, given
from hypothesis import strategies as st

from consensus_rpc.errors import InvalidField
from persistence_service.schema.json_data import MAX_BYTES, json_object, json_struct
from tests.support.serving import struct

OBJECTS: list[dict[str, Any]] = [
    {},
    {"text": "é", "list": [], "object": {}, "null": None, "yes": True, "no": False},
    {"fraction": 0.1, "small": 5e-324, "large": 1e300, "whole": 7, "negative": -3},
    {"deep": {"list": [1, {"a": [None, "x"]}, [[]]]}},
    {"\U0001f600": 1, "\ufb33": 2, "z": 3},  # RFC 8785 orders keys by UTF-16
    {"beyond": 2.0**53, "below": 2.0**53 - 1},
]


@pytest.mark.parametrize("plain", OBJECTS, ids=repr)
def test_an_object_comes_back_as_it_was_sent(plain: dict[str, Any]) -> None:
    sent = struct(**plain)
    assert json_struct(json_object(sent, "data").plain) == sent


@pytest.mark.parametrize("plain", OBJECTS, ids=repr)
def test_its_digest_is_that_of_the_canonical_form(plain: dict[str, Any]) -> None:
    kept = json_object(struct(**plain), "data")
    assert kept.digest == hashlib.sha256(rfc8785.dumps(kept.plain)).digest()


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)
@example(1e-4, "")
@example(0.00009999999999999999, "")
@example(999_999_999_999_999.9, "")
@example(1e15 + 0.5, "")
@example(1e16, "")
def test_every_number_and_text_has_the_digest_of_its_canonical_form(number: float, text: str) -> None:
    kept = json_object(struct(**{text: [number, text]}), "data")
    assert kept.digest == hashlib.sha256(rfc8785.dumps(kept.plain)).digest()


def test_numbers_that_are_whole_are_kept_as_integers() -> None:
    plain = json_object(struct(five=5.0, zero=-0.0), "data").plain
    assert [repr(number) for number in plain.values()] in (["5", "0"], ["0", "5"])


REFUSED = [
    pytest.param(struct(n=math.nan), "finite", id="NaN"),
    pytest.param(struct(n=[math.inf]), "finite", id="infinity"),
    pytest.param(struct(text="a\0b"), "NUL", id="NUL in a text"),
    pytest.param(struct(**{"a\0": 1}), "NUL", id="NUL in a key"),
    pytest.param(Struct(fields={"a": Value()}), "no kind", id="a value that was not set"),
    pytest.param(
        struct(text="x" * (MAX_BYTES - 10)), "at most 65536 bytes of JSON; 65537 bytes", id="too large"
    ),
]


@pytest.mark.parametrize(("sent", "why"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(sent: Struct, why: str) -> None:
    with pytest.raises(InvalidField, match=r"events\[3\]\.data") as caught:
        json_object(sent, "events[3].data")
    assert why in caught.value.field_violations[0].description


def test_the_largest_object_is_kept() -> None:
    assert json_object(struct(text="x" * (MAX_BYTES - 11)), "data").plain
