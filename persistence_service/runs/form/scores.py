"""Scores and weights in stored JSON: whole ten-thousandths, under the contract's bare names. Pure.

A unit in fifteen names of every decision is 240 bytes that are written with each run. There were releases
that wrote it; what is stored is never rewritten, since its digest stands in the journal: either name is read.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from persistence_service.schema.scalars import ten_thousandths

_SUFFIX = "_ten_thousandths"


def score_columns(message: Message, names: Iterable[str], path: str) -> dict[str, int]:
    """The scores of a message as they are stored; `path` is what errors call the message.

    Raises:
        InvalidField: for more than four decimals.
    """
    return {name: ten_thousandths(getattr(message, name), f"{path}.{name}") for name in names}


def stored_score(columns: Mapping[str, Any], name: str) -> float:
    """A score as the contract says it; `name` is its name there.

    Raises:
        KeyError: there is none.
    """
    stored: int = columns[name] if name in columns else columns[name + _SUFFIX]
    return stored / 10_000


def found_score(columns: Mapping[str, Any], name: str) -> float | None:
    """As `stored_score`, for a score that need not be there."""
    return stored_score(columns, name) if name in columns or name + _SUFFIX in columns else None
