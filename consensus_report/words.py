"""Which words of two texts differ, in bounded time: pure.

Matching takes cubic time on hostile texts. Here the common ends are set aside first, spaces match nothing by
themselves, and lines that are too alike within themselves, or come when much was compared, differ as a whole.
Of lines with many differences so do the parts that are left once so many tokens were looked at.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import accumulate, takewhile
from typing import TypeAlias

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE = 0.3  # below it nothing of a line is left, and words in common are chance
_MOST_PAIRS = 5_000
_MOST_PAIRS_IN_ALL = 50_000
_MOST_STEPS = 100_000
_MOST_STEPS_IN_ALL = 500_000

Piece: TypeAlias = tuple[str, bool]
"""A piece of a line, and whether it differs."""

Span: TypeAlias = tuple[int, int, bool]
"""Tokens from one to before another, and whether they differ."""


@dataclass(slots=True)
class WordDiffs:
    """Compares the lines of one change; so many pairs of equal words, and tokens, may still be looked at."""

    pairs_left: int = _MOST_PAIRS_IN_ALL
    steps_left: int = _MOST_STEPS_IN_ALL

    def of(self, before: str, after: str) -> tuple[list[Piece], list[Piece]]:
        """Both lines in pieces. Lines that have little in common differ as a whole."""
        old, new = _TOKEN.findall(before), _TOKEN.findall(after)
        head = _common(old, new)
        tail = _common(old[head:][::-1], new[head:][::-1])
        blocks = self._blocks(old[head : len(old) - tail], new[head : len(new) - tail])
        alike = head + tail + sum(each.size for each in blocks)
        if 2 * alike < _LEAST_ALIKE * (len(old) + len(new)):
            return _pieces(old, [(0, len(old), True)]), _pieces(new, [(0, len(new), True)])
        olds = _spans([(head + each.a, each.size) for each in blocks], head, len(old) - tail)
        news = _spans([(head + each.b, each.size) for each in blocks], head, len(new) - tail)
        return _between(old, head, olds, tail), _between(new, head, news, tail)

    def _blocks(self, old: Sequence[str], new: Sequence[str]) -> list[Match]:
        """What both have, in order; nothing where comparing them would take too long."""
        counts = Counter(token for token in new if not token.isspace())
        pairs = sum(counts[token] for token in old)
        if pairs > min(_MOST_PAIRS, self.pairs_left):
            return []
        self.pairs_left -= pairs
        # What one search costs: each token of its range, and each of its pairs.
        costs = list(accumulate((1 + counts[token] for token in old), initial=0))
        return self._searched(SequenceMatcher(str.isspace, old, new, autojunk=False), costs, len(new))

    def _searched(
        self, matcher: "SequenceMatcher[str]", costs: Sequence[int], new_length: int
    ) -> list[Match]:
        """The longest match, and those on either side of it, until the steps of a line are used up."""
        found: list[Match] = []
        ranges = [(0, len(costs) - 1, 0, new_length)]
        line_left = min(_MOST_STEPS, self.steps_left)
        while ranges:
            first, last, begin, end = ranges.pop()
            cost = costs[last] - costs[first]
            if cost > line_left or first == last or begin == end:
                continue
            line_left, self.steps_left = line_left - cost, self.steps_left - cost
            match = matcher.find_longest_match(first, last, begin, end)
            if match.size:
                found.append(match)
                ranges.append((match.a + match.size, last, match.b + match.size, end))
                ranges.append((first, match.a, begin, match.b))
        return sorted(found)


def _spans(equal: Sequence[tuple[int, int]], first: int, last: int) -> Iterator[Span]:
    """What is equal (where, how long), and what differs before and behind it."""
    for at, size in equal:
        yield first, at, True
        yield at, at + size, False
        first = at + size
    yield first, last, True


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _between(tokens: Sequence[str], head: int, spans: Iterable[Span], tail: int) -> list[Piece]:
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
