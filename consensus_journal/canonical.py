"""The canonical form of JSON data (RFC 8785) and its digest."""

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import orjson
import rfc8785

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Plain: TypeAlias = "str | int | bool | Sequence[Plain] | Mapping[str, Plain] | None"
"""JSON data without fractions; integers within 2**53. Scores and spans are counted in small units."""


def canonical_json(value: Plain) -> bytes:
    """The RFC 8785 form of data without fractions.

    orjson's form is the same for such data with keys in the Basic Multilingual Plane, and costs a fiftieth
    of `reference_json`; a test holds the two together.

    Raises:
        TypeError: for what is no such data.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def reference_json(value: object) -> bytes:
    """The RFC 8785 form of any JSON data, fractions included.

    Raises:
        ValueError: for what JSON cannot say, such as NaN or an integer beyond 2**53.
    """
    return rfc8785.dumps(cast("Any", value))


def digest(canonical: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(canonical).digest()
