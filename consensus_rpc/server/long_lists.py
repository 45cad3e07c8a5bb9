"""Lists that are longer than the contract lets them be, found before its rules visit their entries."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from consensus_contract.errors import FieldViolation
from consensus_rpc.server.shapes import MessageShape

_MOST = 50


def long_lists(message: Any, shape: MessageShape) -> list[FieldViolation]:
    """One violation for each list that is too long, in the words of the rule that it breaks.

    The rules' engine goes on from there to every entry: 20,000 empty ones in 40 KB take it 0.6 s.
    """
    return list(islice(_found(message, shape, ""), _MOST))


def _found(message: Any, shape: MessageShape, path: str) -> Iterator[FieldViolation]:
    for name, most, inner in shape.lists:
        below = f"{path}.{name}" if path else name
        if most is None:
            if inner is not None and message.HasField(name):
                yield from _found(getattr(message, name), inner, below)
            continue
        entries = getattr(message, name)
        if len(entries) > most:
            described = f"must contain no more than {most} item(s); {len(entries)} items sent"
            yield FieldViolation(below, described, "repeated.max_items")
        elif inner is not None:
            for index, entry in enumerate(entries):
                yield from _found(entry, inner, f"{below}[{index}]")
