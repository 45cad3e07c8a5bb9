"""Which words of two texts differ: pure."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE = 0.3  # below it nothing of a line is left, and words in common are chance
_MOST_TOKENS = 2000  # comparing takes their square

Piece: TypeAlias = tuple[str, bool]
"""A piece of a line, and whether it differs."""


def changed_words(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Both lines in pieces. Lines that have little in common differ as a whole."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if max(len(old), len(new)) > _MOST_TOKENS:
        return [(before, True)], [(after, True)]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _LEAST_ALIKE:
        return [(before, True)], [(after, True)]
    steps = matcher.get_opcodes()
    return (
        _pieces(old, [(first, last, tag != "equal") for tag, first, last, _, _ in steps]),
        _pieces(new, [(first, last, tag != "equal") for tag, _, _, first, last in steps]),
    )


def _pieces(tokens: Sequence[str], spans: Sequence[tuple[int, int, bool]]) -> list[Piece]:
    return [("".join(tokens[first:last]), differs) for first, last, differs in spans if first < last]
