"""Which words of two texts differ, in bounded time: pure.

Matching takes cubic time on hostile texts. Here the common ends are set aside first, spaces match nothing by
themselves, and lines that are too alike within themselves, or come when much was compared, differ as a whole.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import TypeAlias

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE = 0.3  # below it nothing of a line is left, and words in common are chance
_MOST_PAIRS = 5_000
_MOST_PAIRS_IN_ALL = 50_000

Piece: TypeAlias = tuple[str, bool]
"""A piece of a line, and whether it differs."""

Span: TypeAlias = tuple[int, int, bool]
"""Tokens from one to before another, and whether they differ."""


@dataclass(slots=True)
class WordDiffs:
    """Compares the lines of one change; `pairs_left` of equal words may still be looked at."""

    pairs_left: int = _MOST_PAIRS_IN_ALL

    def of(self, before: str, after: str) -> tuple[list[Piece], list[Piece]]:
        """Both lines in pieces. Lines that have little in common differ as a whole."""
        old, new = _TOKEN.findall(before), _TOKEN.findall(after)
        head = _common(old, new)
        tail = _common(old[head:][::-1], new[head:][::-1])
        spans = self._spans(old[head : len(old) - tail], new[head : len(new) - tail])
        alike = head + tail + sum(last - first for tag, first, last, _, _ in spans if tag == "equal")
        if 2 * alike < _LEAST_ALIKE * (len(old) + len(new)):
            return _pieces(old, [(0, len(old), True)]), _pieces(new, [(0, len(new), True)])
        olds = [(head + first, head + last, tag != "equal") for tag, first, last, _, _ in spans]
        news = [(head + first, head + last, tag != "equal") for tag, _, _, first, last in spans]
        return _between(old, head, olds, tail), _between(new, head, news, tail)

    def _spans(self, old: Sequence[str], new: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
        """What becomes of which tokens; all are replaced where comparing them would take too long."""
        pairs = _pairs(old, new)
        if pairs > min(_MOST_PAIRS, self.pairs_left):
            return [("replace", 0, len(old), 0, len(new))]
        self.pairs_left -= pairs
        return SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes()


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(new)
    return sum(counts[token] for token in old if not token.isspace())


def _between(tokens: Sequence[str], head: int, spans: Sequence[Span], tail: int) -> list[Piece]:
    """The spans between the ends that both lines have."""
    return _pieces(tokens, [(0, head, False), *spans, (len(tokens) - tail, len(tokens), False)])


def _pieces(tokens: Sequence[str], spans: Sequence[Span]) -> list[Piece]:
    """The spans that hold any tokens, those that are next to one another and alike as one."""
    pieces: list[Piece] = []
    for first, last, differs in spans:
        words = "".join(tokens[first:last])
        if pieces and words and pieces[-1][1] is differs:
            words = pieces.pop()[0] + words
        if words:
            pieces.append((words, differs))
    return pieces
