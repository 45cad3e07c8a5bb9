"""Scores and weights in stored JSON: whole ten-thousandths, under names that say so. Pure.

Releases before stored them under the bare names. That is never rewritten, since its digest stands in the
journal: what is read may have either name.
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
    return {name + _SUFFIX: ten_thousandths(getattr(message, name), f"{path}.{name}") for name in names}


def stored_score(columns: Mapping[str, Any], name: str) -> float:
    """A score as the contract says it; `name` is its name there."""
    stored: int = columns[name] if name in columns else columns[name + _SUFFIX]
    return stored / 10_000


def found_score(columns: Mapping[str, Any], name: str) -> float | None:
    """As `stored_score`, for a score that need not be there."""
    stored: int | None = columns.get(name + _SUFFIX)
    return None if stored is None else stored / 10_000
